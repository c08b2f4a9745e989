// Standard output that nobody reads: the program answers, counts what it cannot print, and ends as it should.

import { describe, expect, test, vi } from 'vitest';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { startServe } from './serve.ts';
import { endOf, fill, pipe, terminal } from './stuck-output.ts';

vi.setConfig({ testTimeout: 60_000 });

const READYZ = { method: 'GET', target: '/readyz', headers: [] };

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
