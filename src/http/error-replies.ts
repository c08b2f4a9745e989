// Every error becomes Chatwoot's own shape, `{"error": …, "code": …}`; what was not expected says nothing of itself.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BackscrollError, type ErrorCode } from '../errors.ts';

/** What all headers of a request may have together: a signed token that names 1,000 conversations has up to 24 kB. */
export const HEADERS_BYTES_MAX = 32 * 1024;

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: string; readonly code: ErrorCode };
}

/** The reply for a thrown value. Fastify's own errors about a request are the caller's fault; anything else is ours. */
export function errorReply(error: unknown): ErrorReply {
  const known = error instanceof BackscrollError ? error : fromFastify(error);
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (known.retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(known.retryAfter)));
  if (known.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer realm="backscroll"';
  return { status: known.status, headers, body: { error: known.message, code: known.code } };
}

function fromFastify(error: unknown): BackscrollError {
  const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  if (status >= 400 && status < 500) return new BackscrollError('invalid_parameter', 'The request is malformed', { status: 400 });
  return new BackscrollError('internal', 'Something went wrong here; the log has more under this x-request-id');
}

/** Writes the reply for an error where Fastify has no reply to send it with. */
export function writeError(response: ServerResponse, error: unknown): void {
  const { status, headers, body } = errorReply(error);
  const text = JSON.stringify(body);
  const framing = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, { ...headers, ...framing }).end(text);
}

/** A caller gets so long to take the refusal and to close; then its connection is closed for it. */
const LINGER_MS = 2000;

interface Refusal {
  readonly status: string;
  readonly code: ErrorCode;
  readonly sentence: string;
}

const NOT_HTTP: Refusal = { status: '400 Bad Request', code: 'invalid_parameter', sentence: 'The request is not valid HTTP' };
/** By Node's code for what is wrong. */
const REFUSALS: ReadonlyMap<string | undefined, Refusal> = new Map([
  ['HPE_INVALID_METHOD', { status: '405 Method Not Allowed', code: 'not_served', sentence: 'Only GET and HEAD are served' }],
  [
    'HPE_HEADER_OVERFLOW',
    {
      status: '431 Request Header Fields Too Large',
      code: 'invalid_parameter',
      sentence: `The request headers have more than ${HEADERS_BYTES_MAX} bytes; send fewer of them, or a token that names fewer conversations`,
    },
  ],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    { status: '408 Request Timeout', code: 'invalid_parameter', sentence: 'The request did not come in time' },
  ],
]);

/** The answer to what Node cannot parse as HTTP: an unknown method, headers that are too large or late, garbage. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  // Behind a request that is being answered, this would be taken for its answer.
  const isAnswering = Boolean(Reflect.get(socket, '_httpMessage'));
  if (!socket.writable || error.code === 'ECONNRESET' || isAnswering) return void socket.destroy();
  const { status, code, sentence } = REFUSALS.get(error.code) ?? NOT_HTTP;
  const body = JSON.stringify({ error: sentence, code });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
}
