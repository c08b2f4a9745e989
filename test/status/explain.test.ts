// What operators are told of a conversation is what happens to the next caller, and asking changes nothing.

import { expect, onTestFinished, test } from 'vitest';
import type { Explanation } from '../../src/status/explanation.ts';
import { messagesOf, readsOf, startBackscroll, startHouse, testClock, type Backscroll } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { seededRandom } from '../support/fake-chatwoot/seeded-random.ts';

const ADMIN_KEY = 'admin-key-of-the-tests';
const ENV = { ADMIN_KEYS: `ops=${ADMIN_KEY}` };

async function explain(backscroll: Backscroll, conversation: number, search = ''): Promise<Explanation> {
  const target = `/admin/explain?account=1&conversation=${conversation}${search === '' ? '' : `&${search}`}`;
  const answer = await backscroll.send({ target, headers: [['api_access_token', ADMIN_KEY]] });
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
  return answer.json() as Explanation;
}

const idsIn = (body: unknown): number[] => (body as { payload: { id: number }[] }).payload.map(({ id }) => id);
const rowsOf = (chatwoot: FakeChatwoot, conversation: number): number[] =>
  chatwoot.table.rows(1, conversation).map(({ id }) => id);

test.each([1, 2, 3])(
  'whatever is asked, the next caller gets what was told, and the read that was told is sent (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const { backscroll, chatwoot, clock } = await startHouse({ env: { ...ENV, TAIL_MAX_AGE: seed === 2 ? '2s' : '0s' } });
    const below = (end: number): number => Math.floor(random() * end);
    const told = new Set<string>();
    for (let step = 0; step < 120; step++) {
      clock.advance([0, 300, 1500, 12_000, 130_000, 1_000_000][below(6)]!);
      const conversation = 1 + below(7);
      if (random() < 0.15 && conversation < 7)
        chatwoot.table.insert({ accountId: 1, conversationId: conversation, content: 'new' });
      const ids = rowsOf(chatwoot, Math.min(6, conversation));
      const id = ids[below(ids.length)] ?? 1500;
      const cursor = ['', `before=${id}`, `after=${id}`, `after=${id}&before=${id + below(300)}`, 'before=999999999'][below(5)]!;
      const search = random() < 0.2 ? [cursor, 'filter_internal_messages=1'].filter((part) => part !== '').join('&') : cursor;
      const { answer } = await explain(backscroll, conversation, search);
      told.add(answer.read?.reason ?? answer.outcome);
      const before = readsOf(chatwoot).length;
      const received = await backscroll.get(messagesOf(conversation, search === '' ? '' : `?${search}`));
      const what = `step ${step}, ${conversation}?${search}: ${JSON.stringify(answer)}`;
      if (answer.outcome === 'not_found') expect([received.status, readsOf(chatwoot).length], what).toEqual([404, before]);
      else if (answer.outcome === 'read') {
        const first = readsOf(chatwoot)[before];
        const { query } = answer.read!;
        expect(first, what).toBe(messagesOf(conversation, query === '' ? '' : `?${query}`));
      } else {
        expect(received.headers['cache-status'], what).toMatch(/^backscroll; hit/);
        expect(idsIn(received.json()), what).toEqual(answer.page);
      }
      await backscroll.app.readThrough.idle();
    }
    expect([...told].toSorted()).toEqual(expect.arrayContaining(['fill', 'forward', 'hit', 'not_found', 'seal']));
  },
);

test('a sealed, a half-known and an unknown conversation', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  const ids = rowsOf(chatwoot, 3);
  await backscroll.get(messagesOf(3));
  for (const id of [ids.at(-20), ids.at(-5)]) await backscroll.get(messagesOf(3, `?before=${id}`));
  await backscroll.app.readThrough.idle();
  const sealed = await explain(backscroll, 3, `before=${ids.at(-5)}`);
  expect(sealed.answer).toMatchObject({ outcome: 'hit', page: ids.slice(-25, -5).slice(-20), read: null });
  expect(sealed.unknown).toEqual([]);
  expect(sealed.rows).toMatchObject({ count: ids.length, lowestId: ids[0], highestId: ids.at(-1) });
  expect(sealed.rows.bins.reduce((sum, { count }) => sum + count, 0)).toBe(ids.length);
  expect(sealed.known.some(({ standing, except }) => standing !== 'transient' && except === null)).toBe(true);

  const long = rowsOf(chatwoot, 1);
  await backscroll.get(messagesOf(1));
  const half = await explain(backscroll, 1, `before=${long[330]}`);
  expect(half.answer).toMatchObject({ outcome: 'read', page: null, read: { reason: 'forward', query: `before=${long[330]}` } });
  expect(half.answer.because).toContain(`older were left out`);
  expect(half.known.every(({ except }) => except?.to?.id === long.at(-20))).toBe(true);

  const unknown = await explain(backscroll, 2);
  expect(unknown).toMatchObject({
    known: [],
    unknown: [{ from: 0, below: null }],
    rows: { count: 0, bins: [] },
    metaAgeMs: null,
  });
  expect(unknown.answer.because).toBe(
    'Nothing is known of this conversation. Chatwoot would be asked for the newest page, as the caller asked.',
  );
});

test('it tells no content, also where all is known', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  chatwoot.table.insert({ accountId: 1, conversationId: 3, content: 'canary-of-the-content' });
  await backscroll.get(messagesOf(3));
  expect(JSON.stringify(await explain(backscroll, 3))).not.toMatch(/canary-of-the-content|Aksoy|sender/);
});

test('the exact mode says which pages it keeps', async () => {
  const { backscroll } = await startHouse({ env: { ...ENV, HISTORY: 'exact' } });
  await backscroll.get(messagesOf(1, '?before=1300'));
  const told = await explain(backscroll, 1, 'before=1300');
  expect(told).toMatchObject({ mode: 'exact', known: [], pages: [{ query: 'before 1300 all', rows: 20, ageMs: 0 }] });
  expect(told.answer.outcome).toBe('hit');
  expect((await explain(backscroll, 1, 'before=1301')).answer).toMatchObject({ outcome: 'read', read: { reason: 'forward' } });
});

test('asking is no read: no metric, nothing sent, and the conversation that was asked for longest ago still goes first', async () => {
  const clock = testClock();
  const chatwoot = await startSampleChatwoot({ now: clock.now });
  onTestFinished(() => chatwoot.close());
  // Three conversations fit: each has one page of large rows.
  for (const conversationId of [2, 3, 4, 5]) {
    for (let n = 0; n < 20; n++) chatwoot.table.insert({ accountId: 1, conversationId, content: 'x'.repeat(12_000) });
  }
  const backscroll = await startBackscroll({
    chatwoot,
    now: clock.now,
    env: { ...ENV, CACHE_MEMORY: '1mb', TAIL_MAX_AGE: '1m' },
  });
  onTestFinished(() => backscroll.close());
  for (const conversation of [2, 3, 4]) await backscroll.get(messagesOf(conversation));
  await backscroll.app.readThrough.idle();
  const [sent, metrics, size] = [readsOf(chatwoot).length, await backscroll.metrics(), backscroll.app.readThrough.size];
  expect(size.conversations).toBe(3);
  const requests = (text: string): string[] =>
    text.split('\n').filter((line) => /^backscroll_(requests|upstream_reads|readings)/.test(line));

  expect((await explain(backscroll, 2)).answer.outcome).toBe('hit');
  await explain(backscroll, 6);
  expect(readsOf(chatwoot)).toHaveLength(sent);
  expect(requests(await backscroll.metrics())).toEqual(requests(metrics));
  expect(backscroll.app.readThrough.size).toEqual(size);

  await backscroll.get(messagesOf(5));
  expect((await explain(backscroll, 2)).rows.count).toBe(0);
  expect((await explain(backscroll, 3)).rows.count).toBe(20);
});

test('while Chatwoot fails, it says whether the page would be shown', async () => {
  const { backscroll, clock } = await startHouse({ env: { ...ENV, STALE_IF_ERROR: '1m' } });
  await backscroll.get(messagesOf(3));
  expect((await explain(backscroll, 3)).answer.shownWhileChatwootFails).toBe(true);
  expect((await explain(backscroll, 2)).answer.shownWhileChatwootFails).toBe(false);
  clock.advance(3_600_000);
  expect((await explain(backscroll, 3)).answer.shownWhileChatwootFails).toBe(false);
});

test.each([
  ['', 'account'],
  ['?account=1', 'conversation'],
  ['?conversation=1', 'account'],
  ['?account=0&conversation=1', 'account'],
  ['?account=1&conversation=1&conversation=2', 'conversation'],
  ['?account=1&conversation=1&before=abc', 'before'],
  ['?account=1&conversation=1&before[]=3', 'before[]'],
  ['?account=1&conversation=1&limit=3', 'limit'],
  ['?account=1&conversation=1&before_timestamp=3', 'before_timestamp'],
])('%s is refused, naming %s', async (search, name) => {
  const { backscroll } = await startHouse({ env: ENV });
  const refused = await backscroll.send({ target: `/admin/explain${search}`, headers: [['api_access_token', ADMIN_KEY]] });
  expect([refused.status, refused.code]).toEqual([400, 'invalid_parameter']);
  expect((refused.json() as { error: string }).error).toContain(`Parameter ${name} `);
});
