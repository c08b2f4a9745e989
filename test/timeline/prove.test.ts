import { beforeAll, describe, expect, test } from 'vitest';
import { prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { EMPTY_TIMELINE } from '../../src/timeline/timeline.ts';
import {
  FRESHNESS,
  after,
  answer,
  before,
  between,
  cutSmallPages,
  filtered,
  HOURS,
  known,
  knownBelow,
  latest,
  MINUTES,
  note,
  NOW,
  proofOf,
  reading,
  row,
  SECONDS,
  span,
} from './rows.ts';

beforeAll(cutSmallPages); // latest 3, before 3, after 4, between 5

test('nothing is proved of a conversation that was never read', () => {
  for (const query of [latest, before(5), after(5), between(2, 5)]) expect(answer(EMPTY_TIMELINE, query)).toMatch(/^lacks ids/);
});

describe('a full page', () => {
  test('is proved by the reading that showed it, up to its edge', () => {
    expect(answer(known(reading(latest, [7, 8, 9])), latest)).toEqual([7, 8, 9]);
    expect(answer(known(reading(before(10), [7, 8, 9])), before(10))).toEqual([7, 8, 9]);
    expect(answer(known(reading(after(0), [1, 2, 3, 4])), after(0))).toEqual([1, 2, 3, 4]);
    expect(answer(known(reading(between(1, 99), [1, 2, 3, 4, 5])), between(1, 99))).toEqual([1, 2, 3, 4, 5]);
  });

  test('is refused where an unknown row may stand on the near side of its edge, however many rows are known', () => {
    const newest = known(reading(before(10), [7, 8, 9]), reading(between(6, 7), [6]));
    expect(answer(newest, before(9))).toBe('lacks ids 0 to 9'); // 6 7 8, but 5 may be back-dated after 6
    const oldest = known(reading(after(0), [1, 2, 3, 4]), reading(between(5, 6), [5]));
    expect(answer(oldest, after(1))).toBe('lacks ids 2 to Infinity');
  });

  test('is proved for other cursors too as long as the bound stays beyond the edge', () => {
    const timeline = known(reading(before(10), [7, 8, 9]), reading(between(10, 13), [10, 11]));
    expect(answer(timeline, before(11))).toEqual([8, 9, 10]);
    expect(answer(timeline, before(12))).toEqual([9, 10, 11]);
    expect(answer(timeline, before(9))).toBe('lacks ids 0 to 9'); // 7 8 and one that is older
  });

  test('of the newest rows says nothing about the oldest, and the other way round', () => {
    const newest = known(reading(before(10), [7, 8, 9]));
    expect(answer(newest, between(7, 10))).toBe('lacks ids 7 to 10');
    const oldest = known(reading(between(1, 99), [1, 2, 3, 4, 5]));
    expect(answer(oldest, before(6))).toMatch(/^lacks ids/);
  });

  test('needs every id of the range spoken for, also where no row is known', () => {
    const timeline = known(reading(between(0, 3), [1, 2]), reading(between(5, 8), [5, 6, 7]));
    expect(answer(timeline, before(8))).toBe('lacks ids 3 to 5');
    expect(answer(timeline, between(1, 8))).toBe('lacks ids 3 to 5');
    expect(answer(timeline, between(1, 9))).toBe('lacks ids 3 to 9'); // one span over both gaps
  });
});

describe('a page shorter than its limit', () => {
  test('is proved where every row of its ids is known', () => {
    const timeline = known(reading(before(3), [1, 2]));
    expect(answer(timeline, before(3))).toEqual([1, 2]);
    expect(answer(timeline, before(2))).toEqual([1]);
    expect(answer(timeline, between(2, 3))).toEqual([2]);
  });

  test('is refused where any statement about its ids has a bound', () => {
    const timeline = known(reading(before(3), [1, 2]), reading(between(3, 99), [3, 4, 5, 6, 7]));
    expect(answer(timeline, before(4))).toBe('lacks ids 3 to 4');
    expect(answer(timeline, between(2, 5))).toBe('lacks ids 3 to 5');
  });

  test('may be empty', () => {
    const timeline = known(reading(latest, []));
    expect(answer(timeline, latest)).toEqual([]);
    expect(answer(timeline, before(7))).toEqual([]);
    expect(answer(timeline, after(7))).toEqual([]);
  });
});

describe('the internal filter', () => {
  const page = [row(1), note(2), row(3), note(4)];

  test('a reading with the filter on speaks only for queries with the filter on', () => {
    const timeline = known(reading(filtered(between(0, 5)), [1, 3]));
    expect(answer(timeline, filtered(before(5)))).toEqual([1, 3]);
    expect(answer(timeline, before(5))).toBe('lacks ids 0 to 5');
  });

  test('a reading without the filter speaks for both', () => {
    const timeline = known(reading(between(0, 5), page));
    expect(answer(timeline, between(0, 5))).toEqual([1, 2, 3, 4]);
    expect(answer(timeline, filtered(between(0, 5)))).toEqual([1, 3]);
  });

  test('internal rows leave before the page is cut', () => {
    const timeline = known(reading(between(0, 5), page), reading(between(5, 8), [row(5), note(6)]));
    expect(answer(timeline, before(8))).toEqual([4, 5, 6]);
    expect(answer(timeline, filtered(before(8)))).toEqual([1, 3, 5]);
  });

  test('a full page without the filter may be short with it, and is then refused', () => {
    const timeline = known(reading(before(10), [row(7), note(8), row(9)]));
    expect(answer(timeline, before(10))).toEqual([7, 8, 9]);
    expect(answer(timeline, filtered(before(10)))).toBe('lacks ids 0 to 10');
  });
});

describe('several readings together', () => {
  const newer = reading(before(10), [7, 8, 9]);
  const older = reading(after(5), [6, 7, 8, 9]);

  test('what neither a page of the newest nor one of the oldest leaves unknown is known', () => {
    expect(answer(known(newer), between(6, 10))).toMatch(/^lacks/);
    expect(answer(known(older), between(6, 10))).toMatch(/^lacks/);
    expect(answer(known(newer, older), between(6, 10))).toEqual([6, 7, 8, 9]);
    expect(answer(known(older, newer), between(6, 10))).toEqual([6, 7, 8, 9]);
  });

  test('pages from both ends that do not meet prove themselves and leave the middle open', () => {
    const timeline = known(reading(between(0, 99), [1, 2, 3, 4, 5]), reading(before(99), [7, 8, 9]));
    expect(answer(timeline, between(0, 99))).toEqual([1, 2, 3, 4, 5]);
    expect(answer(timeline, before(99))).toEqual([7, 8, 9]);
    expect(answer(timeline, between(5, 99))).toBe('lacks ids 5 to 99');
    expect(answer(timeline, before(9))).toBe('lacks ids 0 to 9');
  });

  test('a sealed range answers any boundary inside it', () => {
    const timeline = known(reading(between(0, 5), [1, 2, 3, 4]));
    for (const id of span(0, 6)) {
      expect(answer(timeline, before(Math.min(id, 5)))).toEqual(
        span(Math.max(1, id - 3), id)
          .filter((each) => each < 5)
          .slice(-3),
      );
      expect(answer(timeline, between(id, 5))).toEqual(span(Math.max(1, id), 5));
    }
  });

  test('above what is unknown, a sealed range bounded from below answers any boundary inside it', () => {
    const timeline = known(reading(between(7, 11), [7, 8, 9, 10]), reading(before(7), [4, 5, 6]));
    for (const id of span(7, 12)) expect(answer(timeline, before(id))).toEqual(span(id - 3, id));
  });

  test('a sealed range alone proves ranges, not pages that reach below it', () => {
    const timeline = known(reading(between(7, 11), [7, 8, 9, 10]));
    expect(answer(timeline, between(8, 10))).toEqual([8, 9]);
    expect(answer(timeline, before(11))).toBe('lacks ids 0 to 7');
  });
});

describe('back-dated rows', () => {
  // 6 was written last and is dated before all others, so the newest page does not show it.
  const newest = reading(latest, [3, 4, 5]);

  test('one with the highest id may be missing from the newest page, which so says nothing about `after`', () => {
    const timeline = known(newest);
    expect(answer(timeline, latest)).toEqual([3, 4, 5]);
    expect(answer(timeline, after(5))).toBe('lacks ids 6 to Infinity');
  });

  test('one that became known stands where upstream orders it', () => {
    const timeline = known(newest, reading(after(5), [row(6, 0)]));
    expect(answer(timeline, after(5))).toEqual([6]);
    expect(answer(timeline, latest)).toEqual([3, 4, 5]);
    const sealed = known(reading(between(0, 7), [row(6, 0), 2, 4, 5]));
    expect(answer(sealed, before(7))).toEqual([2, 4, 5]);
    expect(answer(sealed, between(4, 7))).toEqual([6, 4, 5]);
    expect(answer(sealed, before(5))).toEqual([2, 4]);
  });

  test('the smallest id of a page bounds nothing: what is older than its oldest row may have any id', () => {
    const timeline = known(reading(before(10), [row(7, 1), row(2, 2), row(9, 3)]));
    expect(answer(timeline, before(10))).toEqual([7, 2, 9]);
    expect(answer(timeline, between(2, 10))).toBe('lacks ids 2 to 10');
    expect(answer(timeline, before(9))).toBe('lacks ids 0 to 9');
  });
});

describe('`before` an id beyond the newest row', () => {
  test('is the newest page under another name', () => {
    const timeline = known(reading(latest, [3, 4, 5]));
    expect(answer(timeline, before(6))).toEqual([3, 4, 5]);
    expect(answer(timeline, before(999_999_999))).toEqual([3, 4, 5]);
    expect(answer(timeline, before(5))).toMatch(/^lacks/);
  });

  test('has to be as new as the newest page, unlike the page before the newest row', () => {
    const timeline = known(reading(latest, [1, 2]));
    expect(answer(timeline, before(3), { later: 10 * SECONDS })).toEqual([1, 2]);
    expect(answer(timeline, before(3), { later: 10 * SECONDS + 1 })).toBe('lacks meta');
    expect(answer(timeline, before(2), { later: 10 * SECONDS + 1 })).toEqual([1]);
    const left = withRowsAt(-15 * MINUTES - 1, timeline);
    expect(answer(left, before(3))).toBe('lacks rows');
    expect(answer(left, before(2))).toEqual([1]);
  });
});

test('an empty range is an empty page, whatever is known', () => {
  const timeline = known(reading(between(50, 60), [50, 51]));
  for (const query of [between(7, 7), between(9, 3), before(0), between(55, 51)]) expect(answer(timeline, query)).toEqual([]);
  expect(answer(EMPTY_TIMELINE, between(7, 7))).toBe('lacks meta');
});

describe('rows of one second', () => {
  const [one, two, three] = [row(1, 10), row(2, 10), row(3, 10)];
  const apart = known(reading(between(0, 2), [one]), reading(between(2, 3), [two]));

  test('are not put in an order that no reading showed', () => {
    expect(answer(apart, between(0, 3))).toBe('lacks rows');
    expect(answer(apart, before(3))).toBe('lacks rows');
    expect(answer(apart, before(2))).toEqual([1]);
  });

  test('are answered in the order that one reading showed, whatever their ids', () => {
    const timeline = known(reading(between(0, 2), [one]), reading(between(2, 3), [two]), reading(between(0, 3), [two, one]));
    expect(answer(timeline, between(0, 3))).toEqual([2, 1]);
    expect(answer(timeline, before(3))).toEqual([2, 1]);
  });

  test('are not cut where the order of that second has not been seen throughout, and are once it has', () => {
    const parts = [
      reading(between(0, 3), [one, two]),
      reading(between(3, 4), [three]),
      reading(
        between(4, 6),
        [4, 5].map((id) => row(id, 11)),
      ),
    ];
    expect(answer(known(...parts), before(6))).toBe('lacks rows'); // one of 1 2 3, then 4 5
    expect(answer(known(...parts), before(5))).toBe('lacks rows');
    const whole = known(...parts, reading(before(4), [one, three, two]));
    expect(answer(whole, before(6))).toEqual([2, 4, 5]);
    expect(answer(whole, before(5))).toEqual([3, 2, 4]);
  });

  test('do not matter where they lie beyond the edge', () => {
    const timeline = known(
      reading(between(0, 2), [one]),
      reading(between(2, 3), [two]),
      reading(
        between(3, 6),
        [11, 12, 13].map((second, at) => row(3 + at, second)),
      ),
    );
    expect(answer(timeline, before(6))).toEqual([3, 4, 5]);
    expect(answer(timeline, before(5))).toBe('lacks rows');
  });

  test('prove a page up to an edge of the second of the bound only where a reading showed which comes first', () => {
    const page = reading(before(10), [row(5, 10), row(6, 11), row(7, 12)]);
    const deleted = known(page, reading(between(5, 6), [], 1), reading(between(4, 5), [row(4, 10)], 2));
    expect(answer(deleted, before(10), { later: 2 })).toBe('lacks ids 0 to 10'); // 4 6 7: is 4 older than the bound, 5?
    const ordered = known(reading(between(4, 6), [row(5, 10), row(4, 10)]), page);
    expect(answer(ordered, before(10))).toEqual([4, 6, 7]);
  });
});

describe('as of now', () => {
  test('the newest page has to be read at that moment or later', () => {
    const timeline = known(reading(latest, [3, 4, 5]));
    expect(answer(timeline, latest, { later: 10, asOf: NOW })).toEqual([3, 4, 5]);
    expect(answer(timeline, latest, { later: 10, asOf: NOW + 1 })).toMatch(/^lacks/);
  });

  test('the tail has to be known as of that moment', () => {
    const timeline = known(reading(after(3), [4, 5]), reading(between(0, 1), [], 5));
    expect(answer(timeline, after(3), { later: 10, asOf: NOW })).toEqual([4, 5]);
    expect(answer(timeline, after(3), { later: 10, asOf: NOW + 1 })).toBe('lacks ids 1000 to Infinity');
  });

  test('the rows of the newest page have to be read, not only known to be the newest', () => {
    const timeline = known(reading(latest, [4, 5]), reading(after(5), [], 5));
    expect(answer(timeline, latest, { later: 10, asOf: NOW })).toEqual([4, 5]);
    expect(answer(timeline, latest, { later: 10, asOf: NOW + 1 })).toBe('lacks rows');
  });

  test('`meta` has to be read at that moment or later, too', () => {
    const timeline = known(reading(between(0, 1), [], 3), reading(latest, [4, 5], 5));
    const lacksMeta = { ...timeline, envelope: { ...timeline.envelope!, askedAt: NOW + 3 } };
    expect(answer(timeline, latest, { later: 10, asOf: NOW + 5 })).toEqual([4, 5]);
    expect(answer(lacksMeta, latest, { later: 10, asOf: NOW + 5 })).toBe('lacks meta');
  });

  test('a page that lies wholly in settled history stays, `meta` included', () => {
    expect(answer(known(reading(between(0, 3), [1, 2])), before(2), { later: 10, asOf: NOW + 10 })).toEqual([1]);
  });
});

describe('what is newest', () => {
  test('has to be young as of when the caller came, however long its page took to be read', () => {
    const timeline = known(reading(latest, [3, 4, 5]), reading(after(3), [4, 5]));
    const demand = { later: 20 * SECONDS, freshness: { ...FRESHNESS, metaMaxAgeMs: 60 * SECONDS } };
    for (const query of [latest, after(3)]) {
      expect(answer(timeline, query, { ...demand, cameAt: NOW + 1 * SECONDS })).toBeInstanceOf(Array);
      expect(answer(timeline, query, { ...demand, cameAt: NOW + 1 * SECONDS + 1 })).toMatch(/^lacks/);
    }
  });

  test('is read anew for each caller where it may have no age', () => {
    const timeline = known(reading(latest, [3, 4, 5]));
    const freshness = { ...FRESHNESS, tailMaxAgeMs: 0 };
    expect(answer(timeline, latest, { later: 500, freshness, cameAt: NOW })).toEqual([3, 4, 5]);
    expect(answer(timeline, latest, { later: 500, freshness, cameAt: NOW + 1 })).toMatch(/^lacks/);
  });
});

describe('a full page of the oldest rows, above which ids are open', () => {
  const freshness = { ...FRESHNESS, tailMaxAgeMs: 0 };
  const endingAt = (second: number) => known(reading(after(2), [3, 4, 5, row(6, second)]));
  const settledS = 86_400 - 122; // SETTLE, and two seconds for clocks and cut-off microseconds

  test('lives as long as `meta` where whatever is written on time comes after it, for who wants it as of now, too', () => {
    const timeline = endingAt(settledS);
    for (const asOf of [{}, { asOf: NOW + 10 * SECONDS }]) {
      expect(answer(timeline, after(2), { later: 10 * SECONDS, freshness, ...asOf })).toEqual([3, 4, 5, 6]);
      expect(answer(timeline, after(2), { later: 10 * SECONDS + 1, freshness, ...asOf })).toBe('lacks ids 1000 to Infinity');
    }
    const between5 = known(reading(between(2, 5000), [2, 3, 4, 5, row(6, settledS)]));
    expect(answer(between5, between(2, 5000), { later: 10 * SECONDS, freshness })).toEqual([2, 3, 4, 5, 6]);
  });

  test('is like the tail where its last row is younger, and where it is not full', () => {
    for (const [timeline, query] of [
      [endingAt(settledS + 1), after(2)],
      [known(reading(after(2), [3, 4, 5])), after(2)],
    ] as const) {
      expect(answer(timeline, query, { later: 1, freshness, cameAt: NOW })).toBeInstanceOf(Array);
      expect(answer(timeline, query, { later: 1, freshness })).toBe('lacks ids 1000 to Infinity');
      expect(answer(timeline, query, { later: 1, asOf: NOW + 1 })).toBe('lacks ids 1000 to Infinity');
    }
  });

  test('is the same whatever age the tail may have, unlike what has to do with the tail', () => {
    const uses = (timeline: Timeline, query: Query): boolean => {
      const found = prove(timeline, query, { now: NOW, freshness });
      return found.proved && found.usesTail;
    };
    expect(uses(endingAt(settledS), after(2))).toBe(false);
    expect(uses(known(reading(between(0, 3), [1, 2])), before(2))).toBe(false);
    expect(uses(endingAt(settledS + 1), after(2))).toBe(true);
    expect(uses(known(reading(latest, [3, 4, 5])), latest)).toBe(true);
    expect(uses(known(reading(before(2000), [4, 5])), before(2000))).toBe(true);
  });
});

test('ids that are not settled, below a known row, are believed for a second at least, but not by who wants it as of now', () => {
  const freshness = { ...FRESHNESS, tailMaxAgeMs: 0 };
  const timeline = known(reading(latest, [row(1001, 86_390), row(1005, 86_395)]));
  for (const query of [before(1005), between(1001, 1005)]) {
    expect(answer(timeline, query, { later: 1 * SECONDS, freshness })).toContain(1001);
    expect(answer(timeline, query, { later: 1 * SECONDS + 1, freshness })).toMatch(/^lacks ids \d+ to 1005$/);
    expect(answer(timeline, query, { later: 1, freshness, asOf: NOW + 1 })).toMatch(/^lacks ids \d+ to 1005$/);
    expect(answer(timeline, query, { later: 2 * SECONDS, freshness: { ...freshness, tailMaxAgeMs: 2000 } })).toContain(1001);
  }
  for (const query of [before(1006), between(1001, 1007), after(1001)])
    expect(answer(timeline, query, { later: 1, freshness })).toMatch(/^lacks/);
});

test('what was read for a caller a moment ago is not due to be read again behind the answer', () => {
  const freshness = { ...FRESHNESS, tailMaxAgeMs: 0 };
  const found = prove(known(reading(latest, [3, row(1001), row(1002)])), latest, { now: NOW + 60, cameAt: NOW, freshness });
  expect(found).toMatchObject({ proved: true, refresh: { history: false, meta: false } });
});

describe('standings', () => {
  test('ids above the frontier are believed for TAIL_MAX_AGE', () => {
    const timeline = knownBelow(0, reading(between(80_000, 99_000), [row(86_400)])); // written just now
    expect(answer(timeline, between(80_000, 99_000), { later: 1 * SECONDS })).toEqual([86_400]);
    expect(answer(timeline, between(80_000, 99_000), { later: 1 * SECONDS + 1 })).toBe('lacks ids 80000 to 99000');
  });

  test('ids that only look settled are believed for SETTLE', () => {
    const timeline = withMetaAt(2 * MINUTES, knownBelow(0, reading(between(0, 3), [1, 2])));
    expect(answer(timeline, before(2), { later: 2 * MINUTES })).toEqual([1]);
    expect(answer(timeline, before(2), { later: 2 * MINUTES + 1 })).toBe('lacks ids 0 to 2');
  });

  test('ids that are vouched for are believed for twice HISTORY_MAX_AGE', () => {
    const timeline = withMetaAt(30 * MINUTES, known(reading(between(0, 3), [1, 2])));
    expect(answer(timeline, before(2), { later: 30 * MINUTES })).toEqual([1]);
    expect(answer(timeline, before(2), { later: 30 * MINUTES + 1 })).toBe('lacks ids 0 to 2');
  });
});

/** The timeline with one part re-read, or left behind, at another moment (ms after NOW). */
function withMetaAt(later: number, timeline: Timeline): Timeline {
  return { ...timeline, envelope: { ...timeline.envelope!, askedAt: NOW + later } };
}

function withRowsAt(later: number, timeline: Timeline): Timeline {
  return { ...timeline, rows: timeline.rows.map((each) => ({ ...each, readAt: NOW + later })) };
}

function withStatementsAt(later: number, timeline: Timeline): Timeline {
  return { ...timeline, statements: timeline.statements.map((each) => ({ ...each, askedAt: NOW + later })) };
}

describe('age', () => {
  const history = known(reading(between(0, 3), [1, 2]));
  const newest = known(reading(latest, [1, 2]));

  test('is that of the oldest of the readings that the answer rests on', () => {
    const timeline = known(reading(between(0, 2), [1]), reading(between(2, 4), [2, 3], 500), reading(between(4, 5), [4], 900));
    expect(proofOf(timeline, between(2, 5), 1000).asOf).toBe(NOW + 500);
    expect(proofOf(timeline, between(1, 5), 1000).asOf).toBe(NOW);
    expect(proofOf(timeline, between(4, 5), 1000).asOf).toBe(NOW + 900);
  });

  test.each([
    ['rows', withRowsAt],
    ['statements', withStatementsAt],
    ['meta', withMetaAt],
  ])('counts %s where they are the oldest part', (_part, leftBehind) => {
    expect(proofOf(leftBehind(-7 * SECONDS, history), before(2)).asOf).toBe(NOW - 7 * SECONDS);
  });

  test('ends freshness with the first part to go stale', () => {
    expect(proofOf(history, before(2)).freshUntil).toBe(NOW + 10 * SECONDS); // meta
    expect(proofOf(newest, latest).freshUntil).toBe(NOW + 1 * SECONDS); // tail
    expect(proofOf(withRowsAt(-14 * MINUTES - 55 * SECONDS, history), before(2)).freshUntil).toBe(NOW + 5 * SECONDS);
    expect(proofOf(withStatementsAt(-14 * MINUTES - 55 * SECONDS, history), before(2)).freshUntil).toBe(NOW + 5 * SECONDS);
    expect(proofOf(withRowsAt(-20 * MINUTES, history), before(2)).freshUntil).toBe(NOW - 5 * MINUTES);
  });

  test.each([
    ['rows', withRowsAt],
    ['statements', withStatementsAt],
  ])('of history %s past HISTORY_MAX_AGE is read again behind the answer, past twice that before it', (_part, leftBehind) => {
    const refresh = (later: number): boolean => proofOf(leftBehind(-later, history), before(2)).refresh.history;
    expect(refresh(15 * MINUTES)).toBe(false);
    expect(refresh(15 * MINUTES + 1)).toBe(true);
    expect(refresh(30 * MINUTES)).toBe(true);
    expect(answer(leftBehind(-30 * MINUTES - 1, history), before(2))).toMatch(/^lacks (rows|ids)/);
  });

  test('of `meta` beside history past META_MAX_AGE is read again behind the answer, past six times that before it', () => {
    const refresh = (later: number): boolean => proofOf(withMetaAt(-later, history), before(2)).refresh.meta;
    expect(refresh(10 * SECONDS)).toBe(false);
    expect(refresh(10 * SECONDS + 1)).toBe(true);
    expect(refresh(60 * SECONDS)).toBe(true);
    expect(answer(withMetaAt(-60 * SECONDS - 1, history), before(2))).toBe('lacks meta');
  });

  test('of `meta` beside the newest page past META_MAX_AGE is read again before the answer', () => {
    expect(answer(withMetaAt(-10 * SECONDS, newest), latest)).toEqual([1, 2]);
    expect(proofOf(withMetaAt(-10 * SECONDS, newest), latest).refresh.meta).toBe(false);
    expect(answer(withMetaAt(-10 * SECONDS - 1, newest), latest)).toBe('lacks meta');
  });

  test('of the tail past TAIL_MAX_AGE is read again before the answer', () => {
    expect(answer(newest, latest, { later: 1 * SECONDS })).toEqual([1, 2]);
    expect(answer(newest, latest, { later: 1 * SECONDS + 1 })).toBe('lacks ids 1000 to Infinity');
  });

  test('of settled rows on the newest page is read again before the answer, the sooner the younger they are', () => {
    expect(answer(withRowsAt(-15 * MINUTES, newest), latest)).toEqual([1, 2]);
    expect(answer(withRowsAt(-15 * MINUTES - 1, newest), latest)).toBe('lacks rows');
    const young = known(reading(latest, [row(1), row(2, 86_400 - 300)]));
    expect(answer(withRowsAt(-60 * SECONDS, young), latest)).toEqual([1, 2]);
    expect(answer(withRowsAt(-60 * SECONDS - 1, young), latest)).toBe('lacks rows');
  });

  test('of a row on the newest page that is not settled past TAIL_MAX_AGE is read again before the answer', () => {
    const open = knownBelow(2, reading(latest, [1, 2]));
    expect(answer(withRowsAt(-1 * SECONDS, open), latest)).toEqual([1, 2]);
    expect(answer(withRowsAt(-1 * SECONDS - 1, open), latest)).toBe('lacks rows');
  });
});

describe('stale, while upstream fails', () => {
  const limits = [
    ['the newest page', latest, 1 * SECONDS],
    ['history, whose `meta` gives out first,', before(2), 60 * SECONDS],
  ] as const;

  test.each(limits)('%s is answered up to STALE_IF_ERROR past its life, and no longer', (_name, query, lifeMs) => {
    const timeline = known(reading(latest, [1, 2]));
    expect(answer(timeline, query, { later: lifeMs + 1 })).toMatch(/^lacks/);
    expect(answer(timeline, query, { later: lifeMs + 1, stale: true })).toEqual(query === latest ? [1, 2] : [1]);
    expect(answer(timeline, query, { later: lifeMs + 1 * HOURS, stale: true })).toEqual(query === latest ? [1, 2] : [1]);
    expect(answer(timeline, query, { later: lifeMs + 1 * HOURS + 1, stale: true })).toMatch(/^lacks/);
  });

  test('an answer says how old it is, and that all of it is due', () => {
    const proof = proofOf(known(reading(latest, [1, 2])), before(2), 30 * MINUTES, true);
    expect(proof).toMatchObject({ asOf: NOW, freshUntil: NOW + 10 * SECONDS, refresh: { history: true, meta: true } });
  });

  test('what is unknown stays unknown', () => {
    const timeline = known(reading(before(10), [7, 8, 9]));
    expect(answer(timeline, before(9), { stale: true })).toBe('lacks ids 0 to 9');
  });
});
