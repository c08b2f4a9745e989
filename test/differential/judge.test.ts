// The judge is worth what it catches: true answers pass, and each way of being wrong is noticed.

import { describe, expect, test } from 'vitest';
import { joinBody } from '../../src/cache/join-body.ts';
import { customerPage } from '../../src/clients/view.ts';
import { splitBody } from '../../src/upstream/split-body.ts';
import type { FinderParams, TieOrder } from '../support/fake-chatwoot/finder.ts';
import { Chance } from './chance.ts';
import { customerMeta, customerRow } from './customer-json.ts';
import type { Observation, Verdict } from './judge.ts';
import { judge } from './judge.ts';
import { readPage } from './page.ts';
import { HISTORY_TIMES, LATE_MS, META_TIMES, SHORT_AGES } from './promises.ts';
import { ACCOUNT, World } from './world.ts';
import { Writer } from './writer.ts';

const STARTED_AT = 1_800_000_000_000;
const CONVERSATION = 7;
const OTHER = 8;
const { tailMaxAgeMs, metaMaxAgeMs, historyMaxAgeMs, settleMs, staleIfErrorMs } = SHORT_AGES;
/** More than any of the clocks' differences that are forgiven. */
const MS = 100;

type Page = NonNullable<Observation['page']>;

/** A conversation of 150 rows, a minute apart, the last of them an hour old, and one of 30; time stands still until it is moved. */
class House {
  at = STARTED_AT;
  trouble = false;
  readonly world: World;

  constructor(ties: TieOrder = (tied) => tied) {
    this.world = new World({ now: () => this.at, ties, firstId: 1_000 });
    for (const conversation of [CONVERSATION, OTHER]) this.world.addConversation(conversation);
    for (let n = 0; n < 150; n++) {
      const createdAtUs = (STARTED_AT - 3_600_000 - (150 - n) * 60_000) * 1000;
      const common = { accountId: ACCOUNT, createdAtUs, content: `old ${n}` };
      this.world.addOld({ ...common, conversationId: CONVERSATION, messageType: n % 10 === 4 ? 2 : 0 });
      if (n % 5 === 0) this.world.addOld({ ...common, conversationId: OTHER, content: `other ${n}` });
    }
    this.wait(60_000);
  }

  wait(ms: number): void {
    this.at += ms;
  }

  insert(draft: { readonly createdAtUs?: number; readonly content?: string; readonly messageType?: 0 | 2 } = {}): number {
    return this.world.insert({ accountId: ACCOUNT, conversationId: CONVERSATION, content: `new ${this.at}`, ...draft }).id;
  }

  ids(): number[] {
    return this.world.rows(CONVERSATION).map(({ id }) => id);
  }

  /** Chatwoot's answer now. */
  page(query: FinderParams, conversation = CONVERSATION): Page {
    return readPage(this.world.table.body(ACCOUNT, conversation, query))!;
  }

  judge(query: FinderParams, page: Page | undefined, change: Partial<Observation> = {}): Verdict {
    const seen: Observation = {
      sentAt: this.at,
      receivedAt: this.at,
      query,
      view: 'agent',
      demand: 'whatever is fresh',
      inScope: true,
      status: 200,
      code: undefined,
      isStale: false,
      ageS: undefined,
      page,
      ...change,
    };
    const past = this.world.past(CONVERSATION);
    return judge(seen, { past, promises: SHORT_AGES, wasTroubled: () => this.trouble });
  }
}

const QUERIES: readonly FinderParams[] = [
  {},
  { publicOnly: true },
  { before: 1_100 },
  { before: 1_100, publicOnly: true },
  { before: 1_003 },
  { after: 0 },
  { after: 1_150 },
  { after: 1_020, before: 1_060 },
  { before: 9_999_999 },
  { after: 9_999_999 },
];

const RIGHT: Verdict = { kind: 'right' };

test.each(QUERIES)('the truth is right: %j', (query) => {
  const house = new House();
  expect(house.judge(query, house.page(query))).toEqual(RIGHT);
});

describe('wrong is', () => {
  test.each(QUERIES.slice(0, 8))('a page from which any one row was dropped: %j', (query) => {
    const house = new House();
    const { meta, rows } = house.page(query);
    for (const at of rows.keys()) {
      expect(house.judge(query, { meta, rows: rows.toSpliced(at, 1) })).toMatchObject({
        kind: 'wrong',
        why: expect.stringMatching(/missing: \d+/),
      });
    }
  });

  test('a page in which two rows changed places, of one second too', () => {
    const house = new House();
    const second = house.at * 1000;
    for (const us of [10, 20]) house.insert({ createdAtUs: second + us });
    const { meta, rows } = house.page({});
    for (const at of rows.keys()) {
      if (at === 0) continue;
      const swapped = rows.with(at, rows[at - 1]!).with(at - 1, rows[at]!);
      expect(house.judge({}, { meta, rows: swapped })).toMatchObject({
        kind: 'wrong',
        why: expect.stringMatching(/order|missing/),
      });
    }
  });

  test('a row of another conversation, a row that never was, a row twice', () => {
    const house = new House();
    const { meta, rows } = house.page({});
    const [foreign] = house.page({}, OTHER).rows;
    const never = rows[3]!.replace('old', 'odd');
    for (const row of [foreign!, never]) {
      expect(house.judge({}, { meta, rows: rows.with(3, row) })).toMatchObject({
        kind: 'wrong',
        why: expect.stringMatching(/never said/),
      });
    }
    expect(house.judge({}, { meta, rows: rows.with(3, rows[2]!) })).toMatchObject({ kind: 'wrong', why: 'a row stands twice' });
  });

  test('a row from beyond a cursor, an internal one, one more than the limit', () => {
    const house = new House();
    const before = 1_100;
    const { meta, rows } = house.page({ before });
    const beyond = house.page({ after: before, before: before + 1 }).rows;
    expect(beyond).toHaveLength(1);
    expect(house.judge({ before }, { meta, rows: [...rows.slice(1), ...beyond] })).toMatchObject({
      why: expect.stringMatching(/does not belong/),
    });
    expect(house.judge({ before, publicOnly: true }, { meta, rows })).toMatchObject({
      why: expect.stringMatching(/does not belong/),
    });
    const after = { after: before };
    expect(house.judge(after, { meta, rows: [...beyond, ...house.page(after).rows] })).toMatchObject({
      why: expect.stringMatching(/does not belong/),
    });
    const more = house.page({ after: 0, before }).rows.slice(-21);
    expect(house.judge({ before }, { meta, rows: more })).toMatchObject({ kind: 'wrong', why: '21 rows, where the limit is 20' });
  });

  test('a row in an old version, after the age of its page and not before', () => {
    const house = new House();
    const id = house.ids().at(-3)!;
    const query = { before: id + 1 };
    const old = { latest: house.page({}), history: house.page(query) };
    house.world.edit(id, { content: 'edited' });
    const row = house.at;
    const isRight = (at: number, asked: FinderParams, page: Page): boolean => {
      house.at = row + at;
      return house.judge(asked, { ...page, meta: house.page({}).meta }).kind === 'right';
    };
    // It is an hour old: a tenth of that is more than HISTORY_MAX_AGE.
    expect(isRight(historyMaxAgeMs - MS, {}, old.latest)).toBe(true);
    expect(isRight(historyMaxAgeMs + MS, {}, old.latest)).toBe(false);
    expect(isRight(HISTORY_TIMES * historyMaxAgeMs - MS, query, old.history)).toBe(true);
    expect(isRight(HISTORY_TIMES * historyMaxAgeMs + MS, query, old.history)).toBe(false);
  });

  test('on the newest page, a young row in an old version past TAIL_MAX_AGE, one that has just settled past its own age', () => {
    const house = new House();
    const id = house.insert();
    house.wait(10);
    const page = house.page({});
    house.world.edit(id, { content: 'edited' });
    house.wait(tailMaxAgeMs - MS);
    expect(house.judge({}, page)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge({}, page)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/too old/) });
    house.wait(settleMs);
    const settled = house.page({});
    house.world.edit(id, { content: 'edited again' });
    house.wait(META_TIMES * metaMaxAgeMs - MS);
    expect(house.judge({}, { ...settled, meta: house.page({}).meta })).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge({}, { ...settled, meta: house.page({}).meta })).toMatchObject({ why: expect.stringMatching(/too old/) });
  });

  test('a deleted row past the age of its page', () => {
    const house = new House();
    const query = { before: 1_100 };
    const page = house.page(query);
    house.world.hardDelete(Number(/\d+/.exec(page.rows[5]!)![0]));
    house.wait(HISTORY_TIMES * historyMaxAgeMs - MS);
    expect(house.judge(query, page)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge(query, page)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/too old/) });
  });

  test.each([
    ['the newest page', {}, metaMaxAgeMs],
    ['the newest page by another name', { before: 9_999_999 }, metaMaxAgeMs],
    ['history', { before: 1_100 }, META_TIMES * metaMaxAgeMs],
    ['what comes after', { after: 1_100 }, META_TIMES * metaMaxAgeMs],
  ])('a meta past its age beside %s', (_name, query, ageMs) => {
    const house = new House();
    const page = house.page(query);
    house.world.changeMeta(CONVERSATION, { labels: ['changed'] });
    house.wait(ageMs - MS);
    expect(house.judge(query, page)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge(query, page)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/meta is too old/) });
  });

  test.each(['agent', 'customer'] as const)('what the other view shows, for %s', (view) => {
    const house = new House();
    const query = { before: 1_100, publicOnly: true };
    const agents = house.page(query);
    const customers = {
      meta: customerMeta(agents.meta),
      rows: agents.rows.map(customerRow),
    };
    const [own, others] = view === 'agent' ? [agents, customers] : [customers, agents];
    expect(house.judge(query, own, { view })).toEqual(RIGHT);
    expect(house.judge(query, { ...own, meta: others.meta }, { view })).toMatchObject({
      why: expect.stringMatching(/meta was never said/),
    });
    expect(house.judge(query, { ...own, rows: own.rows.with(3, others.rows[3]!) }, { view })).toMatchObject({
      why: expect.stringMatching(/row 3 was never said/),
    });
  });

  test('a meta that was never said', () => {
    const house = new House();
    const { rows } = house.page({});
    expect(house.judge({}, { rows, meta: house.page({}, OTHER).meta })).toMatchObject({
      why: expect.stringMatching(/meta was never said/),
    });
  });

  test.each<FinderParams>([{}, { after: 1_150 }, { before: 9_999_999 }])('a new row missing past TAIL_MAX_AGE: %j', (query) => {
    const house = new House();
    const page = house.page(query);
    house.insert();
    house.wait(tailMaxAgeMs - MS);
    expect(house.judge(query, page)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge(query, page)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });

  test('what is as of before the request, for one that wants it as of now', () => {
    const house = new House();
    const demand = { demand: 'as of now' } as const;
    const bypass = { demand: 'bypass' } as const;
    const history = { before: 1_100 };
    const before = { latest: house.page({}), history: house.page(history) };
    const [id] = before.history.rows.map((row) => Number(/\d+/.exec(row)![0]));
    house.world.edit(id!, { content: 'edited' });
    house.world.edit(house.ids().at(-2)!, { content: 'edited' });
    house.wait(MS);
    const { meta } = house.page({});
    expect(house.judge({}, before.latest)).toEqual(RIGHT);
    expect(house.judge({}, before.latest, demand)).toMatchObject({ why: expect.stringMatching(/too old/) });
    expect(house.judge(history, before.history, demand)).toEqual(RIGHT);
    expect(house.judge(history, before.history, bypass)).toMatchObject({ why: expect.stringMatching(/too old/) });
    // It has no end, so what is young may be on it.
    const open = house.page({ after: 1_100 });
    const without = house.page({});
    house.world.changeMeta(CONVERSATION, { labels: ['before'] });
    house.wait(MS);
    expect(house.judge({ after: 1_100 }, open, demand)).toMatchObject({ why: expect.stringMatching(/meta is too old/) });
    house.insert();
    house.world.changeMeta(CONVERSATION, { labels: ['changed'] });
    house.wait(MS);
    expect(house.judge({}, { ...without, meta: house.page({}).meta }, demand)).toMatchObject({
      why: expect.stringMatching(/missing/),
    });
    const settled = { ...house.page(history), meta };
    expect(house.judge(history, settled, demand)).toEqual(RIGHT);
    expect(house.judge(history, settled, bypass)).toMatchObject({ why: expect.stringMatching(/meta is too old/) });
    // Not settled: the row that was just written belongs below this cursor.
    const young = { before: house.ids().at(-1)! + 1 };
    house.insert();
    for (const query of [young, { after: 1_100 }, { ...young, after: 1_100 }]) {
      expect(house.judge(query, { ...house.page(query), meta }, demand)).toMatchObject({
        why: expect.stringMatching(/meta is too old/),
      });
    }
  });

  test('a late row missing below another past a second, and past TAIL_MAX_AGE from what has no end', () => {
    const house = new House();
    const pending = house.world.begin({ accountId: ACCOUNT, conversationId: CONVERSATION, content: 'late' });
    const cursor = house.insert();
    const [below, open] = [{ before: cursor }, { after: 1_100 }];
    const pages = { below: house.page(below), open: house.page(open) };
    house.world.commit(pending);
    house.wait(tailMaxAgeMs + MS);
    expect(house.judge(open, pages.open)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
    house.wait(LATE_MS - 2 * MS - tailMaxAgeMs);
    expect(house.judge(below, pages.below)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge(below, pages.below)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });

  test('a back-dated row missing past META_MAX_AGE from a full page of old rows, any other row past TAIL_MAX_AGE', () => {
    const house = new House();
    const query = { after: 0 };
    const page = house.page(query);
    expect(page.rows).toHaveLength(100);
    const old = house.insert({ createdAtUs: (STARTED_AT - 100_000_000) * 1000 });
    house.wait(metaMaxAgeMs - MS);
    expect(house.judge(query, page)).toEqual(RIGHT);
    house.wait(2 * MS);
    expect(house.judge(query, page)).toMatchObject({ kind: 'wrong', why: `missing: ${old}` });
  });

  test.each<[string, FinderParams, number]>([
    ['a page that is not full', { after: 1_100 }, 0],
    ['a full page of young rows', { after: 1_149 }, 100],
    ['a full page of the newest rows', {}, 0],
  ])('a back-dated row missing past TAIL_MAX_AGE from %s', (_what, query, young) => {
    const house = new House();
    for (let n = 0; n < young; n++) house.insert();
    const page = house.page(query);
    const old = house.insert({ createdAtUs: (STARTED_AT - 3_660_000 - 30_000) * 1000 });
    house.wait(tailMaxAgeMs);
    expect(house.judge(query, page)).toEqual(RIGHT);
    // Not yet META_MAX_AGE.
    house.wait((metaMaxAgeMs - tailMaxAgeMs) / 2);
    expect(house.judge(query, page)).toMatchObject({ kind: 'wrong', why: `missing: ${old}` });
  });

  test.each<[string, FinderParams, number]>([
    ['the newest rows', {}, 30],
    ['the oldest rows', { after: 1_179 }, 130],
  ])('a row of the edge’s second missing from a full page of %s', (_what, query, count) => {
    const house = new House();
    for (let n = 0; n < count; n++) house.insert({ createdAtUs: house.at * 1000 + 10 * n });
    house.wait(settleMs);
    const { meta, rows } = house.page(query);
    const idOf = (row: string): number => Number(/\d+/.exec(row)![0]);
    const isNewest = query.after === undefined;
    const edge = isNewest ? rows[0]! : rows.at(-1)!;
    const beyond = isNewest ? house.page({ before: idOf(edge) }).rows.at(-1)! : house.page({ after: idOf(edge) }).rows[0]!;
    const without = isNewest ? [beyond, ...rows.slice(1)] : [...rows.slice(0, -1), beyond];
    expect(house.judge(query, { meta, rows })).toEqual(RIGHT);
    expect(house.judge(query, { meta, rows: without })).toMatchObject({ kind: 'wrong', why: `missing: ${idOf(edge)}` });
  });

  test('a late row missing below one that was created just before it got its id', () => {
    const house = new House();
    const pending = house.world.begin({ accountId: ACCOUNT, conversationId: CONVERSATION, content: 'late' });
    house.insert({ createdAtUs: (house.at - 1_500) * 1000 });
    const without = house.page({});
    house.world.commit(pending);
    house.wait(tailMaxAgeMs + MS);
    expect(house.judge({}, without)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });

  test('an answer that is older than its Age says', () => {
    const house = new House();
    const query = { before: 1_100 };
    const page = house.page(query);
    house.world.edit(Number(/\d+/.exec(page.rows[5]!)![0]), { content: 'edited' });
    house.wait(2_000 + MS);
    expect(house.judge(query, page, { ageS: 2 })).toEqual(RIGHT);
    expect(house.judge(query, page, { ageS: 1 })).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/too old/) });
  });

  test('what is stale while nothing is wrong, and past STALE_IF_ERROR', () => {
    const house = new House();
    const stale = { isStale: true };
    const page = house.page({});
    house.world.changeMeta(CONVERSATION, { labels: ['changed'] });
    house.insert();
    house.wait(staleIfErrorMs);
    expect(house.judge({}, page, stale)).toMatchObject({ why: expect.stringMatching(/stale while nothing/) });
    house.trouble = true;
    expect(house.judge({}, page, stale)).toEqual(RIGHT);
    expect(house.judge({}, page)).toMatchObject({ kind: 'wrong' });
    expect(house.judge({}, page, { ...stale, demand: 'as of now' })).toEqual(RIGHT);
    expect(house.judge({}, page, { ...stale, demand: 'bypass' })).toMatchObject({ kind: 'wrong' });
    house.wait(metaMaxAgeMs + MS);
    expect(house.judge({}, page, stale)).toMatchObject({ why: expect.stringMatching(/too old/) });
  });

  test('an error while nothing is wrong, and some always', () => {
    const house = new House();
    const error = (status: number, code: string): string => house.judge({}, undefined, { status, code }).kind;
    expect(error(502, 'upstream_error')).toBe('wrong');
    house.trouble = true;
    expect(error(502, 'upstream_error')).toBe('right');
    expect(error(504, 'upstream_timeout')).toBe('right');
    expect(error(500, 'internal')).toBe('wrong');
    expect(error(401, 'unauthenticated')).toBe('wrong');
    expect(error(403, 'upstream_forbidden')).toBe('wrong');
    expect(error(429, 'rate_limited')).toBe('wrong');
    expect(error(502, 'upstream_credentials')).toBe('wrong');
    expect(error(404, 'not_served')).toBe('wrong');
    expect(error(503, 'overloaded')).toBe('excused');
  });

  test('a 404 for what is there, and a page of what has gone', () => {
    const house = new House();
    const gone = { status: 404, code: 'not_found' };
    const page = house.page({});
    expect(house.judge({}, undefined, gone)).toMatchObject({ why: expect.stringMatching(/that was there/) });
    house.world.removeConversation(CONVERSATION);
    expect(house.judge({}, undefined, gone)).toEqual(RIGHT);
    expect(house.judge({}, undefined, { ...gone, code: 'not_served' })).toMatchObject({ kind: 'wrong' });
    expect(house.judge({}, page)).toEqual(RIGHT);
    house.wait(metaMaxAgeMs + MS);
    expect(house.judge({}, page)).toMatchObject({ kind: 'wrong' });
    house.world.addConversation(CONVERSATION);
    house.wait(4_900);
    expect(house.judge({}, undefined, gone)).toEqual(RIGHT);
    expect(house.judge({}, undefined, { ...gone, demand: 'as of now' })).toMatchObject({ kind: 'wrong' });
    house.wait(200);
    expect(house.judge({}, undefined, gone)).toMatchObject({ kind: 'wrong' });
  });

  test('anything but a 404 outside of what the caller may see', () => {
    const house = new House();
    const outside = { inScope: false };
    expect(house.judge({}, house.page({}), outside)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/scope/) });
    expect(house.judge({}, undefined, { ...outside, status: 404, code: 'not_found' })).toEqual(RIGHT);
    expect(house.judge({}, undefined, { ...outside, status: 502, code: 'upstream_error' })).toMatchObject({ kind: 'wrong' });
  });
});

describe('free is', () => {
  test('which rows of a microsecond make the cut, and in which order they stand', () => {
    const house = new House((tied, read) => (read % 2 === 0 ? tied : tied.toReversed()));
    const createdAtUs = house.at * 1000;
    for (let n = 0; n < 30; n++) house.insert({ createdAtUs, content: `tied ${n}` });
    house.wait(settleMs);
    const [first, second] = [house.page({}), house.page({})];
    expect(first).not.toEqual(second);
    for (const page of [first, second]) expect(house.judge({}, page)).toEqual(RIGHT);
    // A row beside the tie is not.
    const older = house.page({ before: house.ids()[150]! }).rows.at(-1)!;
    expect(house.judge({}, { ...first, rows: [older, ...first.rows.slice(1)] })).toMatchObject({
      why: expect.stringMatching(/missing/),
    });
  });

  test('when a row is seen that is committed late', () => {
    const house = new House();
    const pending = house.world.begin({ accountId: ACCOUNT, conversationId: CONVERSATION, content: 'late' });
    house.insert();
    house.wait(settleMs / 2);
    const without = house.page({});
    house.world.commit(pending);
    house.wait(tailMaxAgeMs / 2);
    for (const page of [without, house.page({})]) expect(house.judge({}, page)).toEqual(RIGHT);
    house.wait(tailMaxAgeMs);
    expect(house.judge({}, without)).toMatchObject({ why: expect.stringMatching(/missing/) });
  });
});

describe('excused is, for a while,', () => {
  test('a row missing that was committed late underneath a back-dated one', () => {
    const house = new House();
    const pending = house.world.begin({ accountId: ACCOUNT, conversationId: CONVERSATION, content: 'late' });
    house.insert({ createdAtUs: (house.at - 60_000) * 1000 });
    const without = house.page({});
    house.world.commit(pending);
    house.wait(2 * settleMs - MS);
    const { meta } = house.page({});
    expect(house.judge({}, { ...without, meta })).toEqual({ kind: 'excused', why: 'under a back-dated row' });
    house.wait(2 * MS);
    expect(house.judge({}, { ...without, meta })).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });

  test('a row missing whose id is below one that was given out before, but not for those who want things as of now', () => {
    const house = new House();
    const content = 'stray';
    house.world.insertAhead({ accountId: ACCOUNT, conversationId: CONVERSATION, content, id: 90_000 });
    const without = house.page({});
    house.insert();
    house.wait(settleMs);
    expect(house.judge({}, without)).toEqual({ kind: 'excused', why: 'below ids given out before' });
    expect(house.judge({}, without, { demand: 'as of now' })).toMatchObject({ kind: 'wrong' });
    house.wait(settleMs + tailMaxAgeMs + MS);
    expect(house.judge({}, without)).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });

  test('the same on an old page, for as long as old content is shown', () => {
    const house = new House();
    house.world.insertAhead({ accountId: ACCOUNT, conversationId: CONVERSATION, content: 'stray', id: 90_000 });
    const old = { after: 1, before: 80_000 };
    const without = house.page(old);
    house.insert();
    house.wait(HISTORY_TIMES * historyMaxAgeMs - MS);
    const { meta } = house.page(old);
    expect(house.judge(old, { ...without, meta })).toEqual({ kind: 'excused', why: 'below ids given out before' });
    house.wait(2 * MS);
    expect(house.judge(old, { ...without, meta })).toMatchObject({ kind: 'wrong', why: expect.stringMatching(/missing/) });
  });
});

test('the truth within every age is right, whatever is written', () => {
  for (const seed of [1, 2]) {
    let at = STARTED_AT;
    const now = (): number => at;
    const world = new World({ now, ties: (tied, read) => (read % 2 === 0 ? tied : tied.toReversed()), firstId: 1_000 });
    const chance = new Chance(seed, 0);
    const writer = new Writer({ world, chance: new Chance(seed, 1), now, settleMs, without: new Set() });
    writer.furnish();
    let judged = 0;
    for (let step = 0; step < 700; step++) {
      writer.write();
      const conversation = chance.pick(world.ids);
      const ids = world.rows(conversation).map(({ id }) => id);
      if (ids.length === 0) continue;
      const cursor = chance.pick(ids);
      const query = {
        ...chance.pick([{}, { before: cursor }, { after: cursor }, { after: cursor, before: cursor + 300 }]),
        publicOnly: true,
      };
      const body = Buffer.from(world.table.body(ACCOUNT, conversation, query));
      const view = chance.pick(['agent', 'customer'] as const);
      const shown = view === 'agent' ? body : inView(body);
      for (let write = chance.whole(0, 4); write > 0; write--) writer.write();
      at += chance.between(0, tailMaxAgeMs);
      const seen: Observation = {
        sentAt: at,
        receivedAt: at,
        query,
        view,
        demand: 'whatever is fresh',
        inScope: true,
        status: 200,
        code: undefined,
        isStale: false,
        ageS: 0,
        page: readPage(shown.toString())!,
      };
      const verdict = judge(seen, { past: world.past(conversation), promises: SHORT_AGES, wasTroubled: () => false });
      expect({ seed, step, query, ...verdict }).toMatchObject({ kind: 'right' });
      judged++;
    }
    expect(judged).toBeGreaterThan(500);
    for (const kind of ['restored', 'stray', 'late', 'import', 'conversation-removed'] as const)
      expect(writer.counts.get(kind) ?? 0, kind).toBeGreaterThan(0);
  }
});

/** As the program shows it to customers: the judge's own idea of that must be the same. */
function inView(body: Buffer): Buffer {
  const { envelope, rows } = customerPage(splitBody(body));
  return joinBody(envelope, rows);
}
