// An HTTP/1.1 request written byte for byte, for targets and header lists that no client library would send.

import { once } from 'node:events';
import { connect } from 'node:net';

/** What goes over the wire. `Host`, `Connection: close` and, with a body, `Content-Length` are added. */
export interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** What came back, up to the end of the connection. */
export interface RawResponse {
  readonly status: number;
  /** In order, with the names as they were spelled. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/** Sends one request on a connection of its own. Rejects when the connection breaks or ends before the headers do. */
export async function sendRaw(port: number, request: RawRequest): Promise<RawResponse> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const body = Buffer.from(request.body ?? '');
  const lines = [
    `${request.method} ${request.target} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: close',
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    ...(body.length === 0 ? [] : [`Content-Length: ${body.length}`]),
  ];
  socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]));
  await once(socket, 'close');
  return parseResponse(Buffer.concat(chunks));
}

function parseResponse(bytes: Buffer): RawResponse {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) throw new Error(`no complete headers in ${JSON.stringify(bytes.toString('latin1').slice(0, 200))}`);
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return { status: Number(statusLine.split(' ')[1]), headers, body: bytes.subarray(end + 4) };
}
