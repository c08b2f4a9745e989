// Chatwoot goes away while callers keep coming: what was read goes on being shown, and Chatwoot is left alone.

import { expect, onTestFinished, test } from 'vitest';
import { CANARY } from '../support/canary.ts';
import type { Backscroll, Received, TestClock } from '../support/backscroll.ts';
import { messagesOf, readsOf, startBackscroll, startHouse, testClock } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { Front } from './front.ts';

const ENV = { UPSTREAM_RATE: '1000000/1s' };
/** Only what hangs is waited for; a slow machine needs some of it when all is well. */
const HANG_TIMEOUT = { UPSTREAM_TIMEOUT: '1s' };
const CALLERS = 16;
const ROUNDS = 10;
const PROBE_EVERY_MS = 5_000;
const MINUTE = 60_000;
/** Of a breaker that opens on ten reads at least, those that it needs, and those under way beside them. */
const READS_TO_OPEN_MAX = 10 + CALLERS;

interface House {
  readonly chatwoot: FakeChatwoot;
  readonly backscroll: Backscroll;
  readonly clock: TestClock;
}

/** Every page of conversation 2 from its top; the newest page first. */
function pagesOf(chatwoot: FakeChatwoot): string[] {
  const ids = chatwoot.table.rows(1, 2).map(({ id }) => id);
  return ['', ...[44, 30, 24].map((at) => `?before=${ids[at]}`)].map((search) => messagesOf(2, search));
}

async function warm({ chatwoot, backscroll }: House): Promise<string[]> {
  const pages = pagesOf(chatwoot);
  for (const page of pages) expect((await backscroll.get(page)).status).toBe(200);
  await backscroll.app.readThrough.idle();
  chatwoot.clearLog();
  return pages;
}

/** Callers side by side, each in a loop over the pages. The clock moves on with each round. */
async function load({ backscroll, clock }: House, pages: readonly string[], roundMs: number): Promise<Received[]> {
  const answers: Received[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const asking = Array.from({ length: CALLERS }, (_, n) => backscroll.get(pages[(round + n) % pages.length]!));
    answers.push(...(await Promise.all(asking)));
    await backscroll.app.readThrough.idle();
    clock.advance(roundMs);
  }
  return answers;
}

function statusesOf(answers: readonly Received[]): unknown[] {
  return [...new Set(answers.map(({ status }) => status))];
}

const gone: [string, Fault | 'closed'][] = [
  ['cannot be reached', 'closed'],
  ['cuts connections', { kind: 'refuse-headers-reset' }],
  ['answers 503', { kind: 'status', status: 503 }],
  ['hangs', { kind: 'hang' }],
];

test.each(gone)(
  'while Chatwoot %s, everything known is shown, Chatwoot sees the probes only, and one probe ends it',
  async (_name, fault) => {
    const clock = testClock();
    const chatwoot = await startSampleChatwoot({ now: clock.now });
    onTestFinished(() => chatwoot.close());
    const front = await Front.open(chatwoot.port);
    onTestFinished(() => front.shut());
    const patience = fault !== 'closed' && fault.kind === 'hang' ? HANG_TIMEOUT : {};
    const env = { ...ENV, ...patience, CHATWOOT_URL: front.url };
    const backscroll = await startBackscroll({ chatwoot, now: clock.now, env });
    onTestFinished(() => backscroll.close());
    const house = { chatwoot, backscroll, clock };
    const pages = await warm(house);
    const known = new Map(
      await Promise.all(pages.map(async (page) => [page, (await backscroll.get(page)).body.toString()] as const)),
    );
    chatwoot.clearLog();
    const history = pages.slice(1);

    if (fault === 'closed') front.shut();
    else chatwoot.fault = () => fault;
    // Past what the newest page and meta may be old, and past the freshness of history.
    clock.advance(31 * MINUTE);
    const first = await load(house, pages, 100);
    expect(statusesOf(first)).toEqual([200]);
    expect(new Set(first.map(({ body }) => body.toString()))).toEqual(new Set(known.values()));
    expect(
      first.every(({ headers }) => headers['cache-status']?.includes('fwd=stale') && Number(headers['age']) >= 31 * 60),
    ).toBe(true);
    expect(readsOf(chatwoot).length).toBeLessThanOrEqual(READS_TO_OPEN_MAX);
    // What is not known is refused at once while the breaker is open, with the time until the next probe.
    const distinct = Array.from({ length: 12 }, (_, n) => backscroll.get(messagesOf(1, `?before=${2000 + n}`)));
    for (const { status, headers } of await Promise.all(distinct)) {
      expect([502, 503, 504]).toContain(status);
      expect(headers['content-type']).toContain('application/json');
    }
    expect(await backscroll.metrics()).toContain('backscroll_upstream_breaker_open 1');

    // Open: one probe at most for each interval that passes.
    chatwoot.clearLog();
    const startedAt = clock.now();
    const later = await load(house, history, 2_000);
    expect(statusesOf(later)).toEqual([200]);
    const probes = Math.ceil((clock.now() - startedAt) / PROBE_EVERY_MS) + 1;
    expect(readsOf(chatwoot).length).toBeLessThanOrEqual(probes);

    // Back again: within one interval the way is open.
    chatwoot.fault = undefined;
    await front.reopen();
    chatwoot.table.insert({ accountId: 1, conversationId: 2, content: 'written during the outage' });
    clock.advance(PROBE_EVERY_MS);
    const probe = await backscroll.get(messagesOf(2));
    expect([probe.status, probe.body.toString()]).toEqual([200, chatwoot.table.body(1, 2, {})]);
    expect(await backscroll.metrics()).toContain('backscroll_upstream_breaker_open 0');
    const recovered = await load(house, history, 10);
    expect(statusesOf(recovered)).toEqual([200]);
    expect(recovered.every(({ headers }) => !headers['cache-status']?.includes('stale'))).toBe(true);
  },
);

test('history within its lifetime is a hit during an outage, not stale', async () => {
  const house = await startHouse({ env: ENV });
  const [, ...history] = await warm(house);
  house.chatwoot.fault = () => ({ kind: 'status', status: 503 });
  const answers = await load(house, history, 500);
  expect(statusesOf(answers)).toEqual([200]);
  expect(answers.every(({ headers }) => headers['cache-status']?.startsWith('backscroll; hit; ttl='))).toBe(true);
});

test('past STALE_IF_ERROR nothing is shown any more', async () => {
  const house = await startHouse({ env: { ...ENV, STALE_IF_ERROR: '10m' } });
  const [, page] = await warm(house);
  house.chatwoot.fault = () => ({ kind: 'status', status: 500 });
  house.clock.advance(10 * MINUTE);
  expect((await house.backscroll.get(page!)).headers['cache-status']).toContain('fwd=stale');
  house.clock.advance(35 * MINUTE);
  const late = await house.backscroll.get(page!);
  expect([late.status, late.code]).toEqual([502, 'upstream_error']);
});

test.each([
  ['404', 'not_found', (chatwoot: FakeChatwoot) => chatwoot.table.removeConversation(1, 2)],
  ['401', 'upstream_credentials', (chatwoot: FakeChatwoot) => chatwoot.directory.revokeToken(CANARY)],
])('a %s ends the stale answers of its conversation', async (_status, code, change) => {
  const house = await startHouse({ env: ENV });
  const { chatwoot, backscroll, clock } = house;
  const pages = await warm(house);
  await backscroll.get(messagesOf(3));
  clock.advance(2 * MINUTE);
  chatwoot.fault = () => ({ kind: 'status', status: 500 });
  for (const page of pages) expect((await backscroll.get(page)).headers['cache-status']).toContain('fwd=stale');
  chatwoot.fault = undefined;
  change(chatwoot);
  expect((await backscroll.get(pages[0]!)).code).toBe(code);
  await backscroll.app.readThrough.idle();
  clock.advance(20_000);
  chatwoot.fault = () => ({ kind: 'status', status: 500 });
  for (const page of pages) expect((await backscroll.get(page)).code).toBe('upstream_error');
  // Of the others nothing was said.
  expect((await backscroll.get(messagesOf(3))).headers['cache-status']).toContain('fwd=stale');
});

test('a 429 pauses all reads: what is known is shown, the rest is told when to come back', async () => {
  const house = await startHouse({ env: ENV });
  const { chatwoot, backscroll, clock } = house;
  const pages = await warm(house);
  clock.advance(2 * MINUTE);
  chatwoot.fault = () => ({ kind: 'status', status: 429, headers: { 'retry-after': '7' } });
  const throttled = await backscroll.get(messagesOf(3));
  expect([throttled.status, throttled.code, throttled.headers['retry-after']]).toEqual([429, 'upstream_busy', '7']);
  chatwoot.fault = undefined;
  chatwoot.clearLog();

  const known = await load(house, pages, 100);
  expect(statusesOf(known)).toEqual([200]);
  const unknown = await Promise.all([3, 4, 5, 99].map(async (id) => backscroll.get(messagesOf(id))));
  expect(unknown.map(({ status, code, headers }) => [status, code, headers['retry-after']])).toEqual(
    unknown.map(() => [429, 'upstream_busy', '6']),
  );
  expect(readsOf(chatwoot)).toEqual([]);
  clock.advance(6_000);
  expect((await backscroll.get(messagesOf(3))).status).toBe(200);
  expect((await backscroll.get(pages[0]!)).headers['cache-status']).not.toContain('stale');
});
