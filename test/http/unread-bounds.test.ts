// When an answer that is not taken is refused, kept or cut: the bounds themselves, on connections that take what the test says.

import type { FastifyRequest } from 'fastify';
import { IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UnreadAnswers } from '../../src/http/unread.ts';

const KIBIBYTE = 1024;
const BYTES_MAX = 400 * KIBIBYTE;
/** What one client may have. */
const CLIENT_MAX = BYTES_MAX / 4;
/** Enough for what an answer takes beside its body. */
const BESIDE = 8 * KIBIBYTE;
const TIMEOUT_MS = 8_000;
const NO_CLIENT = '';

let unread: UnreadAnswers;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  unread = new UnreadAnswers({ bytesMax: BYTES_MAX, timeoutMs: TIMEOUT_MS, clientOf: () => NO_CLIENT });
});
afterEach(() => void vi.useRealTimers());

test('the first answer on a connection, for which its client was let in, is kept, however much it has by now', () => {
  answer(new Connection(), 'a', CLIENT_MAX);
  const connection = new Connection();
  answer(connection, 'a', CLIENT_MAX);
  expect(connection.destroyed).toBe(false);
  answer(connection, 'a', 1);
  expect(connection.destroyed).toBe(true);
  expect(unread.cut('full')).toBe(1);
});

test('where many clients leave all that they may, there is room for one that leaves nothing', () => {
  const clients = Array.from({ length: 8 }, (_, nth) => `client ${nth}`);
  for (const client of clients) {
    let answers = 0;
    for (; unread.hasRoomForClient(client); answers++) answer(new Connection(), client, KIBIBYTE);
    expect(answers).toBeGreaterThan(0);
  }
  expect(unread.bytes).toBeLessThan(BYTES_MAX);
  expect(unread.hasRoomForClient('one that leaves nothing')).toBe(true);
});

test('a page that is yet to be made counts like an answer that is not taken, once for all who wait for it', () => {
  const parts = {};
  const request = { raw: new IncomingMessage(new Connection() as unknown as Socket) } as FastifyRequest;
  const held = [1, 2].map(() => unread.hold(request, parts, CLIENT_MAX));
  expect(unread.bytes).toBeGreaterThan(CLIENT_MAX);
  expect(unread.bytes).toBeLessThan(CLIENT_MAX + BESIDE);
  expect(unread.hasRoomFor(request)).toBe(false);
  // What was let in may be made.
  expect(unread.hasTurnFor(request)).toBe(true);
  held[0]!();
  held[0]!();
  expect(unread.hasRoomFor(request)).toBe(false);
  held[1]!();
  expect(unread.bytes).toBe(0);
  expect(unread.hasRoomFor(request)).toBe(true);
  // It is no reason to cut a connection.
  unread.hold(request, parts, CLIENT_MAX);
  const connection = new Connection();
  answer(connection, NO_CLIENT, 1);
  expect(connection.destroyed).toBe(false);
});

test('a request that waits for its page to be made counts with its headers, as one whose answer is not taken does', () => {
  const raw = new IncomingMessage(new Connection() as unknown as Socket);
  raw.rawHeaders = ['x-long', 'x'.repeat(BESIDE)];
  unread.hold({ raw } as FastifyRequest, {}, 0);
  expect(unread.bytes).toBeGreaterThan(BESIDE);
});

test('strangers share what one client may have, their first answers included', () => {
  answer(new Connection(), NO_CLIENT, CLIENT_MAX);
  const connection = new Connection();
  answer(connection, NO_CLIENT, 1);
  expect(connection.destroyed).toBe(true);
});

test('what strangers leave is not counted where a client is asked for', () => {
  answer(new Connection(), NO_CLIENT, CLIENT_MAX);
  for (const client of ['a', 'b', 'c']) answer(new Connection(), client, CLIENT_MAX);
  const connection = new Connection();
  answer(connection, 'd', 1);
  answer(connection, 'd', 1);
  expect(unread.bytes).toBeGreaterThan(BYTES_MAX);
  expect(connection.destroyed).toBe(false);
  // Of its own it has less than it may; all clients together have as much.
  answer(new Connection(), 'd', CLIENT_MAX - 4 * KIBIBYTE);
  answer(connection, 'd', 1);
  expect(connection.destroyed).toBe(true);
});

test('a connection that takes less than 16 kB in the time is cut, one that takes as much is not', async () => {
  const [idle, slow] = [new Connection(), new Connection()];
  for (const connection of [idle, slow]) answer(connection, 'a', BESIDE);
  for (let round = 0; round < 3; round++) {
    slow.isTaken(16 * KIBIBYTE);
    idle.isTaken(5 * KIBIBYTE);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS * 0.9);
    expect([idle.destroyed, slow.destroyed]).toEqual([round > 0, false]);
  }
  expect(unread.cut('stalled')).toBe(1);
});

/** A connection of which the system takes what it is told, and nothing of itself. */
class Connection extends Duplex {
  readonly #handle = { bytesWritten: 0, writeQueueSize: 0 };

  constructor() {
    super();
    Reflect.set(this, '_handle', this.#handle);
  }

  override _read(): void {}
  override _write(): void {}

  isTaken(bytes: number): void {
    this.#handle.bytesWritten += bytes;
  }
}

/** Sends an answer of so many bytes to a client. */
function answer(connection: Connection, client: string, bytes: number): void {
  const socket = connection as unknown as Socket;
  const response: ServerResponse = new unread.responses(new IncomingMessage(socket));
  response.assignSocket(socket);
  unread.expect(response, client);
  response.end(Buffer.alloc(bytes));
  response.detachSocket(socket);
}
