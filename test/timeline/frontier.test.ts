import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SeenIds } from '../../src/timeline/frontier.ts';
import { apparentFrontier, sawId, vouchedFrontier } from '../../src/timeline/frontier.ts';
import type { Row } from '../../src/timeline/reading.ts';
import type { Place } from '../../src/timeline/statement.ts';
import { DAY_BEFORE, HOURS, MINUTES, NOW, row, SECONDS } from './rows.ts';

const SETTLE = 2 * MINUTES;
const MARKS_MAX = 34;

interface Sight {
  readonly id: number;
  /** ms since the sight before; below 0 where answers arrive out of order or a clock steps back. */
  readonly waitMs: number;
}

/** Feeds the sights one after the other and calls `each` after every one. */
function feed(sights: readonly Sight[], each: (seen: SeenIds, at: number, id: number) => void, settleMs = SETTLE): void {
  let seen: SeenIds = [];
  let at = NOW;
  for (const { id, waitMs } of sights) {
    at += waitMs;
    seen = sawId(seen, id, at, settleMs);
    each(seen, at, id);
  }
}

const sights = (waitMs: fc.Arbitrary<number>): fc.Arbitrary<Sight[]> =>
  fc.array(fc.record({ id: fc.nat({ max: 100_000 }), waitMs }), { maxLength: 300 });
const anyWait = fc.oneof(
  fc.integer({ min: -1 * HOURS, max: 1 * HOURS }),
  fc.integer({ min: -5, max: 20 * SECONDS }),
  fc.constant(0),
);

describe('the vouched frontier', () => {
  test('is one above the highest id that was seen SETTLE ago, and 0 before that', () => {
    const seen = sawId(sawId([], 70, NOW, SETTLE), 90, NOW + MINUTES, SETTLE);
    expect(vouchedFrontier([], NOW, SETTLE)).toBe(0);
    expect(vouchedFrontier(seen, NOW + SETTLE - 1, SETTLE)).toBe(0);
    expect(vouchedFrontier(seen, NOW + SETTLE, SETTLE)).toBe(71);
    expect(vouchedFrontier(seen, NOW + MINUTES + SETTLE - 1, SETTLE)).toBe(71);
    expect(vouchedFrontier(seen, NOW + MINUTES + SETTLE, SETTLE)).toBe(91);
  });

  test('is not lowered by an id that is seen again or is lower than one seen before', () => {
    let seen = sawId([], 90, NOW, SETTLE);
    seen = sawId(seen, 90, NOW + 1 * MINUTES, SETTLE);
    seen = sawId(seen, 20, NOW + 1 * MINUTES, SETTLE);
    expect(vouchedFrontier(seen, NOW + SETTLE, SETTLE)).toBe(91);
  });

  test('counts from the later sight where two fall into one mark', () => {
    const seen = sawId(sawId([], 70, NOW, SETTLE), 90, NOW + 1 * SECONDS, SETTLE);
    expect(vouchedFrontier(seen, NOW + 1 * SECONDS + SETTLE - 1, SETTLE)).toBeLessThanOrEqual(71);
    expect(vouchedFrontier(seen, NOW + 1 * SECONDS + SETTLE, SETTLE)).toBe(91);
  });

  test('is kept where nothing was seen for long', () => {
    const seen = sawId(sawId(sawId([], 70, NOW, SETTLE), 80, NOW + 8 * HOURS, SETTLE), 90, NOW + 9 * HOURS, SETTLE);
    expect(vouchedFrontier(seen, NOW + 9 * HOURS, SETTLE)).toBe(81);
  });

  test('vouches for no id that was first seen less than SETTLE before, whatever was fed in whatever order', () => {
    fc.assert(
      fc.property(sights(anyWait), fc.nat({ max: 4 * MINUTES }), (fed, later) => {
        const first: Sight[] = [];
        feed(fed, (seen, at, id) => {
          first.push({ id, waitMs: at });
          const moment = at + later;
          const settled = first.filter(({ waitMs }) => waitMs <= moment - SETTLE).map((each) => each.id + 1);
          expect(vouchedFrontier(seen, moment, SETTLE)).toBeLessThanOrEqual(Math.max(0, ...settled));
        });
      }),
    );
  });

  test('lags behind what was seen SETTLE ago by no more than a sixteenth of SETTLE', () => {
    fc.assert(
      fc.property(sights(fc.nat({ max: 40 * SECONDS })), (fed) => {
        const first: { id: number; at: number }[] = [];
        feed(fed, (seen, at, id) => {
          first.push({ id, at });
          const settled = first.filter((each) => each.at <= at - SETTLE - SETTLE / 16).map((each) => each.id + 1);
          expect(vouchedFrontier(seen, at, SETTLE)).toBeGreaterThanOrEqual(Math.max(0, ...settled));
        });
      }),
    );
  });

  test('never goes back while time goes on', () => {
    fc.assert(
      fc.property(sights(fc.nat({ max: 40 * SECONDS })), (fed) => {
        let last = 0;
        feed(fed, (seen, at) => {
          const frontier = vouchedFrontier(seen, at, SETTLE);
          expect(frontier).toBeGreaterThanOrEqual(last);
          last = frontier;
        });
      }),
    );
  });
});

describe('the marks', () => {
  test('ascend in id and time, and are no more than 34, whatever is fed', () => {
    fc.assert(
      fc.property(sights(anyWait), fc.constantFrom(0, 1, 7, 1000, SETTLE), (fed, settleMs) => {
        const check = (seen: SeenIds): void => {
          expect(seen.length).toBeLessThanOrEqual(MARKS_MAX);
          const ascending = seen.every(
            (mark, at) => at === 0 || (seen[at - 1]!.id < mark.id && seen[at - 1]!.seenAt < mark.seenAt),
          );
          expect(ascending).toBe(true);
        };
        feed(fed, check, settleMs);
      }),
    );
  });

  test('fill up to that bound under a steady stream of new ids, and stay there', () => {
    const stream = Array.from({ length: 5_000 }, (_, id) => ({ id, waitMs: 100 }));
    let most = 0;
    feed(stream, (seen) => (most = Math.max(most, seen.length)));
    expect(most).toBeGreaterThan(30);
    expect(most).toBeLessThanOrEqual(MARKS_MAX);
  });
});

describe('the apparent frontier', () => {
  /** The moment at which a row of that second is SETTLE old. */
  const at = (second: number): number => (DAY_BEFORE + second) * 1000 + SETTLE;

  const apparent = (rows: readonly Row[], now: number, witnesses = 1, gone: readonly Place[] = []): number =>
    apparentFrontier({ rows, gone, late: new Set() }, now, SETTLE, witnesses);

  test('is one above the highest id that is SETTLE old by its created_at, with 2 s of slack for what created_at leaves out', () => {
    const rows = [row(5, 10), row(8, 20), row(9, 30)];
    expect(apparent([], NOW)).toBe(0);
    expect(apparent(rows, at(12) - 1, 1)).toBe(0);
    expect(apparent(rows, at(12), 1)).toBe(6);
    expect(apparent(rows, at(22), 1)).toBe(9);
    expect(apparent(rows, at(99), 1)).toBe(10);
  });

  test('takes no evidence from a row that stands before one with a lower id: it is back-dated', () => {
    const backDated = [row(5, 10), row(99, 11), row(8, 20), row(9, 30)];
    expect(apparent(backDated, at(13), 1)).toBe(6);
    expect(apparent(backDated, at(22), 1)).toBe(9);
    expect(apparent(backDated, at(99), 1)).toBe(10);
    expect(apparent([row(99, 0), row(5, 50)], at(40), 1)).toBe(0);
  });

  test('takes no evidence from a row that stood before one with a lower id, which is gone, nor any from that', () => {
    const rows = [row(5, 10), row(99, 11), row(100, 30)];
    const gone = [row(6, 9), row(8, 12), row(9, 20)];
    expect(apparent(rows, at(13))).toBe(100);
    expect(apparent(rows, at(13), 1, gone)).toBe(6);
    expect(apparent(rows, at(99), 2, gone)).toBe(6);
    expect(apparent([], at(99), 1, gone)).toBe(0);
    expect(apparent(rows, at(13), 1, [row(8, 11)])).toBe(100); // Within a second, which came first does not matter.
  });

  test('takes no evidence from imported rows, however many', () => {
    const imported = Array.from({ length: 30 }, (_, n) => ({ ...row(100 + n, 20 + n), imported: true }));
    expect(apparent([row(5, 10), ...imported], at(99), 1)).toBe(6);
    expect(apparent([row(5, 10), ...imported], at(99), 2)).toBe(0);
  });

  test('may ask for several witnesses, none of them back-dated', () => {
    const rows = [row(5, 10), row(99, 11), row(8, 20), row(9, 30)];
    expect(apparent(rows, at(99), 2)).toBe(9);
    expect(apparent(rows, at(99), 3)).toBe(6);
    expect(apparent(rows, at(99), 4)).toBe(0);
    expect(apparent(rows, at(22), 2)).toBe(6);
  });

  test('is what a naive reading of the rule finds', () => {
    const someRows: fc.Arbitrary<Row[]> = fc
      .uniqueArray(fc.record({ id: fc.nat({ max: 60 }), second: fc.nat({ max: 200 }) }), {
        selector: ({ id }) => id,
        maxLength: 30,
      })
      .map((each) => each.map(({ id, second }) => row(id, second)).toSorted((a, b) => a.createdAt - b.createdAt));
    fc.assert(
      fc.property(someRows, someRows, fc.nat({ max: 220 }), fc.constantFrom(1, 2, 5), (rows, gone, second, witnesses) => {
        const evidence = rows
          .filter((each) => each.createdAt + 2 <= DAY_BEFORE + second)
          .filter((each) => !rows.slice(rows.indexOf(each)).some((later) => later.id < each.id))
          .filter((each) => !gone.some((other) => other.createdAt > each.createdAt && other.id <= each.id))
          .map(({ id }) => id + 1)
          .toSorted((a, b) => b - a);
        expect(apparent(rows, at(second), witnesses, gone)).toBe(evidence[witnesses - 1] ?? 0);
      }),
    );
  });

  test('never goes back while time goes on', () => {
    const ids = fc.uniqueArray(fc.nat({ max: 99 }), { minLength: 1 });
    fc.assert(
      fc.property(ids, fc.nat({ max: 99 }), fc.nat({ max: 99 }), fc.constantFrom(1, 3), (some, a, b, witnesses) => {
        const rows = some.map((id, position) => row(id, position));
        const [early, late] = [a, b].toSorted((x, y) => x - y).map((second) => apparent(rows, at(second), witnesses));
        expect(early!).toBeLessThanOrEqual(late!);
      }),
    );
  });
});
