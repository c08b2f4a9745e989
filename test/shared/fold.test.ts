// Which readings a log keeps when it is folded.

import { expect, test } from 'vitest';
import type { SharedReading } from '../../src/cache/shared-level.ts';
import { foldReadings } from '../../src/shared/fold.ts';
import { historyLifetime } from '../../src/timeline/freshness.ts';
import type { Query } from '../../src/timeline/query.ts';
import { FRESHNESS } from '../cache/library.ts';

const NOW = 1_800_000_000_000;
const CONTEXT = { now: NOW, freshness: FRESHNESS };
/** As long as anything may be shown. */
const USABLE_MS = historyLifetime(FRESHNESS).usableMs + FRESHNESS.staleIfErrorMs;

/** A read of the ids from `id` to `end`, of which those up to `last` have a row, `agoMs` before now. */
function readingOf(id: number, end: number, agoMs: number, { last = end - 1, bytes = 10 } = {}): SharedReading {
  const query: Query = { mode: 'between', after: id, before: end, publicOnly: false };
  const rows = Array.from({ length: last - id + 1 }, (_, at) => ({
    id: id + at,
    createdAt: 1_000 + id + at,
    internal: false,
    raw: 'x'.repeat(bytes),
  }));
  return { vouched: 1e9, reading: { query, rows, envelope: { head: '', tail: '' }, askedAt: NOW - agoMs } };
}

const agesOf = (kept: readonly SharedReading[]): readonly number[] => kept.map(({ reading }) => NOW - reading.askedAt);

test('those that tell of other rows stay, the oldest first', () => {
  const shared = [readingOf(20, 30, 1_000), readingOf(10, 20, 3_000), readingOf(30, 40, 2_000)];
  expect(agesOf(foldReadings(shared, CONTEXT))).toEqual([3_000, 2_000, 1_000]);
});

test('of those that tell the same, the newest two stay, whatever the order they came in', () => {
  const shared = [3_000, 1_000, 5_000, 2_000, 4_000].map((agoMs) => readingOf(10, 20, agoMs));
  expect(agesOf(foldReadings(shared, CONTEXT))).toEqual([2_000, 1_000]);
});

test('one that may be shown to nobody any more goes', () => {
  const shared = [readingOf(10, 20, USABLE_MS + 1), readingOf(20, 30, USABLE_MS), readingOf(30, 40, 1_000)];
  expect(agesOf(foldReadings(shared, CONTEXT))).toEqual([USABLE_MS, 1_000]);
});

test('one that later ones have made untrue goes', () => {
  const [with19, without19] = [readingOf(10, 20, 2_000), readingOf(10, 20, 1_000, { last: 18 })];
  expect(agesOf(foldReadings([with19, without19], CONTEXT))).toEqual([1_000]);
});

test('at most 256 stay, and rows of 16 MB: the newest', () => {
  const many = Array.from({ length: 300 }, (_, at) => readingOf(10 * at, 10 * at + 10, 1_000 + at, { last: 10 * at }));
  expect(agesOf(foldReadings(many, CONTEXT))).toEqual(Array.from({ length: 256 }, (_, at) => 1_255 - at));

  const bytes = 1024 * 1024;
  const large = Array.from({ length: 20 }, (_, at) => readingOf(10 * at, 10 * at + 10, 1_000 + at, { last: 10 * at, bytes }));
  const kept = foldReadings(large, CONTEXT);
  expect(kept.length).toBeGreaterThan(10);
  expect(kept.length).toBeLessThanOrEqual(16);
  expect(agesOf(kept).at(-1)).toBe(1_000);
});
