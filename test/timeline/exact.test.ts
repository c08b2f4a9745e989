import { describe, expect, test } from 'vitest';
import type { ExactPages } from '../../src/timeline/exact.ts';
import { EXACT_PAGES_MAX, exactMemoryBytes, learnExact, NO_PAGES, proveExact } from '../../src/timeline/exact.ts';
import type { Proof, ProveContext } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Reading } from '../../src/timeline/reading.ts';
import {
  after,
  before,
  between,
  filtered,
  FRESHNESS,
  HOURS,
  latest,
  learnContext,
  MINUTES,
  NOW,
  reading,
  row,
  SECONDS,
  span,
} from './rows.ts';

const pagesOf = (...readings: readonly Reading[]): ExactPages =>
  readings.reduce((known, each) => learnExact(known, each, learnContext()), NO_PAGES);

type Changes = Partial<ProveContext> & { later?: number };

function answer(known: ExactPages, query: Query, { later = 0, ...changes }: Changes = {}): Proof | null {
  const proof = proveExact(known, query, { now: NOW + later, freshness: FRESHNESS, ...changes });
  return proof.proved ? proof : null;
}

const ids = (known: ExactPages, query: Query, changes?: Changes): number[] | undefined =>
  answer(known, query, changes)?.rows.map(({ id }) => id);
/** A reading of no ids at all, for its `meta`. */
const metaAt = (later: number): Reading => reading(between(0, 0), [], later);

describe('a page', () => {
  test('answers the very query that it was read for, and no other, even if it would follow', () => {
    const known = pagesOf(reading(before(9), [1, 2, 3]));
    expect(ids(known, before(9))).toEqual([1, 2, 3]);
    for (const query of [before(8), before(10), latest, after(9), between(0, 9), between(9, 9), filtered(before(9))])
      expect(ids(known, query)).toBeUndefined();
    expect(ids(NO_PAGES, before(9))).toBeUndefined();
  });

  test('may be in any order and of any length: what a fork answers is not judged', () => {
    const shown = span(1, 300).toReversed();
    expect(ids(pagesOf(reading(before(9), shown)), before(9))).toEqual(shown);
  });

  test('is replaced by one read later, not by one that was asked for earlier and came later', () => {
    const [early, late] = [reading(before(9), [1, 2]), reading(before(9), [1], 5)];
    expect(ids(pagesOf(early, late), before(9), { later: 5 })).toEqual([1]);
    expect(ids(pagesOf(late, early), before(9), { later: 5 })).toEqual([1]);
  });

  test('comes with the `meta` that was asked for last, whichever query brought it', () => {
    const [early, late] = [reading(before(9), [1, 2]), reading(between(50, 51), [], 5)];
    for (const known of [pagesOf(early, late), pagesOf(late, early)]) {
      expect(answer(known, before(9), { later: 5 })!.envelope).toMatchObject({ head: late.envelope.head, askedAt: NOW + 5 });
    }
  });
});

describe('the pages of one conversation', () => {
  test('are at most 64: those read longest ago go first', () => {
    const known = pagesOf(...span(1, 101).map((id) => reading(before(id), [row(id - 1, id)], id)));
    expect(EXACT_PAGES_MAX).toBe(64);
    expect(known.pages.size).toBe(64);
    const kept = span(1, 101).filter((id) => ids(known, before(id), { later: 100 }) !== undefined);
    expect(kept).toEqual(span(37, 101));
  });

  test('that are read again go last', () => {
    const full = pagesOf(...span(0, 64).map((id) => reading(before(id), [], id)));
    const known = learnExact(
      learnExact(full, reading(before(0), [], 80), learnContext()),
      reading(latest, [], 81),
      learnContext(),
    );
    expect(ids(known, before(0), { later: 81 })).toEqual([]);
    expect(ids(known, before(1), { later: 81 })).toBeUndefined();
    expect(known.pages.size).toBe(64);
  });

  test('are counted in bytes as they come and go', () => {
    const bytes = (each: Reading): number => each.rows.reduce((sum, { raw }) => sum + raw.length, 0);
    const [one, two] = [reading(before(9), [1, 2]), reading(before(5), [1], 1)];
    const { head, tail } = two.envelope;
    expect(pagesOf(one, two).rawBytes).toBe(bytes(one) + bytes(two) + head.length + tail.length);
    expect(pagesOf(one, reading(before(9), [], 1)).rawBytes).toBe(head.length + tail.length);
    expect(exactMemoryBytes(pagesOf(one, two))).toBeGreaterThan(pagesOf(one, two).rawBytes);
    expect(exactMemoryBytes(NO_PAGES)).toBe(0);
  });

  test('are a value: learning leaves the one before as it was', () => {
    const known = pagesOf(reading(before(9), [1]));
    learnExact(known, reading(before(9), [], 1), learnContext());
    learnExact(known, reading(latest, [], 1), learnContext());
    expect(known).toEqual(pagesOf(reading(before(9), [1])));
  });
});

describe('lifetimes', () => {
  const settled = reading(before(9), [1, 2]);
  const open = reading(latest, [1, 2]);

  test('a page of settled ids lives as history does', () => {
    const at = (later: number): Proof | null => answer(pagesOf(settled, metaAt(later)), before(9), { later });
    expect(at(15 * MINUTES)!.refresh.history).toBe(false);
    expect(at(15 * MINUTES + 1)!.refresh.history).toBe(true);
    expect(at(30 * MINUTES)!.refresh.history).toBe(true);
    expect(at(30 * MINUTES + 1)).toBeNull();
  });

  test.each([latest, after(0), before(1001), between(0, 1001)])(
    'a page on which a new message may belong lives as the tail does: %j',
    (query) => {
      const known = pagesOf(reading(query, [1, 2]));
      expect(ids(known, query, { later: 1 * SECONDS })).toEqual([1, 2]);
      expect(ids(known, query, { later: 1 * SECONDS + 1 })).toBeUndefined();
    },
  );

  test('`meta` beside settled ids may be refreshed behind, beside others not', () => {
    const known = pagesOf(settled);
    expect(answer(known, before(9), { later: 10 * SECONDS })!.refresh.meta).toBe(false);
    expect(answer(known, before(9), { later: 10 * SECONDS + 1 })!.refresh.meta).toBe(true);
    expect(ids(known, before(9), { later: 60 * SECONDS })).toEqual([1, 2]);
    expect(ids(known, before(9), { later: 60 * SECONDS + 1 })).toBeUndefined();
  });

  test('an answer is as old as its older part, and fresh until the first goes stale', () => {
    expect(answer(pagesOf(settled, metaAt(500)), before(9), { later: 600 })).toMatchObject({
      asOf: NOW,
      freshUntil: NOW + 10_500,
    });
    expect(answer(pagesOf(open, metaAt(500)), latest, { later: 600 })).toMatchObject({ asOf: NOW, freshUntil: NOW + 1_000 });
  });

  test('as of now: `meta` and pages of the tail, not those of settled ids', () => {
    const known = pagesOf(settled, open, metaAt(5));
    expect(ids(known, before(9), { later: 9, asOf: NOW + 9 })).toEqual([1, 2]);
    expect(ids(known, latest, { later: 9, asOf: NOW })).toEqual([1, 2]);
    expect(ids(known, latest, { later: 9, asOf: NOW + 1 })).toBeUndefined();
  });

  test('while upstream fails, STALE_IF_ERROR longer', () => {
    const known = pagesOf(open);
    expect(ids(known, latest, { later: 1 * SECONDS + 1 * HOURS, stale: true })).toEqual([1, 2]);
    expect(ids(known, latest, { later: 1 * SECONDS + 1 * HOURS + 1, stale: true })).toBeUndefined();
    expect(ids(known, before(9), { stale: true })).toBeUndefined();
  });
});
