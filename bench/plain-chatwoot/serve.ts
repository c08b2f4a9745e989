// A Chatwoot that costs next to nothing, in a process of its own: every conversation of an account has the same rows under other ids.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pageOf, type Shape } from './page.ts';

/** Of each account by its id. */
const shapes = JSON.parse(process.env['ACCOUNTS'] ?? '{}') as Readonly<Record<string, Shape>>;
const PATH = /^\/api\/v1\/accounts\/(\d+)\/conversations\/(\d+)\/messages\??(.*)$/;

const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  const [, account = '', conversation = '', search = ''] = PATH.exec(request.url ?? '') ?? [];
  const shape = shapes[account];
  const body = shape === undefined ? Buffer.from('{}') : pageOf(Number(conversation), shape, search);
  const answer = (): void => {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
    response.end(body);
  };
  if (shape === undefined || shape.delayMs === 0) answer();
  else setTimeout(answer, shape.delayMs);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` });
});
process.once('disconnect', () => process.exit());
