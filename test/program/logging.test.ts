// Standard output that takes nothing: the program answers, counts what it cannot print, and ends as it should.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { KEY, messagesOf, received } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { metricOf, startServe, type Serve } from './serve.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Lines enough to fill a pipe and all that waits for it. */
const REQUESTS = 2000;
const DROPPED = 'backscroll_log_lines_dropped_total';
const READYZ = { method: 'GET', target: '/readyz', headers: [] };

test('a full disk: answers go on, lines are counted, and it ends with 0', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const house = await startServe({}, { stdout: full });
  await askOften(house, 400);
  await vi.waitFor(async () => expect(await metricOf(house.port, DROPPED)).toBeGreaterThanOrEqual(400), 5000);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stderr()).toBe('');
});

test('a pipe that nobody reads: answers go on, lines are counted, and it ends with 0 in time', async () => {
  const { writer } = await pipe();
  const house = await startServe({ SHUTDOWN_TIMEOUT: '4s' }, { stdout: writer });
  await fill(house);
  const startedAt = performance.now();
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(4000);
});

describe.each([
  ['a pipe', pipe, { second: { code: 1, signal: null }, late: { code: 0, signal: null } }],
  // A write holds a thread, without which no process ends by itself.
  ['a terminal', terminal, { second: { code: null, signal: 'SIGKILL' }, late: { code: null, signal: 'SIGKILL' } }],
])('%s that nobody reads', (_name, open, ends) => {
  test('a second signal ends it at once', async () => {
    const { writer } = await open();
    const house = await startServe({ DRAIN_DELAY: '50s' }, { stdout: writer });
    await fill(house);
    const { child, port } = house;
    child.process.kill('SIGTERM');
    await vi.waitFor(async () => expect((await sendRaw(port, READYZ)).status).toBe(503));
    const startedAt = performance.now();
    child.process.kill('SIGTERM');
    expect(await child.ended).toEqual(ends.second);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  test('so does the first where SHUTDOWN_TIMEOUT leaves no time', async () => {
    const { writer } = await open();
    const house = await startServe({ SHUTDOWN_TIMEOUT: '0s' }, { stdout: writer });
    await fill(house);
    const startedAt = performance.now();
    expect(await endOf(house)).toEqual(ends.late);
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

test('a pipe whose reader is gone: answers go on, lines are counted, and it ends with 0', async () => {
  const { writer, leave } = await pipe();
  const house = await startServe({}, { stdout: writer });
  leave();
  await askOften(house, 100);
  await vi.waitFor(async () => expect(await metricOf(house.port, DROPPED)).toBeGreaterThanOrEqual(100), 5000);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stderr()).toBe('');
});

test('a fault that ends the process does so while nothing takes its last words', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const house = await startServe({ NODE_OPTIONS: `--import ${FAULT_ON_SIGUSR2}` }, { stdout: full });
  house.child.process.kill('SIGUSR2');
  expect(await house.child.ended).toEqual({ code: 1, signal: null });
});

test('an orderly end prints every line', async () => {
  const house = await startServe();
  await askOften(house, 50);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stdout().match(/"msg":"answered"/g)).toHaveLength(50);
  expect(house.child.stdout()).toMatch(/"msg":"shutting down"\}\n$/);
});

test('an exit at once prints what was logged before', async () => {
  const house = await startServe({ NODE_OPTIONS: `--import ${EXIT_ON_SIGUSR2}` });
  await askOften(house, 1);
  house.child.process.kill('SIGUSR2');
  expect(await house.child.ended).toEqual({ code: 3, signal: null });
  expect(house.child.stdout()).toMatch(/"msg":"answered"\}\n$/);
});

const EXIT_ON_SIGUSR2 = `data:text/javascript,${encodeURIComponent("process.on('SIGUSR2', () => process.exit(3))")}`;

const FAULT_ON_SIGUSR2 = `data:text/javascript,${encodeURIComponent(
  "process.on('SIGUSR2', () => { throw new Error('a fault of the test'); })",
)}`;

async function askOften({ port }: Serve, times: number): Promise<void> {
  const ask = async (): Promise<void> => {
    const answer = await sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] });
    const { status } = received('an answer', answer);
    if (status !== 200 && status !== 429) throw new Error(`answered with ${status}`);
  };
  for (let asked = 0; asked < times; asked += 50) await Promise.all(Array.from({ length: Math.min(50, times - asked) }, ask));
  expect((await sendRaw(port, { method: 'GET', target: '/healthz', headers: [] })).status).toBe(200);
}

/** Has more printed than is taken. */
async function fill(house: Serve): Promise<void> {
  await askOften(house, REQUESTS);
  expect(await metricOf(house.port, DROPPED)).toBeGreaterThan(0);
}

async function endOf({ child }: Serve): Promise<unknown> {
  child.process.kill('SIGTERM');
  return child.ended;
}

/** A pipe with a reader that reads nothing, until it leaves. */
async function pipe(): Promise<{ writer: number; leave: () => void }> {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-pipe-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, 'w');
  let isThere = true;
  const leave = (): void => {
    if (isThere) closeSync(reader);
    isThere = false;
  };
  onTestFinished(() => {
    leave();
    closeSync(writer);
  });
  return { writer, leave };
}

/** A terminal whose other side takes nothing. */
async function terminal(): Promise<{ writer: number }> {
  const host = spawn('script', ['--quiet', '--command', 'tty; exec sleep 600', '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => void host.kill('SIGKILL'));
  const [name] = (await once(host.stdout, 'data')) as [Buffer];
  const writer = openSync(name.toString().trim(), constants.O_WRONLY | constants.O_NOCTTY);
  onTestFinished(() => closeSync(writer));
  host.kill('SIGSTOP');
  return { writer };
}
