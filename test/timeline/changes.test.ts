import { beforeAll, describe, expect, test } from 'vitest';
import type { Due } from '../../src/timeline/changes.ts';
import {
  bothDue,
  contactDue,
  DUE_ROWS_MAX,
  envelopeDue,
  lastDueAt,
  NOTHING_DUE,
  rowDue,
  rowDueAt,
  tailDue,
  withoutRead,
} from '../../src/timeline/changes.ts';
import { planFill } from '../../src/timeline/plan/fill.ts';
import { prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import {
  after,
  answer,
  before,
  between,
  cutSmallPages,
  FRESHNESS,
  HOURS,
  known,
  latest,
  NOW,
  reading,
  row,
  SECONDS,
  span,
} from './rows.ts';

const FED = { freshness: { ...FRESHNESS, tailMaxAgeMs: 0, feedMaxAgeMs: 60 * SECONDS }, fedSince: NOW };
const sent = (id: number) => row(id, id, `{"sender":{"id":7,"type":"contact"},"id":${id}}`);

describe('what is due', () => {
  test('is so since the latest of its moments, whichever order they come in', () => {
    const late = rowDue(envelopeDue(tailDue(NOTHING_DUE, 7), 8), 3, 9);
    for (const due of [bothDue(late, tailDue(NOTHING_DUE, 5)), bothDue(tailDue(NOTHING_DUE, 5), late), tailDue(late, 5)]) {
      expect([due.tailAt, due.envelopeAt, rowDueAt(due, row(3), 0), rowDueAt(due, row(4), 0)]).toEqual([7, 8, 9, -Infinity]);
      expect(lastDueAt(due)).toBe(9);
    }
    expect(rowDueAt(rowDue(late, 3, 4), row(3), 0)).toBe(9);
    expect(lastDueAt(NOTHING_DUE)).toBe(-Infinity);
  });

  test('is all rows where there are many single ones', () => {
    let due: Due = NOTHING_DUE;
    for (const id of span(1, DUE_ROWS_MAX + 1)) due = rowDue(due, id, id);
    expect([due.rows.size, rowDueAt(due, row(999), 0)]).toEqual([DUE_ROWS_MAX, -Infinity]);
    due = rowDue(due, 500, 40);
    expect([due.rows.size, rowDueAt(due, row(999), 0)]).toEqual([0, 40]);
    expect(bothDue(NOTHING_DUE, due)).toEqual(due);
  });

  test('of a contact is what contacts sent', () => {
    const due = contactDue(NOTHING_DUE, 5);
    expect([due.envelopeAt, rowDueAt(due, sent(1), 4), rowDueAt(due, row(2), 4)]).toEqual([5, 5, -Infinity]);
  });

  test('is forgotten of rows that were read since, or that are not known', () => {
    const due = [1, 2, 3].reduce((all, id) => rowDue(all, id, 10), NOTHING_DUE);
    expect([...withoutRead(due, (id) => [undefined, 9, 10][id]).rows.keys()]).toEqual([1]);
    expect(withoutRead(NOTHING_DUE, () => 1)).toBe(NOTHING_DUE);
  });
});

describe('a proof', () => {
  let page: Timeline;
  beforeAll(() => {
    const whole = cutSmallPages();
    page = known(reading(between(0, 6), [1, 2, sent(3), 4, 5]), reading(latest, [sent(3), 4, 5], 1));
    return whole;
  });

  test.each<[string, Due, Query, string]>([
    ['a message came', tailDue(NOTHING_DUE, NOW + 2), latest, 'lacks ids 1000 to Infinity'],
    ['a row of it changed', rowDue(NOTHING_DUE, 4, NOW + 2), latest, 'lacks due'],
    ['a row of history changed', rowDue(NOTHING_DUE, 2, NOW + 2), before(4), 'lacks due'],
    ['the envelope changed', envelopeDue(NOTHING_DUE, NOW + 2), latest, 'lacks meta'],
    ['the envelope changed, of history', envelopeDue(NOTHING_DUE, NOW + 2), before(4), 'lacks meta'],
    ['the contact changed, who sent a row', contactDue(NOTHING_DUE, NOW + 2), latest, 'lacks due'],
    ['the contact changed, who sent none', contactDue(NOTHING_DUE, NOW + 2), before(3), 'lacks meta'],
  ])('does not rest on what was read before %s, but may while upstream fails', (_what, due, query, lacks) => {
    const demand = { ...FED, later: 3, due };
    expect(answer(page, query, demand)).toBe(lacks);
    expect(answer(page, query, { ...demand, later: 2 * HOURS, stale: true })).toMatch(/^lacks/);
    const stale = prove(page, query, { ...FED, now: NOW + 10, due, stale: true });
    expect(stale).toMatchObject({ proved: true, freshUntil: NOW + 2 });
    // For who came before that it is new enough, and so is what was read since.
    expect(answer(page, query, { ...demand, cameAt: NOW })).toBeInstanceOf(Array);
    expect(answer(page, query, { ...demand, due: { ...due, ...NOTHING_DUE } })).toBeInstanceOf(Array);
  });

  test('does not mind what else is due', () => {
    const due = [1, 2, 6].reduce((all, id) => rowDue(all, id, NOW + 2), NOTHING_DUE);
    expect(answer(page, latest, { ...FED, later: 3, due })).toEqual([3, 4, 5]);
    expect(answer(page, before(4), { ...FED, later: 3, due: tailDue(NOTHING_DUE, NOW + 2) })).toEqual([1, 2, 3]);
  });

  test('rests on what was asked since every change is heard of, up to FEED_MAX_AGE', () => {
    const open = known(reading(latest, [3, 4, row(1001)], 5));
    const at = (ms: number, fedSince = NOW + 5) => answer(open, latest, { ...FED, fedSince, later: ms });
    expect([at(5 + 60 * SECONDS), at(6 + 60 * SECONDS)]).toEqual([[3, 4, 1001], expect.stringMatching(/^lacks/)]);
    expect(at(6, NOW + 6)).toMatch(/^lacks/);
    expect(prove(open, latest, { ...FED, now: NOW + 10 })).toMatchObject({ freshUntil: NOW + 5 + 60 * SECONDS });
    expect(answer(open, latest, { ...FED, later: 7, asOf: NOW + 6 })).toMatch(/^lacks/);
  });
});

describe('a read in place of a page of which rows changed', () => {
  const rows = span(1, 301);
  const many = known(reading(between(0, Number.MAX_SAFE_INTEGER), rows));
  const context = { now: NOW + 3, freshness: FRESHNESS };
  const dueOf = (ids: readonly number[]): Due => ids.reduce((all, id) => rowDue(all, id, NOW + 2), NOTHING_DUE);
  const planFor = (query: Query, due: Due): Query | null => {
    const gap = prove(many, query, { ...context, due });
    if (gap.proved) throw new Error('nothing is due');
    return planFill(many, query, gap, { ...context, due });
  };

  test('is of the one row', () => {
    expect(planFor(before(100), dueOf([90]))).toEqual(between(90, 91));
  });

  test('is of all between the first and the last, and of those further on that are due as well', () => {
    expect(planFor(before(100), dueOf([90, 95, 50, 20, 99]))).toEqual(between(20, 100));
    expect(planFor(before(300), dueOf([290, 291, 80]))).toEqual(between(290, 292));
    expect(planFor(after(100), dueOf([110, 120, 190, 280, 20]))).toEqual(between(110, 281));
  });

  test('of the newest page begins with the lowest that is due', () => {
    const newest = known(reading(between(0, 1000), rows), reading(latest, span(281, 301), 1));
    const due = dueOf([285, 290]);
    const gap = prove(newest, latest, { ...context, due });
    expect(gap).toMatchObject({ lacks: 'due', rows: [285, 290] });
    if (!gap.proved) expect(planFill(newest, latest, gap, { ...context, due })).toEqual(after(284));
  });

  test('of the newest page with a feed is of the tail, too, which is good for a while from then on', () => {
    const newest = known(reading(between(0, 1000), rows), reading(latest, span(281, 301), 1));
    const due = dueOf([290]);
    const gap = prove(newest, latest, { ...context, due });
    if (gap.proved) throw new Error('nothing is due');
    expect(planFill(newest, latest, gap, { ...context, due })).toEqual(between(290, 291));
    expect(planFill(newest, latest, gap, { ...context, due, isFed: true })).toEqual(after(289));
  });
});
