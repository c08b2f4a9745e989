// The clients file changes while the program runs.

import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { LiveRegistry } from '../../src/clients/live-registry.ts';
import { clientRegistry } from '../../src/clients/registry.ts';
import { clientsFile, messagesOf, startHouse, type Backscroll, type TestClient } from '../support/backscroll.ts';

const ONE: TestClient = { name: 'one', key: 'key-of-client-one' };
const TWO: TestClient = { name: 'two', key: 'key-of-client-two' };

const statusOf = async (backscroll: Backscroll, { key }: TestClient, conversation = 2): Promise<number> =>
  (await backscroll.send({ target: messagesOf(conversation), headers: [['api_access_token', key]] })).status;

const messagesLogged = (backscroll: Backscroll): string[] =>
  backscroll.logs.map((line) => (JSON.parse(line) as { msg: string }).msg).filter((text) => text.startsWith('CLIENTS_FILE'));

async function startWithFile(clients: readonly TestClient[]) {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  await writeFile(path, clientsFile(clients));
  const house = await startHouse({ env: { CLIENT_KEYS: '', CLIENTS_FILE: path } });
  return { ...house, path, folder };
}

test('a changed file takes effect by itself, written in place or put in place', async () => {
  const { backscroll, path, folder } = await startWithFile([ONE]);
  expect([await statusOf(backscroll, ONE), await statusOf(backscroll, TWO)]).toEqual([200, 401]);
  await writeFile(path, clientsFile([ONE, TWO]));
  await vi.waitFor(async () => expect(await statusOf(backscroll, TWO)).toBe(200), { timeout: 10_000, interval: 200 });
  expect(await statusOf(backscroll, ONE)).toBe(200);

  await writeFile(join(folder, 'next'), clientsFile([TWO]));
  await rename(join(folder, 'next'), path);
  await vi.waitFor(async () => expect(await statusOf(backscroll, ONE)).toBe(401), { timeout: 10_000, interval: 200 });
  expect(await statusOf(backscroll, TWO)).toBe(200);
});

test('a broken file leaves the old clients in force and says all that is wrong, once', async () => {
  const { backscroll, path } = await startWithFile([ONE]);
  await writeFile(path, JSON.stringify({ clients: [{ name: '', keys: [{ sha256: 'planted-secret' }], scope: '*', x: 1 }] }));
  await backscroll.app.reloadClients();
  await backscroll.app.reloadClients();
  expect(await statusOf(backscroll, ONE)).toBe(200);
  expect(messagesLogged(backscroll)).toEqual(['CLIENTS_FILE cannot be used; the clients stay as they were']);
  const line = backscroll.logs.find((text) => text.includes('cannot be used'))!;
  expect((JSON.parse(line) as { problems: string[] }).problems).toEqual([
    '/clients/0/x is not a known key',
    expect.stringMatching(/^\/clients\/0\/name must be /),
    expect.stringMatching(/^\/clients\/0\/keys\/0\/sha256 must be /),
  ]);
  expect(backscroll.logs.join('')).not.toContain('planted');

  await rm(path);
  await backscroll.app.reloadClients();
  expect(await statusOf(backscroll, ONE)).toBe(200);
  expect(backscroll.logs.join('')).toContain('cannot be read (ENOENT)');

  await writeFile(path, clientsFile([TWO]));
  await backscroll.app.reloadClients();
  expect([await statusOf(backscroll, ONE), await statusOf(backscroll, TWO)]).toEqual([401, 200]);
  expect(messagesLogged(backscroll).at(-1)).toBe('CLIENTS_FILE was read again');
});

test('a file that says the same as before is not told about', async () => {
  const { backscroll, path } = await startWithFile([ONE]);
  await writeFile(path, `${clientsFile([ONE])}\n`);
  await backscroll.app.reloadClients();
  expect(messagesLogged(backscroll)).toEqual([]);
});

test('no request is dropped: one under way ends as it began, the next is judged anew', async () => {
  const { backscroll, chatwoot, path } = await startWithFile([ONE]);
  const gate = chatwoot.hold();
  const underWay = statusOf(backscroll, ONE);
  await gate.arrived;
  await writeFile(path, clientsFile([TWO]));
  await backscroll.app.reloadClients();
  expect(await statusOf(backscroll, ONE)).toBe(401);
  gate.release();
  expect(await underWay).toBe(200);
});

test('a scope that became narrower holds for what is cached already', async () => {
  const { backscroll, path } = await startWithFile([ONE]);
  expect([await statusOf(backscroll, ONE, 2), await statusOf(backscroll, ONE, 3)]).toEqual([200, 200]);
  await writeFile(path, clientsFile([{ ...ONE, scope: [{ account: 1, conversations: [3] }] }]));
  await backscroll.app.reloadClients();
  expect([await statusOf(backscroll, ONE, 2), await statusOf(backscroll, ONE, 3)]).toEqual([404, 200]);
});

test('keys of CLIENT_KEYS stay, and the file may not take their names', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  await writeFile(path, clientsFile([ONE]));
  const { backscroll } = await startHouse({ env: { CLIENT_KEYS: `two=${TWO.key}`, CLIENTS_FILE: path } });
  await writeFile(path, clientsFile([{ ...ONE, name: 'two' }]));
  await backscroll.app.reloadClients();
  expect([await statusOf(backscroll, ONE), await statusOf(backscroll, TWO)]).toEqual([200, 200]);
  expect(messagesLogged(backscroll)).toEqual(['CLIENTS_FILE cannot be used; the clients stay as they were']);
});

test('a file that cannot be read five times in a row is a reason not to be ready, until it can be', async () => {
  const { backscroll, path } = await startWithFile([ONE, TWO]);
  await backscroll.app.readiness.recheck();
  const ready = async () => (await backscroll.send({ target: '/readyz' })).json();
  await rm(path);
  await promisify(execFile)('mkfifo', [path]);
  // That the file was taken away and that another came may each have it read, too.
  for (let n = 0; n < 2; n++) await backscroll.app.reloadClients();
  expect(await ready()).toEqual({ status: 'ready' });
  for (let n = 0; n < 3; n++) await backscroll.app.reloadClients();
  expect(await ready()).toEqual({
    status: 'not ready',
    error: 'CLIENTS_FILE cannot be read (not a regular file); who may read is as it was before',
  });
  expect(await backscroll.metrics()).toMatch(/^backscroll_clients_file_failures [5-9]$/m);
  expect(backscroll.logs.filter((line) => line.includes('cannot be read (not a regular file); it names'))).toHaveLength(1);

  await rm(path);
  await writeFile(path, clientsFile([TWO]));
  await backscroll.app.reloadClients();
  expect([await statusOf(backscroll, ONE), await statusOf(backscroll, TWO)]).toEqual([401, 200]);
  expect(await ready()).toEqual({ status: 'ready' });
  expect(await backscroll.metrics()).toMatch(/^backscroll_clients_file_failures 0$/m);
});

test('a file system that hangs is given up on in time, asked once, and believed again when it answers anew', async () => {
  let answer: ((text: string) => void) | undefined;
  const readFile = vi
    .fn<(path: string) => Promise<string>>(async () => clientsFile([TWO]))
    .mockImplementationOnce(() => new Promise((resolve) => void (answer = resolve)));
  const told: (string | null)[] = [];
  const live = new LiveRegistry({
    registry: clientRegistry([], { allowAnonymous: false }),
    sources: { clientKeys: [], clientsFile: '/hung/clients.json', allowAnonymous: false },
    log: { info: () => undefined, error: () => undefined },
    onRead: (failures, problem) => void told.push(`${failures} ${problem}`),
    readFile,
    readTimeoutMs: 10,
  });
  for (let n = 0; n < 5; n++) await live.reload();
  expect(readFile).toHaveBeenCalledTimes(1);
  const problem = 'CLIENTS_FILE cannot be read (no answer in time); who may read is as it was before';
  expect(told).toEqual(['1 null', '2 null', '3 null', '4 null', `5 ${problem}`]);
  expect(await live.isHung()).toBe(true);

  answer!(clientsFile([ONE]));
  await live.reload();
  expect([told.at(-1), live.current.clients.map(({ name }) => name)]).toEqual(['0 null', ['two']]);
  expect(await live.isHung()).toBe(false);
});
