import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildIdIndex, nextInRange, previousInRange } from '../../src/timeline/id-index.ts';
import type { IdRange } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { note, row } from './rows.ts';

/** Rows whose ids mostly ascend, with inversions as far as `reach` positions apart. */
function someRows(length: number, reach: number, seed: number): Row[] {
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const ids = Array.from({ length }, (_, at) => at * 3);
  for (let swaps = length / 20; swaps > 0; swaps--) {
    const a = random(length);
    const b = Math.min(length - 1, a + random(reach));
    [ids[a], ids[b]] = [ids[b]!, ids[a]!];
  }
  const internalShare = random(4);
  return ids.map((id, second) => (random(4) < internalShare ? note(id, second) : row(id, second)));
}

function matches(each: Row, range: IdRange, publicOnly: boolean): boolean {
  return each.id >= range.lo && each.id < range.hi && !(publicOnly && each.internal);
}

const world = fc
  .record({
    // Around the edges of one, two and three levels of 32, and anything between.
    length: fc.oneof(fc.constantFrom(0, 1, 31, 32, 33, 1023, 1024, 1025, 1056, 1057), fc.nat({ max: 5_000 })),
    reach: fc.constantFrom(1, 10, 200, 5_000),
    seed: fc.nat(),
  })
  .map(({ length, reach, seed }) => someRows(length, reach, seed));
const bound = fc.nat({ max: 10_000 });
const range: fc.Arbitrary<IdRange> = fc.oneof(
  fc.tuple(bound, bound).map(([lo, hi]) => ({ lo, hi })),
  fc.tuple(bound, fc.nat({ max: 40 })).map(([lo, width]) => ({ lo, hi: lo + width })),
  bound.map((hi) => ({ lo: 0, hi })),
  bound.map((lo) => ({ lo, hi: Infinity })),
);

describe.each([
  ['all rows', false],
  ['the rows that pass the filter', true],
])('over %s', (_name, publicOnly) => {
  test('the next and the previous row of a range are those that a scan finds, from any position', () => {
    fc.assert(
      fc.property(world, fc.array(fc.tuple(range, fc.nat({ max: 5_100 })), { minLength: 20, maxLength: 20 }), (rows, probes) => {
        const index = buildIdIndex(rows, publicOnly);
        for (const [ids, from] of probes) {
          const next = rows.findIndex((each, at) => at >= from && matches(each, ids, publicOnly));
          expect(nextInRange(index, from, ids)).toBe(next);
          const last = Math.min(from, rows.length - 1);
          const previous = rows.slice(0, last + 1).findLastIndex((each) => matches(each, ids, publicOnly));
          expect(previousInRange(index, last, ids)).toBe(previous);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('stepping finds every row of a range once, both ways', () => {
    fc.assert(
      fc.property(world, range, (rows, ids) => {
        const index = buildIdIndex(rows, publicOnly);
        const expected = [...rows.keys()].filter((at) => matches(rows[at]!, ids, publicOnly));
        const forward: number[] = [];
        for (let at = nextInRange(index, 0, ids); at >= 0; at = nextInRange(index, at + 1, ids)) forward.push(at);
        expect(forward).toEqual(expected);
        const backward: number[] = [];
        for (let at = previousInRange(index, rows.length - 1, ids); at >= 0; at = previousInRange(index, at - 1, ids))
          backward.push(at);
        expect(backward.toReversed()).toEqual(expected);
      }),
    );
  });
});

test('the highest id is that of all rows, whatever the filter, and -1 without rows', () => {
  expect(buildIdIndex([], false).highest).toBe(-1);
  expect(buildIdIndex([row(3), note(9), row(4)], false).highest).toBe(9);
  expect(buildIdIndex([row(3), note(9), row(4)], true).highest).toBe(9);
});

test('a row among 100,000 is found by looking at a few hundred', () => {
  let looks = 0;
  class CountedRow {
    readonly #id: number;
    readonly createdAt = 0;
    readonly internal = false;
    readonly raw = '';
    constructor(id: number) {
      this.#id = id;
    }
    get id(): number {
      looks++;
      return this.#id;
    }
  }
  const index = buildIdIndex(
    Array.from({ length: 100_000 }, (_, id) => new CountedRow(id)),
    false,
  );
  for (const id of [0, 31_337, 50_000, 99_999]) {
    looks = 0;
    expect(nextInRange(index, 0, { lo: id, hi: id + 1 })).toBe(id);
    expect(previousInRange(index, 99_999, { lo: id, hi: id + 1 })).toBe(id);
    expect(looks).toBeLessThan(300);
  }
});
