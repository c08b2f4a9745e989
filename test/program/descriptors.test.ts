// More callers than the process may have files open: the rest is refused, and nothing ends for it.

import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { KEY, messagesOf, received } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { metricOf, startServe } from './serve.ts';

vi.setConfig({ testTimeout: 60_000 });

test('silent connections up to the limit of descriptors: those beyond are refused, Chatwoot is still reached', async () => {
  const { child, port } = await startServe({ UPSTREAM_CONNECTIONS: '4' }, { openFilesMax: 200 });
  await child.printed(/ready: Chatwoot accepts the token/);
  const sockets = Array.from({ length: 220 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  const lost = sockets.map((socket) => once(socket, 'close'));
  // 200 less 64 for the program itself less 4 for Chatwoot.
  await vi.waitFor(() => expect(sockets.filter(({ destroyed }) => destroyed)).toHaveLength(220 - 132), 10_000);
  await child.printed(/connections of callers are refused/);
  // What measures the process does so every second.
  await new Promise((resolve) => setTimeout(resolve, 2200));
  expect(child.process.exitCode).toBeNull();

  const left = sockets.find(({ destroyed }) => !destroyed)!;
  left.destroy();
  await lost[sockets.indexOf(left)];
  const answer = await vi.waitFor(
    () => sendRaw(port, { method: 'GET', target: messagesOf(2), headers: [['api_access_token', KEY]] }),
    5000,
  );
  expect(received('an answer', answer).status).toBe(200);
  expect(await metricOf(port, 'backscroll_connections')).toBeLessThanOrEqual(132);
  expect(await metricOf(port, 'backscroll_connections_refused_total')).toBeGreaterThanOrEqual(88);
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
});
