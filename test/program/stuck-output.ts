// A program whose standard output takes nothing.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { KEY, messagesOf, received } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { metricOf, type Serve } from './serve.ts';

/** Lines enough to fill a pipe and all that waits for it. */
const REQUESTS = 2000;
export const DROPPED = 'backscroll_log_lines_dropped_total';

/** Has so many lines printed. */
export async function askOften({ port }: Serve, times: number): Promise<void> {
  const ask = async (): Promise<void> => {
    const answer = await sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] });
    const { status } = received('an answer', answer);
    if (status !== 200 && status !== 429) throw new Error(`answered with ${status}`);
  };
  for (let asked = 0; asked < times; asked += 50) await Promise.all(Array.from({ length: Math.min(50, times - asked) }, ask));
  expect((await sendRaw(port, { method: 'GET', target: '/healthz', headers: [] })).status).toBe(200);
}

/** Has more printed than is taken. */
export async function fill(house: Serve): Promise<void> {
  await askOften(house, REQUESTS);
  expect(await metricOf(house.port, DROPPED)).toBeGreaterThan(0);
}

/** Ends it in order. */
export async function endOf({ child }: Serve): Promise<unknown> {
  child.process.kill('SIGTERM');
  return child.ended;
}

/** A pipe with a reader that reads nothing, until it leaves. */
export async function pipe(): Promise<{ writer: number; leave: () => void }> {
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
export async function terminal(): Promise<{ writer: number }> {
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
