// Connections of callers: how many there may be, and that none stays open because its caller does not close it.

import dns from 'node:dns/promises';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import net, { connect, type Socket } from 'node:net';
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
  expect([server.requestTimeout, server.headersTimeout]).toEqual([60_000, 60_000]);
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
  for (let nth = 0; nth < 2; nth++) {
    const late = connect(backscroll.port, '127.0.0.1');
    onTestFinished(() => void late.destroy());
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await once(
      late.on('error', () => undefined),
      'close',
    );
  }
  callers[0]!.socket.destroy();
  await vi.waitFor(async () => expect(await openOf(backscroll)).toBe(2));
  expect(await backscroll.metrics()).toMatch(/^backscroll_connections_refused_total 2$/m);
  expect(backscroll.logs.filter((line) => line.includes('connections of callers are refused'))).toHaveLength(1);
});

test('of the connections at all addresses of localhost, no more are open than there may be together', async () => {
  nameAsLocalhost('127.0.0.1', '127.0.0.2');
  const { backscroll } = await startHouse({ host: 'localhost', env: { SHUTDOWN_TIMEOUT: '1s' } });
  backscroll.app.http.server.maxConnections = 3;
  const at = (host: string): Socket => connect(backscroll.port, host).on('error', () => undefined);
  const [first, second] = [at('127.0.0.1'), at('127.0.0.2')];
  for (const socket of [first, second, at('127.0.0.2')])
    expect(await asked(socket, '/healthz')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  for (const host of ['127.0.0.2', '127.0.0.1']) await once(at(host), 'close');
  expect(await asked(second, '/metrics')).toMatch(/^backscroll_connections 3$[^]*^backscroll_connections_refused_total 2$/m);

  first.destroy();
  await vi.waitFor(async () => expect(await asked(second, '/metrics')).toMatch(/^backscroll_connections 2$/m));
  const silent = at('127.0.0.2');
  await vi.waitFor(async () => expect(await asked(second, '/metrics')).toMatch(/^backscroll_connections 3$/m));
  await backscroll.app.close();
  await once(silent.resume(), 'close');
  await expect(once(at('127.0.0.2'), 'connect')).rejects.toThrow('ECONNREFUSED');
});

test('an address of localhost that cannot be had is told, and the other is served', async () => {
  nameAsLocalhost('127.0.0.1', '192.0.2.1');
  const { backscroll } = await startHouse({ host: 'localhost' });
  expect((await backscroll.get('/healthz')).status).toBe(200);
  expect(backscroll.logs.filter((line) => line.includes('192.0.2.1') && line.includes('EADDRNOTAVAIL'))).toHaveLength(1);
});

test('an address that localhost has twice is one', async () => {
  nameAsLocalhost('127.0.0.1', '127.0.0.1');
  const { backscroll } = await startHouse({ host: 'localhost' });
  expect((await backscroll.get('/healthz')).status).toBe(200);
  expect(backscroll.logs.filter((line) => line.includes('another address of HOST'))).toEqual([]);
});

test('a connection that cannot be accepted at another address of localhost ends nothing', async () => {
  nameAsLocalhost('127.0.0.1', '127.0.0.2');
  const doors: net.Server[] = [];
  const { createServer } = net;
  const spy = vi.spyOn(net, 'createServer').mockImplementation((...given) => {
    const door = Reflect.apply(createServer, net, given);
    doors.push(door);
    return door;
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
  const { backscroll } = await startHouse({ host: 'localhost' });
  const [door] = doors.filter(({ listening }) => listening);
  door!.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  expect(await asked(connect(backscroll.port, '127.0.0.2'), '/metrics')).toMatch(/^backscroll_connections_refused_total 1$/m);
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

/** What it is named as by the system, until the test ends. */
function nameAsLocalhost(...addresses: readonly string[]): void {
  const lookup = vi.spyOn(dns, 'lookup').mockResolvedValue(addresses.map((address) => ({ address, family: 4 })) as never);
  syncBuiltinESMExports();
  onTestFinished(() => {
    lookup.mockRestore();
    syncBuiltinESMExports();
  });
}

/** The whole answer on a connection that stays open. */
async function asked(socket: Socket, target: string): Promise<string> {
  socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\n\r\n`);
  for (let text = ''; ;) {
    text += String(await nextOf(socket));
    const [head = '', body] = text.split('\r\n\r\n');
    if (body !== undefined && Buffer.byteLength(body) >= Number(/^content-length: (\d+)/im.exec(head)?.[1])) return text;
  }
}

async function nextOf(socket: Socket): Promise<unknown> {
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('the connection is closed')));
  return (await Promise.race([once(socket, 'data'), closed]))[0];
}

async function openOf({ app }: Backscroll): Promise<number> {
  return promisify(app.http.server.getConnections.bind(app.http.server))();
}
