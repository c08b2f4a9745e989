// A client before a small HTTP server that does what a test says.

import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type Server as TcpServer } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, expect } from 'vitest';
import { BackscrollError } from '../../src/errors.ts';
import type { Query } from '../../src/timeline/query.ts';
import { type ChatwootOptions, createChatwoot, type UpstreamEvent } from '../../src/upstream/chatwoot.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

export const TOKEN = 'tok-PLANTED-SECRET-1';
/** A word to plant in bodies that are not to be told. */
export const BODY_SECRET = 'BODY-SECRET';
export const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
export const LATEST: Query = { mode: 'latest', publicOnly: false };
export const CONVERSATION = { accountId: 3, conversationId: 4 };
export const PAGE =
  '{"meta":{"labels":[]},"payload":[{"id":7,"created_at":10,"message_type":0,"private":false},{"id":9,"created_at":11,"message_type":2,"private":false}]}';

export interface House {
  readonly upstream: Upstream;
  readonly requests: IncomingMessage[];
  readonly events: UpstreamEvent[];
  /** Connections that the server accepted. */
  readonly connections: () => number;
}

export const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

export async function listen(server: TcpServer): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return address.port;
}

export async function startServer(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  const port = await listen(server);
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return { server, port };
}

export function client(port: number, options: Partial<ChatwootOptions> = {}): { upstream: Upstream; events: UpstreamEvent[] } {
  const events: UpstreamEvent[] = [];
  const upstream = createChatwoot({
    baseUrl: new URL(`http://127.0.0.1:${port}`),
    tokenFor: () => TOKEN,
    tokens: [{ setting: 'CHATWOOT_API_TOKEN', token: TOKEN }],
    version: '9.9.9',
    connections: 4,
    timeoutMs: 5000,
    bodyMaxBytes: 100_000,
    now: () => 1000,
    onRead: (event) => events.push(event),
    ...options,
  });
  closing.push(() => upstream.close());
  return { upstream, events };
}

/** A client before a server that answers with `listener`. */
export async function house(listener: RequestListener, options: Partial<ChatwootOptions> = {}): Promise<House> {
  const requests: IncomingMessage[] = [];
  const { server, port } = await startServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  let accepted = 0;
  server.on('connection', () => accepted++);
  return { ...client(port, options), requests, connections: () => accepted };
}

export function answer(status: number, body: string | Buffer, headers: Record<string, string> = JSON_TYPE): RequestListener {
  return (_request, response) => {
    response.writeHead(status, headers).end(body);
  };
}

/** A promise, and the function that resolves it. */
export function signalled(): [promise: Promise<unknown>, resolve: () => void] {
  const emitter = new EventEmitter();
  return [once(emitter, 'signal'), () => emitter.emit('signal')];
}

/** Chatwoot's error body. */
export function errorJson(sentence: string): string {
  return JSON.stringify({ error: sentence });
}

/** The error of a read. It is searched for what must not be told. */
export async function failure(read: Promise<unknown>): Promise<BackscrollError> {
  const error: unknown = await read.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof BackscrollError)) throw new Error('Expected a BackscrollError', { cause: error });
  const told = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + JSON.stringify(error.cause ?? null);
  expect(told).not.toContain(TOKEN);
  expect(error.message + JSON.stringify(error.cause ?? null)).not.toMatch(/127\.0\.0\.1|SECRET|localhost/);
  return error;
}
