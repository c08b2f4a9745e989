// The fake answers every recorded request as Chatwoot 4.10.0 did: status, headers in their order, body bytes. No exchange is excused.

import { createHash } from 'node:crypto';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { etagOf } from '../support/fake-chatwoot/answer.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { RecordedExchange, RecordedRow } from '../support/fake-chatwoot/load-recordings.ts';
import { fakeFromRecordings, loadRecordings, recordedMetas } from '../support/fake-chatwoot/load-recordings.ts';
import type { RawResponse } from '../support/fake-chatwoot/raw-request.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { shuffledTies } from '../support/fake-chatwoot/seeded-random.ts';

/** Rows of this conversation share microseconds, so PostgreSQL's order of them is one of many. */
const TIED_CONVERSATION = '1/21';

/** Within the minute of the recorded limits, 40 s after x2014's X-Request-Start and 1 s after x2015's. */
const LIMITS_NOW = 1_795_348_868_783;

const recordings = loadRecordings();
const rowById = new Map(recordings.conversations.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));
const answers = new Map<string, RawResponse>();
let plain: FakeChatwoot;
let limited: FakeChatwoot;

beforeAll(async () => {
  plain = await fakeFromRecordings(recordings);
  limited = await fakeFromRecordings(recordings, { requestsPerMinute: 5, now: () => LIMITS_NOW });
  const queue = recordings.exchanges.filter(({ group }) => group !== 'limits');
  const worker = async (): Promise<void> => {
    for (let exchange = queue.shift(); exchange !== undefined; exchange = queue.shift()) {
      answers.set(exchange.id, await replay(plain, exchange));
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  for (const exchange of recordings.exchanges.filter(({ group }) => group === 'limits')) {
    // In x2016 the database was blocked until the statement timed out.
    if (exchange.id === 'x2016') limited.failing.add(exchange.conv);
    else limited.failing.delete(exchange.conv);
    answers.set(exchange.id, await replay(limited, exchange));
  }
});

afterAll(async () => {
  await Promise.all([plain.close(), limited.close()]);
});

test('every exchange was replayed', () => {
  expect(answers.size).toBe(recordings.exchanges.length);
  expect(recordings.exchanges.length).toBe(1004);
});

test('a conversation has one meta through all exchanges', () => {
  const metas = recordedMetas(recordings.exchanges);
  const byReference = recordings.exchanges.filter(({ response }) => response.body_from !== undefined);
  expect(byReference.map(({ response }) => response.body_from?.meta)).toEqual(byReference.map(({ conv }) => metas.get(conv)));
});

test.each(['paging', 'filter', 'irregular', 'params', 'paths', 'auth', 'conditional', 'limits'] as const)(
  'answers of the group %s equal the recorded ones',
  (group) => {
    const exchanges = recordings.exchanges.filter((exchange) => exchange.group === group && !isTied(exchange));
    expect(exchanges.length).toBeGreaterThan(0);
    for (const exchange of exchanges)
      expect(comparable(exchange, received(exchange))).toEqual(comparable(exchange, recorded(exchange)));
  },
);

test('pages with equal microseconds differ from the recorded ones in nothing but the choice and order of equals', () => {
  const exchanges = recordings.exchanges.filter(isTied);
  expect(exchanges.length).toBe(44);
  for (const exchange of exchanges)
    expect(upToTies(exchange, received(exchange))).toEqual(upToTies(exchange, recorded(exchange)));
});

test('shuffled ties give pages that the recorded ones permit', async () => {
  plain.table.ties = shuffledTies(7);
  for (const exchange of recordings.exchanges.filter(isTied)) {
    expect(upToTies(exchange, await replay(plain, exchange))).toEqual(upToTies(exchange, recorded(exchange)));
  }
  plain.table.ties = undefined;
});

test('every ETag recorded or sent is the hash of its body', () => {
  const pages = recordings.exchanges.filter(({ request, response }) => request.method === 'GET' && response.status === 200);
  for (const { headers, body } of pages.flatMap((exchange) => [recorded(exchange), received(exchange)])) {
    expect(headerOf(headers, 'etag')).toBe(etagOf(body.toString('utf8')));
  }
});

function isTied(exchange: RecordedExchange): boolean {
  return exchange.conv === TIED_CONVERSATION;
}

function nameOf({ id, note, request }: RecordedExchange): string {
  return `${id} ${request.method} ${request.path_and_query.slice(0, 200)} (${note})`;
}

function isPairs(headers: RecordedExchange['request']['headers']): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}

async function replay(fake: FakeChatwoot, { request }: RecordedExchange): Promise<RawResponse> {
  const { method, path_and_query: target, headers, body_utf8: body } = request;
  const list = isPairs(headers) ? headers : Object.entries(headers);
  return sendRaw(fake.port, { method, target, headers: list, ...(body === undefined ? {} : { body }) });
}

function received({ id }: RecordedExchange): RawResponse {
  const answer = answers.get(id);
  if (answer === undefined) throw new Error(`${id} was not replayed`);
  return answer;
}

/** The recorded answer in the shape of a received one. A body that was left out is empty. */
function recorded({ response }: RecordedExchange): RawResponse {
  const { body_utf8: whole, body_from: from, body_utf8_head: head } = response;
  const rows = from?.row_ids.map((id) => rowById.get(id)?.raw);
  const text = from === undefined ? (whole ?? head ?? '') : `{"meta":${from.meta},"payload":[${rows?.join(',')}]}`;
  const headers = Object.entries(response.headers).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((single): [string, string] => [name, single]),
  );
  return { status: response.status, headers, body: Buffer.from(text) };
}

/** What must be equal. Left out: x-runtime, an x-request-id that Rails made up, the secret in a cookie, a body that was not recorded. */
function comparable(exchange: RecordedExchange, answer: RawResponse): unknown {
  const echoesId = 'x-request-id' in exchange.request.headers;
  const exchangeName = nameOf(exchange);
  const { body_note: note, body_utf8_head: head, body_sha256: sha256 } = exchange.response;
  const headers = answer.headers
    .filter(([name]) => note === undefined || name !== 'Content-Length')
    .map(([name, value]) => {
      if (name === 'x-runtime' || (name === 'x-request-id' && !echoesId)) return [name];
      return name === 'set-cookie' ? [name, value.replace(/=[^;]*/, '=')] : [name, value];
    });
  if (note !== undefined)
    return { exchangeName, status: answer.status, headers, head: answer.body.toString('utf8').slice(0, head?.length ?? 0) };
  const hash = createHash('sha256').update(answer.body).digest('hex');
  if (sha256 !== undefined) return { exchangeName, status: answer.status, headers, length: answer.body.length, hash };
  return { exchangeName, status: answer.status, headers, body: answer.body.toString('utf8') };
}

/** What two permitted orders of a page have in common: all but which row of one microsecond stands where. */
function upToTies(exchange: RecordedExchange, answer: RawResponse): unknown {
  const text = answer.body.toString('utf8');
  const page: { payload: { id: number }[] } = JSON.parse(text);
  const rows = page.payload.map(({ id }) => rowById.get(id));
  const meta = text.slice('{"meta":'.length, text.indexOf(',"payload":['));
  return {
    name: nameOf(exchange),
    status: answer.status,
    meta,
    times: rows.map((row) => row?.created_at_us),
    areDistinct: new Set(rows).size === rows.length,
    areAskedFor: rows.every((row) => row !== undefined && isAskedFor(exchange, row)),
    isMadeOfRows: text === `{"meta":${meta},"payload":[${rows.map((row) => row?.raw).join(',')}]}`,
    hasItsEtag: headerOf(answer.headers, 'etag') === etagOf(text),
  };
}

function isAskedFor(exchange: RecordedExchange, row: RecordedRow): boolean {
  const query = new URLSearchParams(exchange.request.path_and_query.split('?')[1]);
  const [after, before] = [Number(query.get('after') ?? -1), Number(query.get('before') ?? Infinity)];
  const isFiltered = [...query].some(
    ([name, value]) => name.startsWith('filter_internal_messages') && (value !== '' || name.endsWith(']')),
  );
  const isInRange = row.id < before && (query.has('before') ? row.id >= after : row.id > after);
  return isInRange && !(isFiltered && (row.private || row.message_type === 2));
}

function headerOf(headers: RawResponse['headers'], wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
}
