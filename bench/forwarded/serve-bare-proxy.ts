// The least that a proxy on Node does: takes a request, asks Chatwoot over a kept connection, answers with the whole body.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const pool = new Pool(process.env['CHATWOOT_URL'] ?? '', { connections: 16 });
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { statusCode, headers, body } = await pool.request({ method: 'GET', path: request.url ?? '/' });
  const bytes = Buffer.from(await body.arrayBuffer());
  response.writeHead(statusCode, { 'content-type': String(headers['content-type']), 'content-length': bytes.length });
  response.end(bytes);
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` });
});
process.once('disconnect', () => process.exit());
