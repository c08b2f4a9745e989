// The end of a running Backscroll: what is under way is answered, what comes after is sent elsewhere, and nothing hangs.

import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { Draining } from '../../src/http/draining.ts';
import type { Backscroll } from '../support/backscroll.ts';
import { KEY, messagesOf, startHouse } from '../support/backscroll.ts';
import { searchForCanary } from '../support/canary.ts';

test('a request under way is answered, and its connection is closed with it', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const client = open(backscroll);
  client.ask(messagesOf(2));
  await gate.arrived;
  const closed = backscroll.app.close();
  gate.release();
  const text = await client.end;
  await closed;
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text.endsWith(chatwoot.table.body(1, 2, {}))).toBe(true);
});

test('a connection on which nothing is asked does not keep it from ending', async () => {
  const { backscroll } = await startHouse({ env: { SHUTDOWN_TIMEOUT: '20s' } });
  const silent = open(backscroll);
  await connections(backscroll, 1);
  const startedAt = performance.now();
  await backscroll.app.close();
  // That time is for those who wait for an answer.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(await silent.end).toBe('');
});

test('who still waits when there is no more time is told so', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { SHUTDOWN_TIMEOUT: '200ms' } });
  const gate = chatwoot.hold();
  const client = open(backscroll);
  client.ask(messagesOf(2));
  await gate.arrived;
  await backscroll.app.close();
  expect(await client.end).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[^]*"code":"draining"/);
  gate.release();
});

test('while one is under way, others are told to come back, in JSON that a page may read', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { CORS_ORIGINS: 'https://app.example.com' } });
  const gate = chatwoot.hold();
  const [early, begun] = [open(backscroll), open(backscroll)];
  // Node takes a connection for idle, and closes it, unless part of a request is there.
  begun.write(`GET ${messagesOf(3)} HTTP/1.1\r\nhost: x\r\norigin: https://app.example.com\r\n`);
  await connections(backscroll, 2);
  early.ask(messagesOf(2));
  await gate.arrived;
  const closed = backscroll.app.close();
  begun.write(`api_access_token: ${KEY}\r\n\r\n`);
  const late = open(backscroll);
  late.ask(messagesOf(2));
  const refused = [await begun.end, await late.end];
  expect((await backscroll.get('/readyz')).status).toBe(503);
  expect((await backscroll.get('/healthz')).status).toBe(200);
  gate.release();
  expect(await early.end).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await closed;
  for (const text of refused) {
    expect(text).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(text).toMatch(/\r\nretry-after: 1\r\n/i);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text).toMatch(/\r\n\r\n\{"error":"[^"]+","code":"draining"\}$/);
  }
  expect(refused[0]).toMatch(/\r\naccess-control-allow-origin: https:\/\/app\.example\.com\r\n/i);
});

test('a caller that goes away before its answer does not hold it up', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const [leaving, staying] = [open(backscroll), open(backscroll)];
  leaving.ask(messagesOf(2));
  await gate.arrived;
  const other = chatwoot.hold();
  staying.ask(messagesOf(1));
  await other.arrived;
  const closed = backscroll.app.close();
  leaving.leave();
  other.release();
  expect(await staying.end).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await closed;
  gate.release();
});

test('requests sent before the answer to the one before are all answered', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const client = open(backscroll);
  const arrived = requests(backscroll, 2);
  client.ask(messagesOf(2));
  client.ask(messagesOf(1));
  await Promise.all([gate.arrived, arrived]);
  const closed = backscroll.app.close();
  gate.release();
  expect((await client.end).match(/HTTP\/1\.1 200 OK\r\n/g)).toHaveLength(2);
  await closed;
});

test('connections that are lost with requests waiting on them do not hold it up', async () => {
  const { backscroll } = await startHouse();
  const client = open(backscroll);
  const arrived = requests(backscroll, 1);
  client.write(`GET ${messagesOf(2)} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(2000));
  await arrived;
  client.leave();
  await connections(backscroll, 0, (now) => now === 0);
  await backscroll.app.close();
  expect(backscroll.logs.filter((line) => line.includes('unexpected error'))).toEqual([]);
});

test('idle connections do not hold it up', async () => {
  const { backscroll } = await startHouse();
  const client = open(backscroll);
  client.ask(messagesOf(2));
  await client.answered;
  await backscroll.app.close();
  await client.end;
});

test('reads behind answers are ended', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const { payload } = (await backscroll.get(messagesOf(1))).json() as { payload: { id: number }[] };
  const page = messagesOf(1, `?before=${payload[0]!.id}`);
  await backscroll.get(page);
  clock.advance(12_000);
  const gate = chatwoot.hold();
  expect((await backscroll.get(page)).headers['cache-status']).toMatch(/hit/);
  await gate.arrived;
  await backscroll.app.close();
  gate.release();
});

test('an answer is waited for once, and not on a connection that is gone', async () => {
  const draining = new Draining({ addHook: () => undefined } as unknown as FastifyInstance);
  const [lost, staying] = [new Socket(), new Socket()];
  const [first, second, third] = [0, 1, 2].map(() => new ServerResponse(new IncomingMessage(new Socket())));
  draining.watch(lost, first!);
  draining.watch(lost, second!);
  draining.watch(staying, third!);
  await once(lost.destroy(), 'close');
  for (const answer of [first, second]) answer!.emit('close');
  draining.watch(lost, first!);
  let isOver = false;
  const over = draining.begin().then(() => (isOver = true));
  await setImmediate();
  expect(isOver).toBe(false);
  third!.emit('close');
  await over;
});

interface Connection {
  readonly write: (text: string) => void;
  readonly ask: (target: string) => void;
  readonly leave: () => void;
  /** The first bytes of an answer. */
  readonly answered: Promise<unknown>;
  /** All that came until the connection was closed. */
  readonly end: Promise<string>;
}

/** A connection that stays open between requests. */
function open(backscroll: Backscroll): Connection {
  const socket = connect(backscroll.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const end = once(socket, 'close').then(() => {
    searchForCanary('a connection', text);
    return Buffer.from(text, 'latin1').toString();
  });
  const write = (request: string): void => void socket.write(request);
  return {
    write,
    leave: () => void socket.destroy(),
    ask: (target) => write(`GET ${target} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n\r\n`),
    answered: once(socket, 'data'),
    end,
  };
}

/** Resolves when there are so many connections, or more. */
async function connections(
  backscroll: Backscroll,
  wanted: number,
  isReached = (now: number): boolean => now >= wanted,
): Promise<void> {
  const { server } = backscroll.app.http;
  let count = NaN;
  while (!isReached(count)) {
    await setImmediate();
    count = await new Promise<number>((resolve) => void server.getConnections((_error, now) => resolve(now)));
  }
}

/** Resolves when so many requests more have come. */
function requests(backscroll: Backscroll, wanted: number): Promise<void> {
  let seen = 0;
  return new Promise((resolve) => {
    backscroll.app.http.server.on('request', () => void (++seen === wanted && resolve()));
  });
}
