// What the documents say of the program is so.

import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseClientsFile } from '../../src/clients/clients-file.ts';
import { tokenVerifier } from '../../src/clients/jwt.ts';
import { customerViewForms, customerViewTable } from '../../src/clients/view.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { settingsTable } from '../../src/config/settings.ts';
import { ERROR_STATUS } from '../../src/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import { cloneWithoutBuild, removeClone } from '../program/clone.ts';
import { anchors, codeBlocks, codeWords, linkTargets, ROOT, section, tableRows, textOf } from './markdown.ts';

const README = textOf('README.md');
const PAGES = readdirSync(`${ROOT}/docs`)
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...PAGES];
/** All that an operator or caller reads. */
const TEXT = ['README.md', ...PAGES].map(textOf).join('\n');

test('something runs within the first 30 lines, and they say what it does', () => {
  const top = README.split('\n').slice(0, 30).join('\n');
  expect(top).toContain('```sh\nnpm ci && npm run demo\n```');
  expect(top).toContain('knows Chatwoot');
  expect(top).toMatch(/^cache-status: backscroll; hit; ttl=\d+$/m);
});

test('the settings table is that of the program', () => {
  expect(textOf('docs/settings.md')).toContain(`\n${settingsTable()}\n`);
});

test('the customer view is that of the program', () => {
  const told = textOf('docs/customer-view.md');
  expect(told).toContain(`\n${customerViewTable()}\n`);
  expect(told).toContain(`\n${customerViewForms()}\n`);
});

test('the commands are those of the program', () => {
  const source = textOf('src/commands/run.ts');
  const actual = [...source.matchAll(/^    case '([a-z ]+)':/gm)].map(([, command = '']) => command);
  const documented = tableRows(textOf('docs/operations.md')).flatMap(
    ([words = '']) => /^`backscroll ([a-z]+(?: create)?)/.exec(words)?.[1] ?? [],
  );
  expect(documented.toSorted()).toEqual(actual.toSorted());
});

test('the errors table has each code with its status, and no other', () => {
  const documented = tableRows(section(textOf('docs/requests-and-answers.md'), 'Errors')).map(
    ([status = '', code = '']) => `${code.replaceAll('`', '')} ${status}`,
  );
  const actual = Object.entries(ERROR_STATUS).map(
    ([code, status]) => `${code} ${code === 'not_served' ? '404, 405, 421' : status}`,
  );
  expect(new Set(documented)).toEqual(new Set(actual));
});

test('the metrics are those of the program', () => {
  const files = ['http/metrics', 'http/edge-metrics', 'http/feed-told', 'pass-through/pass-through-metrics', 'shared/metrics'];
  const source = files.map((file) => textOf(`src/${file}.ts`)).join('\n');
  const exported = new Set([...source.matchAll(/'(backscroll_\w+)'/g)].map(([, name = '']) => name));
  const documented = tableRows(textOf('docs/operations.md')).flatMap(
    ([name = '']) => /^`(backscroll_\w+)`$/.exec(name)?.[1] ?? [],
  );
  expect(documented.toSorted()).toEqual([...exported].toSorted());
  expect([...TEXT.matchAll(/backscroll_\w+/g)].filter(([name]) => !exported.has(name))).toEqual([]);
});

test('every npm script that a document names exists', () => {
  const text = DOCUMENTS.map(textOf).join('\n');
  const named = [...text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(test|start)\b)/g)].map(
    ([, script, short]) => script ?? short ?? '',
  );
  expect(named).toContain('demo');
  expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
});

test('the README is short, and leads to every page', () => {
  expect(README.split('\n').length).toBeLessThanOrEqual(200);
  expect(PAGES.filter((page) => !linkTargets(README).includes(page))).toEqual([]);
});

test.each(DOCUMENTS)('links within the project lead somewhere: %s', (file) => {
  const broken = linkTargets(textOf(file)).filter((target) => {
    if (target.startsWith('https:')) return false;
    const [path = '', anchor] = target.split('#');
    const leadsTo = path === '' ? file : join(dirname(file), path);
    if (!existsSync(`${ROOT}/${leadsTo}`)) return true;
    return anchor !== undefined && !anchors(textOf(leadsTo)).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(DOCUMENTS)('no path is named that does not exist: %s', (file) => {
  const paths = codeWords(textOf(file)).filter((word) => /^(src|test|bench|examples|docs|deploy)\/\S*$/.test(word));
  expect(paths.filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([]);
});

describe('the folders', () => {
  const map = section(textOf('docs/architecture.md'), 'The folders');

  /** Every folder of the list: `- \`folder/\`` and, indented below it, `  - \`name/\``. */
  function listed(): string[] {
    let top = '';
    return map.split('\n').flatMap((line) => {
      const [, indent, name] = /^( *)- `([^`]+)`: \S/.exec(line) ?? [];
      if (indent === undefined || name === undefined) return [];
      if (indent !== '') return `${top}${name}`;
      top = name;
      return name;
    });
  }

  test('of src/, bench/ and examples/ have a line each, and none is listed that does not exist', () => {
    const folders = ['src', 'bench', 'examples'].flatMap((top) => [
      `${top}/`,
      ...below(top).filter((path) => path.endsWith('/')),
    ]);
    expect(folders.filter((folder) => !listed().includes(folder))).toEqual([]);
    expect(listed().filter((folder) => !existsSync(`${ROOT}/${folder}`))).toEqual([]);
  });

  test('hold files that say in their first line what they are for', () => {
    const files = ['src', 'test', 'bench'].flatMap(below).filter((path) => /(?<!\.test)\.ts$/.test(path));
    const silent = files.filter((path) => !/^(#!.*\n(\n)?)?\/\/ \S+ \S+ /.test(textOf(path)));
    expect(silent).toEqual([]);
  });
});

/** Everything below a folder, from the root; folders end in a slash. */
function below(folder: string): string[] {
  return readdirSync(`${ROOT}/${folder}`).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(`${ROOT}/${path}`).isDirectory() ? [`${path}/`, ...below(path)] : [path];
  });
}

describe('examples', () => {
  let clone: string;
  beforeAll(async () => {
    clone = await cloneWithoutBuild();
  });
  afterAll(() => removeClone(clone));

  const MARK = '# runs in CI\n';
  const blocks = DOCUMENTS.flatMap((file) => codeBlocks(textOf(file)));
  const marked = blocks.flatMap(({ text }, at) => {
    if (!text.startsWith(MARK)) return [];
    const next = blocks[at + 1];
    return { command: text.slice(MARK.length), expected: next?.language === 'text' ? next.text : null };
  });

  test('settings that are wrong are all told about', async () => {
    const { command, expected } = marked.find((block) => block.command.includes('serve'))!;
    const { output, exitCode } = await run(command);
    expect(output).toBe(expected);
    expect(exitCode).toBe(1);
  });

  test('a key is made together with the entry that the clients file takes', async () => {
    const { command } = marked.find((block) => block.command.includes('key create'))!;
    const { output, exitCode } = await run(command);
    expect(exitCode).toBe(0);
    const key = /^ +(bsk_\S+)$/m.exec(output)![1]!;
    const entry = output.trim().split('\n').at(-1)!;
    expect(entry).toContain(createHash('sha256').update(key).digest('hex'));
    expect(parseClientsFile(`{"clients":[${entry}]}`)).toMatchObject({ kind: 'clients', clients: [{ name: 'crm' }] });
  });

  test('a token is made that is accepted and narrow', async () => {
    const { command } = marked.find((block) => block.command.includes('token create'))!;
    const { output, exitCode } = await run(command);
    expect(exitCode).toBe(0);
    const secret = /JWT_SECRET=(\S+)/.exec(command)![1]!;
    const verifier = tokenVerifier({ secrets: [secret], keys: null, issuer: undefined, audience: undefined });
    const token = output.split('\n').find((line) => line.startsWith('eyJ'))!;
    const reader = await verifier.verify(token, Date.now());
    expect(reader).toMatchObject({ scope: [{ account: 1, conversations: [7, 12] }], view: 'customer' });
  });

  test('no marked block is left out', () => {
    expect(marked).toHaveLength(3);
  });

  test('the clients file is accepted', () => {
    const files = blocks.filter(({ language }) => language === 'json');
    expect(files.map(({ text }) => parseClientsFile(text).kind)).toEqual(['clients']);
  });

  test('the keys are accepted', () => {
    const lines = blocks.filter(({ language }) => language === 'ini').flatMap(({ text }) => text.trim().split('\n'));
    const given = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
    const config = loadConfig({ CHATWOOT_URL: 'https://chatwoot.example.com', CHATWOOT_API_TOKEN: 'a-token', ...given });
    expect(config.clients.clients.map(({ name }) => name)).toEqual(['crm', 'reports']);
  });

  /** Runs a block as a stranger's shell would: in a fresh clone, with none of this process's settings. */
  async function run(command: string): Promise<{ output: string; exitCode: number | string }> {
    const { PATH, HOME } = process.env;
    return new Promise((resolve) => {
      execFile('bash', ['-c', `exec 2>&1\n${command}`], { cwd: clone, env: { PATH, HOME }, timeout: 25_000 }, (error, output) =>
        resolve({ output, exitCode: error === null ? 0 : (error.code ?? 'killed') }),
      );
    });
  }
});
