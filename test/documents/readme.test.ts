// What the README says of the program is so.

import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseClientsFile } from '../../src/clients/clients-file.ts';
import { tokenVerifier } from '../../src/clients/jwt.ts';
import { customerViewForms, customerViewTable } from '../../src/clients/view.ts';
import { loadConfig, settingsTable } from '../../src/config.ts';
import { ERROR_STATUS } from '../../src/errors.ts';
import manifest from '../../package.json' with { type: 'json' };
import { cloneWithoutBuild, removeClone } from '../program/clone.ts';
import { anchors, codeBlocks, codeWords, linkTargets, ROOT, section, tableRows, textOf } from './markdown.ts';

const README = textOf('README.md');
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'SECURITY.md'];

test('something runs within the first 30 lines, and they say what it does', () => {
  const top = README.split('\n').slice(0, 30).join('\n');
  expect(top).toContain('```sh\nnpm ci && npm run demo\n```');
  expect(top).toContain('knows Chatwoot');
  expect(top).toMatch(/^cache-status: backscroll; hit; ttl=\d+$/m);
});

test('the settings table is that of the program', () => {
  expect(section(README, 'Settings')).toContain(`\n${settingsTable()}\n`);
});

test('the customer view is that of the program', () => {
  const told = section(README, 'The customer view');
  expect(told).toContain(`\n${customerViewTable()}\n`);
  expect(told).toContain(`\n${customerViewForms()}\n`);
});

test('the commands are those of the program', () => {
  const source = textOf('src/commands/run.ts');
  const actual = [...source.matchAll(/^    case '([a-z ]+)':/gm)].map(([, command = '']) => command);
  const documented = tableRows(section(README, 'Operations')).flatMap(
    ([words = '']) => /^`backscroll ([a-z]+(?: create)?)/.exec(words)?.[1] ?? [],
  );
  expect(documented.toSorted()).toEqual(actual.toSorted());
});

test('the errors table has each code with its status, and no other', () => {
  const documented = tableRows(section(README, 'Errors')).map(
    ([status = '', code = '']) => `${code.replaceAll('`', '')} ${status}`,
  );
  const actual = Object.entries(ERROR_STATUS).map(
    ([code, status]) => `${code} ${code === 'not_served' ? '404, 405, 421' : status}`,
  );
  expect(new Set(documented)).toEqual(new Set(actual));
});

test('the metrics are those of the program', () => {
  const source = ['metrics', 'edge-metrics'].map((file) => textOf(`src/http/${file}.ts`)).join('\n');
  const exported = new Set([...source.matchAll(/'(backscroll_\w+)'/g)].map(([, name = '']) => name));
  const documented = tableRows(section(README, 'Operations')).flatMap(
    ([name = '']) => /^`(backscroll_\w+)`$/.exec(name)?.[1] ?? [],
  );
  expect(documented.toSorted()).toEqual([...exported].toSorted());
  expect([...README.matchAll(/backscroll_\w+/g)].filter(([name]) => !exported.has(name))).toEqual([]);
});

test('every npm script that a document names exists', () => {
  const text = DOCUMENTS.map(textOf).join('\n');
  const named = [...text.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(test|start)\b)/g)].map(
    ([, script, short]) => script ?? short ?? '',
  );
  expect(named).toContain('demo');
  expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
});

test.each(DOCUMENTS)('links within the project lead somewhere: %s', (file) => {
  const text = textOf(file);
  const broken = linkTargets(text).filter((target) => {
    if (target.startsWith('https:')) return false;
    const [path = '', anchor] = target.split('#');
    if (path !== '' && !existsSync(`${ROOT}/${path}`)) return true;
    return anchor !== undefined && !anchors(path === '' ? text : textOf(path)).includes(anchor);
  });
  expect(broken).toEqual([]);
});

describe('Where things are', () => {
  const map = section(README, 'Where things are');

  /** Every path of the list: `- \`folder/\`` and, indented below it, `  - \`name\``. */
  function listed(): string[] {
    let folder = '';
    return map.split('\n').flatMap((line) => {
      const [, indent, name] = /^( *)- `([^`]+)`: \S/.exec(line) ?? [];
      if (indent === undefined || name === undefined) return [];
      if (indent !== '') return `${folder}${name}`;
      folder = name;
      return name;
    });
  }

  test('names each file of src/ and each folder of src/, test/, bench/ and examples/ once, and nothing else', () => {
    const files = below('src').filter((path) => path.endsWith('.ts'));
    const folders = ['src', 'test', 'bench', 'examples'].flatMap((top) => [
      `${top}/`,
      ...below(top).filter((path) => path.endsWith('/')),
    ]);
    expect(listed().toSorted()).toEqual([...files, ...folders].toSorted());
  });

  test('names no path elsewhere that does not exist', () => {
    const paths = codeWords(README).filter((word) => /^(src|test|bench|examples)\/\S*$/.test(word));
    expect(paths.filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([]);
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
  const blocks = codeBlocks(README);
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
