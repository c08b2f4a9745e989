// Connections that ask nothing, or never finish asking, and whose callers do not close: Node gives them a minute, and then they are gone.

import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { metricOf, startServe } from '../program/serve.ts';

/** The minute, Node's look every five seconds, and the two seconds in which a caller may close by itself. */
const GONE_MS = 75_000;

test('silent sockets and slow headers are gone although their callers do not close', async () => {
  const { port } = await startServe();
  const sockets = Array.from({ length: 80 }, (_, n) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
    socket.pause();
    if (n % 2 === 0) socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow:');
    return socket;
  });
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  await vi.waitFor(async () => expect(await metricOf(port, 'backscroll_connections')).toBe(81));
  // The one that asks is the only one left.
  await vi.waitFor(async () => expect(await metricOf(port, 'backscroll_connections')).toBe(1), {
    timeout: GONE_MS,
    interval: 1000,
  });
});
