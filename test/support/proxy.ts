// A proxy as HTTP_PROXY and HTTPS_PROXY name one, for which every name is that of one server.

import { createServer, request as forward } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** What becomes of tunnels: they are opened, refused, or left without an answer. */
export type TunnelFate = 'open' | 'refuse' | 'hang';

export interface TestProxy {
  readonly url: string;
  /** What it was asked: the first line without its version. */
  readonly asked: readonly string[];
  /** What came with tunnels as `Proxy-Authorization`. */
  readonly users: readonly (string | undefined)[];
  /** Connections that callers have to it. */
  readonly callers: ReadonlySet<Socket>;
}

/** Starts one before the server at `port`; it ends with the test. */
export async function startProxy(port: number, tunnels: TunnelFate = 'refuse'): Promise<TestProxy> {
  const asked: string[] = [];
  const users: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const callers = new Set<Socket>();
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    asked.push(`${method} ${url}`);
    const { pathname, search } = new URL(url);
    const forwarded = forward({ port, method, path: pathname + search, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  });
  server.on('connection', (socket) => {
    callers.add(socket);
    socket.on('close', () => callers.delete(socket));
  });
  server.on('connect', ({ url = '', headers }, socket: Socket) => {
    asked.push(`CONNECT ${url}`);
    users.push(headers['proxy-authorization']);
    sockets.add(socket.on('error', () => undefined));
    if (tunnels === 'refuse') socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    if (tunnels !== 'open') return void socket.resume().on('end', () => socket.destroy());
    const behind = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(behind).pipe(socket);
    });
    behind.on('error', () => socket.destroy());
    socket.on('close', () => behind.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, users, callers };
}
