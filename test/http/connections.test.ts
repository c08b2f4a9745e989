// Connections of callers: how many there may be, and that none stays open because its caller does not close it.

import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connectionsMax } from '../../src/http/connections.ts';
import { startHouse, type Backscroll } from '../support/backscroll.ts';
import { reluctantCaller } from '../support/reluctant-caller.ts';

test('a connection that is refused for what came on it is closed, also where its caller keeps it open', async () => {
  const { backscroll } = await startHouse();
  const silent = reluctantCaller(backscroll.port);
  silent.socket.write('this is not HTTP\r\n\r\n');
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(1));
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(0), 5000);
});

test('a connection on which nothing or half a request came is told so in time, and closed', async () => {
  const { backscroll } = await startHouse();
  const { server } = backscroll.app.http;
  const [silent, slow] = [reluctantCaller(backscroll.port), reluctantCaller(backscroll.port)];
  slow.socket.write('GET /healthz HTTP/1.1\r\nhost:');
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(2));
  server.requestTimeout = 50;
  server.headersTimeout = 50;
  // Node looks every five seconds.
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(0), 9000);
  for (const { socket } of [silent, slow]) {
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.resume();
    await once(socket, 'end');
    expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[^]*"code":"invalid_parameter"/);
  }
});

test('more connections than there may be are refused and counted, and room is made by those that go', async () => {
  const { backscroll } = await startHouse();
  backscroll.app.http.server.maxConnections = 3;
  const callers = [1, 2, 3].map(() => reluctantCaller(backscroll.port));
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(3));
  const late = connect(backscroll.port, '127.0.0.1');
  onTestFinished(() => void late.destroy());
  await once(
    late.on('error', () => undefined),
    'close',
  );
  callers[0]!.socket.destroy();
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(2));
  expect(await backscroll.metrics()).toMatch(/^backscroll_connections_refused_total 1$/m);
  expect(backscroll.logs.filter((line) => line.includes('connections of callers are refused'))).toHaveLength(1);
});

test('a connection that cannot be accepted ends nothing', async () => {
  const { backscroll } = await startHouse();
  backscroll.app.http.server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  expect((await backscroll.get('/healthz')).status).toBe(200);
  expect(await backscroll.metrics()).toMatch(/^backscroll_connections_refused_total 1$/m);
});

test.each([
  [1024, 16, 944],
  [200, 4, 132],
  [100, 256, 50],
  [1, 16, 1],
])('of %i descriptors and %i connections to Chatwoot, callers get %i', (openFilesMax, upstreamConnections, expected) => {
  expect(connectionsMax(openFilesMax, upstreamConnections)).toBe(expected);
});

async function openOf({ app }: Backscroll): Promise<number> {
  return promisify(app.http.server.getConnections.bind(app.http.server))();
}
