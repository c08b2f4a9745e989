// What the container and CI files name is there. No container engine runs in tests.

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };
import { ROOT, textOf } from './markdown.ts';

describe('Dockerfile', () => {
  const instructions = textOf('Dockerfile').replaceAll('\\\n', '').split('\n');
  const copied = instructions
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/ +/).slice(1, -1));

  test('copies only what exists', () => {
    expect(copied).not.toEqual([]);
    expect(copied.filter((path) => !existsSync(`${ROOT}/${path}`))).toEqual([]);
  });

  test('is sent all that it copies, and nothing else', () => {
    const sent = textOf('.dockerignore').trim().split('\n');
    expect(sent[0]).toBe('*');
    expect(sent.slice(1).toSorted()).toEqual([...new Set(copied)].map((path) => `!${path}`).toSorted());
  });

  test('runs the built command as a user without rights', () => {
    expect(instructions).toContain(`CMD ["node", "--max-semi-space-size=16", "${manifest.bin.backscroll}", "serve"]`);
    expect(instructions.indexOf('USER node')).toBeGreaterThan(instructions.findLastIndex((line) => line.startsWith('FROM ')));
  });
});

describe('.ci/run', () => {
  let tools: string;

  beforeAll(async () => {
    tools = await mkdtemp(join(tmpdir(), 'backscroll-ci-'));
    // Stands in for npm: prints what the test says, for suites of tests, and ends as it says. The packages count as installed.
    await script(
      'npm',
      'echo "npm $*" >> "$CALLS"; [ "$1" = ci ] || { [ "$2" = test:differential ] || printf "%b" "$SUMMARY"; exit "$CODE"; }',
    );
    await Promise.all(['redis-server', 'chromium', 'prometheus'].map((name) => script(name, 'exit 0')));
  });
  afterAll(() => rm(tools, { recursive: true }));

  async function script(name: string, body: string): Promise<void> {
    await writeFile(join(tools, name), `#!/usr/bin/env bash\n${body}\n`);
    await chmod(join(tools, name), 0o755);
  }

  async function run(summary: string, code: number): Promise<{ lines: string[]; exitCode: unknown; calls: string }> {
    const calls = join(tools, 'calls');
    await writeFile(calls, '');
    const env = { PATH: `${tools}:${process.env['PATH']}`, SUMMARY: summary, CODE: String(code), CALLS: calls };
    return new Promise((resolve) => {
      execFile('bash', [`${ROOT}/.ci/run`], { env }, (error, output) =>
        resolve({
          lines: output.trimEnd().split('\n'),
          exitCode: error === null ? 0 : error.code,
          calls: readFileSync(calls, 'utf8'),
        }),
      );
    });
  }

  test('is executable and runs the test command of the README', async () => {
    expect(statSync(`${ROOT}/.ci/run`).mode & 0o111).toBe(0o111);
    expect(textOf('README.md')).toContain('```sh\nnpm ci && npm test\n```');
    expect((await run('', 0)).calls).toBe(
      'npm ci\nnpm test\nnpm run test:long\nnpm run test:differential -- --minutes 2 --seed 20\n',
    );
  });

  // Both suites print the same here.
  test.each([
    {
      what: 'passes',
      summary: ' Test Files  3 passed (3)\\n      Tests  40 passed (40)\\n',
      code: 0,
      last: '80 passed, 0 failed',
    },
    {
      what: 'fails, in colours',
      summary:
        '\\e[2m      Tests \\e[22m \\e[1m\\e[31m2 failed\\e[39m\\e[22m\\e[2m | \\e[22m\\e[1m\\e[32m40 passed\\e[39m\\e[22m\\e[90m (42)\\e[39m\\n',
      code: 1,
      last: '80 passed, 4 failed',
    },
    { what: 'skips some', summary: '      Tests  40 passed | 3 skipped (43)\\n', code: 0, last: '80 passed, 0 failed' },
    {
      what: 'fails outside any test',
      summary: ' Test Files  1 failed (1)\\n      Tests  no tests\\n',
      code: 1,
      last: '0 passed, 1 failed',
    },
    { what: 'breaks', summary: '', code: 7, last: '0 passed, 1 failed' },
  ])('ends with the count and the status of a run that $what', async ({ summary, code, last }) => {
    const { lines, exitCode } = await run(summary, code);
    expect(lines.at(-1)).toBe(last);
    expect(exitCode).toBe(code);
  });
});

test('the form for faults asks for what tells them apart', () => {
  const { body } = parse(textOf('.github/ISSUE_TEMPLATE/bug.yml')) as {
    body: { id?: string; attributes: { label?: string; description?: string }; validations?: { required: boolean } }[];
  };
  const asked = body.flatMap(({ attributes }) => attributes.description ?? []).join('\n');
  for (const what of ['backscroll --version', 'Cache-Status', 'X-Request-Id', 'GET /admin/explain'])
    expect(asked).toContain(what);
  const required = body.filter(({ validations }) => validations?.required === true).map(({ id }) => id);
  expect(required).toEqual(['version', 'asked', 'expected']);
  // GitHub takes a form whose parts have names of their own.
  const ids = body.flatMap(({ id }) => id ?? []);
  expect(new Set(ids).size).toBe(ids.length);
});

test('the package has the files that the program reads beside its own', async () => {
  const packed = await new Promise<string>((resolve, reject) => {
    execFile('npm', ['pack', '--dry-run', '--json'], { cwd: ROOT }, (error, output) =>
      error === null ? resolve(output) : reject(error),
    );
  });
  const paths = (JSON.parse(packed) as { files: { path: string }[] }[])[0]!.files.map(({ path }) => path);
  const read = ['src/status/page', 'examples/transcript'].flatMap((folder) =>
    readdirSync(`${ROOT}/${folder}`).map((name) => `${folder}/${name}`),
  );
  expect(read.filter((path) => !paths.includes(path))).toEqual([]);
});
