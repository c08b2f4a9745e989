// What refutes that ids rise, and what does not.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { vouchedFrontier } from '../../src/timeline/frontier.ts';
import type { Row } from '../../src/timeline/reading.ts';
import type { Refutation, Sequence } from '../../src/timeline/sequence.ts';
import { NOTHING_SEEN, sawRows } from '../../src/timeline/sequence.ts';
import { HOURS, MINUTES, NOW, SECONDS } from './rows.ts';

const SETTLE = 2 * MINUTES;

/** A row created so many ms after NOW. */
function rowAt(id: number, createdAtMs: number): Row {
  return { id, createdAt: (NOW + createdAtMs) / 1000, internal: false, raw: '' };
}

type Sight = readonly [seenAtMs: number, ...rows: readonly Row[]];

/** Reads these one after the other. */
function saw(...sights: readonly Sight[]): { sequence: Sequence; refutations: (Refutation | null)[] } {
  let sequence = NOTHING_SEEN;
  const refutations = sights.map(([at, ...rows]) => {
    const seen = sawRows(sequence, rows, NOW + at, SETTLE);
    sequence = seen.sequence;
    return seen.refutation;
  });
  return { sequence, refutations };
}

describe('ids are refuted', () => {
  test('by a row created SETTLE or more after a mark above it was seen, and by no older one', () => {
    const mark: Sight = [0, rowAt(900, -5 * SECONDS)];
    const [, refutation] = saw(mark, [10 * MINUTES, rowAt(870, SETTLE)]).refutations;
    expect(refutation).toEqual({ row: { id: 870, createdAt: (NOW + SETTLE) / 1000 }, mark: { id: 900, seenAt: NOW } });
    expect(saw(mark, [10 * MINUTES, rowAt(870, SETTLE - SECONDS)]).refutations).toEqual([null, null]);
    expect(saw(mark, [10 * MINUTES, rowAt(901, 9 * MINUTES)]).refutations).toEqual([null, null]);
  });

  test('by the id of a mark that is handed out again', () => {
    expect(saw([0, rowAt(900, 0)], [10 * MINUTES, rowAt(900, 9 * MINUTES)]).refutations).toEqual([null, expect.anything()]);
  });

  test('by the earliest of the marks above: with many, no later than with one', () => {
    const marks = [900, 901, 902, 903].map((id, n): Sight => [n * 30 * SECONDS, rowAt(id, n * 30 * SECONDS)]);
    const { refutations } = saw(...marks, [5 * MINUTES, rowAt(899, SETTLE)]);
    expect(refutations.at(-1)).toMatchObject({ mark: { id: 900 } });
  });
});

describe('ids are not refuted', () => {
  test('by a late commit, a back-dated row or an import', () => {
    const late = rowAt(870, -1 * SECONDS);
    const backDated = rowAt(905, -24 * HOURS);
    expect(saw([0, rowAt(900, 0)], [SETTLE, late], [HOURS, backDated, late], [2 * HOURS, late]).refutations).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  test.each([1, 3, 9])('where Chatwoot is %i minutes ahead and rows are read in any order', (ahead) => {
    fc.assert(
      fc.property(fc.array(fc.record({ pick: fc.nat({ max: 99 }), waitMs: fc.nat({ max: 60_000 }) })), (steps) => {
        let [now, sequence] = [NOW, NOTHING_SEEN];
        const rows: Row[] = [];
        for (const { pick, waitMs } of steps) {
          now += waitMs;
          rows.push({ id: 100 + rows.length, createdAt: Math.floor((now + ahead * MINUTES) / 1000), internal: false, raw: '' });
          const seen = sawRows(sequence, [rows[pick % rows.length]!], now, SETTLE);
          expect(seen.refutation).toBeNull();
          ({ sequence } = seen);
        }
      }),
    );
  });

  test('by a row that says it comes from far in the future, which is not believed of the clock either', () => {
    const mark: Sight = [0, rowAt(900, 0)];
    const stray = rowAt(800, 24 * HOURS);
    expect(saw(mark, [HOURS, stray]).refutations).toEqual([null, null]);
    expect(saw(mark, [HOURS, stray], [HOURS, rowAt(870, 10 * MINUTES)]).refutations.at(-1)).not.toBeNull();
  });
});

describe('once refuted', () => {
  const stray = rowAt(9000, 0);
  const refuted: readonly Sight[] = [
    [0, rowAt(900, 0), stray],
    [10 * MINUTES, rowAt(901, 10 * MINUTES)],
  ];
  const frontierAt = (sequence: Sequence, at: number): number => vouchedFrontier(sequence.seen, NOW + at, SETTLE);

  test('no mark stands', () => {
    expect(frontierAt(saw(refuted[0]!).sequence, 9 * MINUTES)).toBe(9001);
    expect(frontierAt(saw(...refuted).sequence, 10 * MINUTES)).toBe(0);
  });

  test('only rows created since make marks, so what was stray vouches for nothing when it is read again', () => {
    const { sequence } = saw(...refuted, [11 * MINUTES, stray, rowAt(902, 11 * MINUTES)]);
    expect(frontierAt(sequence, 20 * MINUTES)).toBe(903);
  });

  test('trust takes twice as long each time it is lost', () => {
    const gaps: number[] = [];
    let sequence = NOTHING_SEEN;
    let refutedAt = 0;
    // Each minute two rows: one follows the one before, the other has a stray id.
    for (let minute = 0; minute < 3000; minute++) {
      const at = minute * MINUTES;
      const seen = sawRows(sequence, [rowAt(100 + minute, at), rowAt(1e6 + 10 * minute, at)], NOW + at, SETTLE);
      ({ sequence } = seen);
      if (seen.refutation === null) continue;
      gaps.push(at - refutedAt);
      refutedAt = at;
    }
    expect(gaps.length).toBeGreaterThan(5);
    expect(gaps.length).toBeLessThan(14);
    expect(gaps.at(-1)).toBeGreaterThan(8 * HOURS);
  });
});
