// Through Backscroll, every recorded 200 comes back with its bytes: on a miss, on a hit, and whatever else was read before.
// Every other recorded request gets the answer that recorded-table.ts says.

import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { matchMessagesPath } from '../../src/http/messages-path.ts';
import type { Backscroll, Received, TestClient } from '../support/backscroll.ts';
import { startBackscroll } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { RecordedExchange } from '../support/fake-chatwoot/load-recordings.ts';
import { fakeFromRecordings, loadRecordings } from '../support/fake-chatwoot/load-recordings.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { seededRandom } from '../support/fake-chatwoot/seeded-random.ts';
import { expectedOf, RULES } from './recorded-table.ts';

/** Rows of this conversation share microseconds, so PostgreSQL's order of them is one of many. */
const TIED_CONVERSATION = '1/21';
/** The database was blocked for as long as this was asked. */
const BLOCKED = 'x2016';

const recordings = loadRecordings();
const rowById = new Map(recordings.conversations.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));
const newestAtUs = Math.max(...[...rowById.values()].map((row) => row.created_at_us));
/** The clock stands an hour after the newest row: nothing expires, and nothing is too young to be settled. */
const NOW = newestAtUs / 1000 + 3_600_000;

/** Chatwoot's users by the masks of their tokens. */
const CLIENTS = {
  ADMIN_TOKEN: { name: 'admin', key: 'key-of-ada-who-may-everything' },
  AGENT_TOKEN: { name: 'agent', key: 'key-of-ben-agent', scope: [{ account: 1, conversations: '*' }] },
  TEAM_AGENT_TOKEN: { name: 'team', key: 'key-of-tess-team', scope: [{ account: 1, conversations: [16] }] },
  NOINBOX_AGENT_TOKEN: { name: 'no-inbox', key: 'key-of-nora-no-inbox', scope: [{ account: 4, conversations: '*' }] },
  OUTSIDER_TOKEN: { name: 'outsider', key: 'key-of-otto-outsider', scope: [{ account: 2, conversations: '*' }] },
} as const satisfies Record<string, TestClient>;

let chatwoot: FakeChatwoot;

beforeAll(async () => {
  chatwoot = await fakeFromRecordings(recordings);
});
afterAll(() => chatwoot.close());

async function start(env: Record<string, string> = {}): Promise<Backscroll> {
  return startBackscroll({ chatwoot, now: () => NOW, clients: Object.values(CLIENTS), env });
}

test('the table speaks of every exchange once, and of every one that was not a 200', () => {
  const listed = RULES.flatMap(({ cases }) => cases);
  expect(new Set(listed).size).toBe(listed.length);
  const known = new Set(recordings.exchanges.map(({ id }) => id));
  expect(listed.filter((id) => !known.has(id))).toEqual([]);
  const others = recordings.exchanges.filter(({ id, response }) => response.status !== 200 && !listed.includes(id));
  expect(others.map(({ id }) => id)).toEqual([]);
});

test.each([
  ['proved', 4],
  ['exact', 8],
])('exchanges on a miss and on a hit, HISTORY=%s, one in %i', { timeout: 180_000 }, async (history, step) => {
  const backscroll = await start({ HISTORY: history });
  let pages = 0;
  for (const [at, exchange] of recordings.exchanges.entries()) {
    if (at % step !== 1) continue;
    const conversation = conversationOf(exchange);
    await backscroll.app.readThrough.idle();
    if (conversation !== null) backscroll.app.readThrough.purge(conversation);
    if (exchange.id === BLOCKED) chatwoot.failing.add(exchange.conv);
    const [first, second] = [await ask(backscroll, exchange), await ask(backscroll, exchange)];
    if (exchange.id === BLOCKED) chatwoot.failing.delete(exchange.conv);
    const wanted = await wantedFor(exchange);
    const name = nameOf(exchange);
    expect(outcomeOf(first), name).toEqual(wanted);
    expect(outcomeOf(second), name).toEqual(wanted);
    if (first.status !== 200 && first.status !== 304) continue;
    pages += 1;
    expect(first.headers['cache-status'], name).toBe('backscroll; fwd=miss; stored');
    expect(second.headers['cache-status'], name).toMatch(/^backscroll; hit; ttl=\d+$/);
    expect(second.headers['etag'], name).toBe(first.headers['etag']);
  }
  expect(pages).toBeGreaterThan(850 / step);
  await backscroll.close();
});

test.each([
  ['forwards', <T>(list: readonly T[]) => list],
  ['backwards', <T>(list: readonly T[]) => list.toReversed()],
  ['in a random order', shuffled],
])('whatever was read before, bytes stay the same: all pages %s', { timeout: 180_000 }, async (_name, order) => {
  const backscroll = await start();
  let hits = 0;
  const pages = recordings.exchanges.filter((exchange) => exchange.id !== BLOCKED && expectedOf(exchange).kind !== 'error');
  for (const exchange of order(pages)) {
    const answer = await ask(backscroll, exchange);
    expect(outcomeOf(answer), nameOf(exchange)).toEqual(await wantedFor(exchange));
    if (answer.headers['cache-status']?.includes('; hit') === true) hits += 1;
  }
  expect(hits).toBeGreaterThan(pages.length / 2);
  await backscroll.close();
});

function shuffled<T>(list: readonly T[]): T[] {
  const random = seededRandom(Number(process.env['SHUFFLE_SEED'] ?? 1));
  return list
    .map((each) => ({ each, at: random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ each }) => each);
}

/** Status, and body or code: all that the table says. */
function outcomeOf(answer: Received): unknown {
  const { status } = answer;
  if (status === 200) return { status, ...decoded(answer) };
  if (status === 304) return { status };
  const json = answer.json() as { error?: unknown; code?: unknown };
  expect(json.error).toEqual(expect.any(String));
  return { status, code: json.code };
}

/** The body without the coding that some of the recorded callers take, and the length that it has, or is said to have. */
function decoded({ headers, body }: Received): { body: string; length: string | undefined } {
  const [coding, length] = [headers['content-encoding'], headers['content-length']];
  if (coding === undefined) return { body: body.toString('latin1'), length };
  expect(length).toBe(String(body.length));
  const plain = coding === 'gzip' ? gunzipSync(body) : brotliDecompressSync(body);
  return { body: plain.toString('latin1'), length: String(plain.length) };
}

async function wantedFor(exchange: RecordedExchange): Promise<unknown> {
  const expected = expectedOf(exchange);
  if (expected.kind === 'error') return expected.code === '' ? { status: 304 } : { status: expected.status, code: expected.code };
  const page = expected.kind === 'page' || exchange.conv === TIED_CONVERSATION ? await pageOf(exchange) : recordedBody(exchange);
  const body = exchange.request.method === 'HEAD' ? '' : page.toString('latin1');
  return { status: 200, body, length: String(page.length) };
}

/** The page of the exchange's target as Chatwoot answers it to its administrator. */
async function pageOf({ request }: RecordedExchange): Promise<Buffer> {
  // What the table calls too deep or contradictory is dropped here too.
  const target = request.path_and_query.replace(/\?a(?:=2&a)?\[.*$/, '');
  const { status, body } = await sendRaw(chatwoot.port, {
    method: 'GET',
    target,
    headers: [['api_access_token', 'ADMIN_TOKEN']],
  });
  expect(status).toBe(200);
  return body;
}

function recordedBody({ response }: RecordedExchange): Buffer {
  const { body_utf8: whole, body_from: from } = response;
  const rows = from?.row_ids.map((id) => rowById.get(id)?.raw);
  return Buffer.from(from === undefined ? (whole ?? '') : `{"meta":${from.meta},"payload":[${rows?.join(',')}]}`);
}

async function ask(backscroll: Backscroll, { request }: RecordedExchange): Promise<Received> {
  const { method, path_and_query: target, headers, body_utf8: body } = request;
  const list = isPairs(headers) ? headers : Object.entries(headers);
  return backscroll.send({
    method,
    target,
    headers: list.map(([name, value]) => [name, withKeys(value)] as const),
    ...(body === undefined ? {} : { body }),
  });
}

/** A header value with the client's key in the place of its user's token. */
function withKeys(value: string): string {
  return value.replace(
    /\b(?:ADMIN|AGENT|TEAM_AGENT|NOINBOX_AGENT|OUTSIDER)_TOKEN/g,
    (mask) => CLIENTS[mask as keyof typeof CLIENTS].key,
  );
}

function conversationOf({ request }: RecordedExchange): { accountId: number; conversationId: number } | null {
  const segments = matchMessagesPath(request.path_and_query.split('?')[0] ?? '');
  return segments === null ? null : { accountId: Number(segments.account), conversationId: Number(segments.conversation) };
}

function nameOf({ id, note, request }: RecordedExchange): string {
  return `${id} ${request.method} ${request.path_and_query.slice(0, 200)} (${note})`;
}

function isPairs(headers: RecordedExchange['request']['headers']): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}
