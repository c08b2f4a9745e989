// What is kept from one request to the next (parsed targets, proofs, rendered pages, pages in codings, readers of tokens), and the short way that rests
// on it, change no answer: the law asks two Backscrolls the same, of which one keeps nothing and so goes the long way each time,
// while keys die, scopes change, pages are purged and time goes by.

import fc from 'fast-check';
import { SignJWT } from 'jose';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test, vi, type MockInstance } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { ReadThrough } from '../../src/cache/read-through.ts';
import { KnownTokens } from '../../src/clients/known-tokens.ts';
import { CodedPages } from '../../src/http/coded-pages.ts';
import { Renderer, type Representation } from '../../src/http/render.ts';
import { Targets } from '../../src/http/target.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { messagesOf, startHouse, testClock, type Backscroll, type Received, type TestClock } from '../support/backscroll.ts';

const SECRET = 'secret-of-the-law-of-kept-things-0123';
const STARTED_AT = Date.UTC(2026, 8, 1, 12);
const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');

/** Who may read, before and after changes to the clients file. */
const FILES = [
  { customer: '*', narrow: [{ account: 1, conversations: [2] }], withAgent: true },
  { customer: '*', narrow: [{ account: 1, conversations: [3] }], withAgent: true },
  { customer: [{ account: 1, conversations: [1] }], narrow: [], withAgent: false },
] as const;

function fileOf(n: number): string {
  const { customer, narrow, withAgent } = FILES[n]!;
  const client = (name: string, rest: object, key: object = {}): object => ({
    name,
    keys: [{ sha256: sha256(`key-of-the-${name}`), ...key }],
    ...rest,
  });
  const clients = [
    ...(withAgent ? [client('agent', { scope: '*' })] : []),
    client('customer', { scope: customer, view: 'customer', tailMaxAge: '0s' }),
    client('narrow', { scope: narrow, rateLimit: '5/10s' }),
    client('mortal', { scope: '*', tailMaxAge: '2s' }, { notAfter: new Date(STARTED_AT + 60_000).toISOString() }),
  ];
  return JSON.stringify({ clients });
}

const ORIGIN = 'https://app.example.com';
/** Stands for the ETag of what the same caller was shown last in answer to the same. */
const SHOWN_LAST = 'shown last';
const EXTRAS: readonly (readonly [string, string][])[] = [
  [],
  [['origin', ORIGIN]],
  [['origin', 'https://elsewhere.example.com']],
  [['x-forwarded-for', '203.0.113.7']],
  [['cache-control', 'no-cache']],
  [['if-none-match', '*']],
  [['if-none-match', SHOWN_LAST]],
  [
    ['x-request-id', 'of-a-caller'],
    ['if-none-match', '"another", "tag"'],
  ],
];

const token = async (subject: string, conversations: '*' | number[], startsInS: number, endsInS: number): Promise<string> =>
  new SignJWT({ account: 1, conversations, view: 'agent', ...(subject === '' ? {} : { sub: subject }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setNotBefore(STARTED_AT / 1000 + startsInS)
    .setExpirationTime(STARTED_AT / 1000 + endsInS)
    .sign(Buffer.from(SECRET));

/** What callers accept; null for nothing that they say. */
const ACCEPTED = [null, null, 'gzip', 'gzip', 'gzip, deflate, br', 'identity, br;q=0.9'] as const;

type Step =
  | {
      readonly do: 'ask';
      readonly who: number;
      readonly conversation: number;
      readonly page: number;
      readonly times: number;
      readonly extra: number;
      readonly accepted: string | null;
    }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'edit' | 'insert' | 'remove' | 'purge'; readonly conversation: number }
  | { readonly do: 'reload'; readonly file: number }
  | { readonly do: 'outage' };

const conversation = fc.integer({ min: 1, max: 3 });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      who: fc.oneof(fc.nat(1), fc.nat(7)),
      extra: fc.oneof(fc.constant(0), fc.nat(EXTRAS.length - 1)),
      accepted: fc.constantFrom(...ACCEPTED),
      conversation,
      page: fc.nat(3),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 300, 300, 1500, 9000, 40_000, 1e6, -5000) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('edit', 'insert', 'purge'), conversation }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), conversation }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reload' as const), file: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('outage' as const) }) },
);

/** Has nothing be found that was kept, as long as `isOff` says so. */
function forgetful(isOff: () => boolean): void {
  const off = <T extends object>(prototype: T, method: keyof T & string, nothing: unknown): void => {
    const original = Reflect.get(prototype, method) as (...given: unknown[]) => unknown;
    const spy = vi.spyOn(prototype as Record<string, () => unknown>, method);
    spy.mockImplementation(function (this: T, ...given: unknown[]) {
      return isOff() ? nothing : Reflect.apply(original, this, given);
    });
  };
  off(MemoryStore.prototype, 'keptProof', null);
  off(KnownTokens.prototype, 'find', undefined);
  off(Targets.prototype, 'kept', undefined);
  off(Renderer.prototype, 'kept', undefined);
}

async function startHouses(clock: TestClock, folder: string, isProxied: boolean) {
  const path = join(folder, 'clients.json');
  await writeFile(path, fileOf(0));
  const env = {
    CLIENT_KEYS: '',
    CLIENTS_FILE: path,
    JWT_SECRET: SECRET,
    TAIL_MAX_AGE: '400ms',
    HISTORY_MAX_AGE: '1m',
    CORS_ORIGINS: ORIGIN,
  };
  const proxied = { ...env, TRUST_PROXY: isProxied ? '1' : 'false' };
  return Promise.all([startHouse({ clock, env: proxied }), startHouse({ clock, env: proxied })]);
}

function rowsOf({ table }: FakeChatwoot, id: number): readonly { readonly id: number }[] {
  return table.hasConversation(1, id) ? table.rows(1, id) : [];
}

/** All of an answer but what no two answers share, and what it is written in. */
function shown({ status, headers, body }: Received): object {
  const { date: _date, 'x-request-id': _id, 'content-length': length, 'content-encoding': coding, ...rest } = headers;
  if (status === 200) expect(length).toBe(String(body.length));
  const etag = headers['etag'];
  if (coding !== undefined) expect(etag).toMatch(new RegExp(`-${coding}"$`));
  const sameHeaders = etag === undefined ? rest : { ...rest, etag: etag.replace(/-(?:gzip|br)"$/, '"') };
  return { status, headers: Object.entries(sameHeaders), body: decoded(body, coding).toString() };
}

let codedAnswers = 0;
/** Which of them, so that what they make can be waited for. */
let shownBy: MockInstance<(this: CodedPages, ...given: Parameters<CodedPages['shown']>) => Representation>;

function decoded(body: Buffer, coding: string | undefined): Buffer {
  if (coding === undefined) return body;
  codedAnswers++;
  return coding === 'gzip' ? gunzipSync(body) : brotliDecompressSync(body);
}

/** What each caller of a house was shown last. */
const shownLast = new WeakMap<Backscroll, Map<string, string>>();

/** Asks, and remembers what it was shown. */
async function ask(backscroll: Backscroll, target: string, headers: readonly [string, string][]): Promise<Received> {
  const etags = shownLast.get(backscroll) ?? new Map<string, string>();
  shownLast.set(backscroll, etags);
  const name = JSON.stringify([target, headers.filter(([header]) => header !== 'if-none-match')]);
  const sent = headers.map(([header, value]): [string, string] => [
    header,
    value === SHOWN_LAST ? (etags.get(name) ?? '"nothing"') : value,
  ]);
  const answer = await backscroll.send({ target, headers: sent });
  if (answer.headers['etag'] !== undefined) etags.set(name, answer.headers['etag']);
  return answer;
}

/** What its log and its metrics say of answers, but for ids and times. */
async function toldBy({ backscroll }: Awaited<ReturnType<typeof startHouse>>): Promise<object> {
  const metrics = (await backscroll.metrics()).split('\n');
  return {
    lines: backscroll.logs
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ msg }) => msg === 'answered')
      .map(({ time: _time, reqId: _id, ms: _ms, ...rest }) => rest),
    counts: metrics.filter((line) => /^backscroll_(requests_total|request_duration_seconds_count)/.test(line)).toSorted(),
  };
}

/** Takes a step in one house. @returns the answers */
async function act(
  step: Exclude<Step, { do: 'wait' }>,
  { backscroll, chatwoot, clock }: Awaited<ReturnType<typeof startHouse>>,
  credentials: readonly [string, string][],
): Promise<object[]> {
  const { table } = chatwoot;
  switch (step.do) {
    case 'ask': {
      const ids = rowsOf(chatwoot, step.conversation).map(({ id }) => id);
      const before = ids[Math.floor((ids.length * step.page) / 4)] ?? 0;
      const target = messagesOf(step.conversation, step.page === 0 ? '' : `?before=${before}`);
      const accepts: [string, string][] = step.accepted === null ? [] : [['accept-encoding', step.accepted]];
      const headers = [credentials[step.who]!, ...accepts, ...EXTRAS[step.extra]!];
      const answers: object[] = [];
      for (let time = 0; time < step.times; time++) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        answers.push(shown(await ask(backscroll, target, headers)));
        // oxlint-disable-next-line no-await-in-loop
        await backscroll.app.readThrough.idle();
        // oxlint-disable-next-line no-await-in-loop
        await Promise.all(shownBy.mock.contexts.map((pages) => pages.idle()));
        shownBy.mockClear();
      }
      return answers;
    }
    case 'reload':
      await backscroll.app.reloadClients();
      break;
    case 'edit': {
      const [row] = rowsOf(chatwoot, step.conversation).slice(-5);
      if (row !== undefined) table.edit(row.id, { content: `edited at ${clock.now()}` });
      break;
    }
    case 'insert':
      if (!table.hasConversation(1, step.conversation)) break;
      table.insert({ accountId: 1, conversationId: step.conversation, createdAtUs: clock.now() * 1000, content: 'new' });
      break;
    case 'remove':
      if (table.hasConversation(1, step.conversation)) table.removeConversation(1, step.conversation);
      break;
    case 'purge':
      backscroll.app.readThrough.purge({ accountId: 1, conversationId: step.conversation });
      break;
    case 'outage':
      chatwoot.fault = chatwoot.fault === undefined ? () => ({ kind: 'status', status: 500, headers: {}, body: '' }) : undefined;
      break;
  }
  return [];
}

test('what is kept changes no answer', { timeout: 120_000 }, async () => {
  let clock = testClock(STARTED_AT);
  let wallMs = STARTED_AT;
  let isOff = false;
  vi.spyOn(Date, 'now').mockImplementation(() => wallMs);
  onTestFinished(() => void vi.restoreAllMocks());
  forgetful(() => isOff);
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit');
  shownBy = vi.spyOn(CodedPages.prototype, 'shown');
  const credentials: [string, string][] = [
    ...['agent', 'customer', 'narrow', 'mortal'].map((name): [string, string] => ['api_access_token', `key-of-the-${name}`]),
    ['authorization', `Bearer ${await token('short', '*', 0, 60)}`],
    ['authorization', `Bearer ${await token('late', [2, 3], 30, 900)}`],
    ['authorization', `Bearer ${await token('', '*', 0, 900)}`],
    ['api_access_token', 'key-of-a-stranger'],
  ];
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));

  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 40 }), fc.boolean(), async (steps, isProxied) => {
      clock = testClock(STARTED_AT);
      wallMs = STARTED_AT;
      const houses = await startHouses(clock, folder, isProxied);
      try {
        for (const each of steps) {
          if (each.do === 'wait') {
            // Only the wall clock can be set back.
            wallMs += each.ms;
            if (each.ms > 0) clock.advance(each.ms);
            continue;
          }
          if (each.do === 'reload') await writeFile(join(folder, 'clients.json'), fileOf(each.file));
          const kept = await act(each, houses[0], credentials);
          isOff = true;
          const anew = await act(each, houses[1], credentials);
          isOff = false;
          expect(kept).toEqual(anew);
        }
        const told = await Promise.all(houses.map(toldBy));
        expect(told[0]).toEqual(told[1]);
      } finally {
        await Promise.all(houses.map(({ backscroll, chatwoot }) => backscroll.close().then(() => chatwoot.close())));
      }
    }),
    { numRuns: 30 },
  );
  expect(short.mock.results.filter(({ value }) => value !== null).length).toBeGreaterThan(50);
  expect(codedAnswers).toBeGreaterThan(50);
});
