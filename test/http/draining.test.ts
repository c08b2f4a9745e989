// The end of a running Backscroll: what is under way is answered, what comes after is sent elsewhere, and nothing hangs.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
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

test('a request that comes while it drains is told to come back, in JSON', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const [early, late] = [open(backscroll), open(backscroll)];
  // Node takes a connection for idle, and closes it, unless part of a request is there.
  late.write(`GET ${messagesOf(3)} HTTP/1.1\r\nhost: x\r\n`);
  await connections(backscroll, 2);
  early.ask(messagesOf(2));
  await gate.arrived;
  const closed = backscroll.app.close();
  late.write(`api_access_token: ${KEY}\r\n\r\n`);
  const text = await late.end;
  gate.release();
  expect(await early.end).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await closed;
  expect(text).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
  expect(text).toMatch(/\r\nretry-after: 1\r\n/i);
  expect(text).toMatch(/\r\nconnection: close\r\n/i);
  expect(text).toMatch(/\r\n\r\n\{"error":"[^"]+","code":"draining"\}$/);
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

interface Connection {
  readonly write: (text: string) => void;
  readonly ask: (target: string) => void;
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
    ask: (target) => write(`GET ${target} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n\r\n`),
    answered: once(socket, 'data'),
    end,
  };
}

/** Resolves when so many connections have sent something. */
async function connections(backscroll: Backscroll, wanted: number): Promise<void> {
  const { server } = backscroll.app.http;
  let count = 0;
  while (count < wanted) {
    await new Promise((resolve) => void setImmediate(resolve));
    count = await new Promise<number>((resolve) => void server.getConnections((_error, now) => resolve(now)));
  }
}
