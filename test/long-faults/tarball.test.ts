// What is published: packed, installed into an empty folder, and run from there, with each Node that is at hand.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { cloneWithoutBuild, Command, removeClone } from '../program/clone.ts';
import { settings } from '../program/serve.ts';
import { KEY, messagesOf, plantToken } from '../support/backscroll.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

/** The folders of further Nodes, separated by colons, to be tried beside the one that runs the tests. */
const FURTHER = (process.env['OTHER_NODES'] ?? '').split(':').filter((folder) => folder !== '');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backscroll-installed-'));
  const clone = await cloneWithoutBuild();
  try {
    await succeed(`npm run tarball -- --pack-destination ${folder}`, clone);
  } finally {
    await removeClone(clone);
  }
  const [tarball] = await readdir(folder);
  await succeed(`npm init --yes && npm install --omit=dev --no-audit --no-fund --prefer-offline ./${tarball}`, folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('it holds what is needed to run it and to read about it, and no test', async () => {
  const top = await readdir(join(folder, 'node_modules/backscroll'));
  expect(top.toSorted()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'deploy', 'dist', 'docs', 'examples', 'package.json', 'src'].toSorted(),
  );
  const files = await readdir(join(folder, 'node_modules/backscroll'), { recursive: true });
  expect(files.filter((file) => /\.test\.[jt]s$/.test(file))).toEqual([]);
});

describe.each([dirname(process.execPath), ...FURTHER])('with the Node in %s', (node) => {
  const path = `export PATH=${node}:$PATH`;

  test('the command tells its version', async () => {
    expect(await outputOf(`${path}; npx --no-install backscroll --version`, folder)).toEqual({
      code: 0,
      output: `${manifest.version}\n`,
    });
  });

  test('the demo runs', async () => {
    const command = new Command(`${path}; exec npx --no-install backscroll demo`, folder, { PORT: '0' });
    onTestFinished(() => command.end());
    const [, url] = await command.printed(/Backscroll is up at (http:\/\/127\.0\.0\.1:\d+)/);
    const headers = { api_access_token: 'demo-key-for-trying' };
    expect((await fetch(`${url}${messagesOf(1)}`, { headers })).status).toBe(200);
    expect((await fetch(`${url}/demo/transcript/`)).status).toBe(200);
  });

  test('it serves in front of a Chatwoot', async () => {
    const chatwoot = await startSampleChatwoot();
    onTestFinished(() => chatwoot.close());
    plantToken(chatwoot);
    const command = new Command(`${path}; exec npx --no-install backscroll serve`, folder, settings(chatwoot, {}));
    onTestFinished(() => command.end());
    const [, url] = await command.printed(/listening at (http:\/\/127\.0\.0\.1:\d+)/i);
    const answer = await fetch(`${url}${messagesOf(1)}`, { headers: { api_access_token: KEY } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toHaveProperty('payload');
  });
});

async function outputOf(line: string, where: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const command = new Command(line, where);
  return { code: await command.ended, output: command.output };
}

async function succeed(line: string, where: string): Promise<void> {
  const { code, output } = await outputOf(line, where);
  if (code !== 0) throw new Error(`${line}: ${output}`);
}
