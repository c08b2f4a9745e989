// How many rows a range of ids holds: those that are known, and as many as may be expected beside them.

import { nextInRange, previousInRange } from '../id-index.ts';
import type { IdRange } from '../query.ts';
import type { Timeline } from '../timeline.ts';

/** How many known rows the range holds; stops counting at `enough`. */
export function countRows(timeline: Timeline, range: IdRange, enough: number): number {
  let count = 0;
  for (let at = nextInRange(timeline.all, 0, range); at >= 0 && count < enough; at = nextInRange(timeline.all, at + 1, range))
    count++;
  return count;
}

const SAMPLE_ROWS = 60;

/** Rows per id among the 60 oldest rows known from `lowest` up or, where hardly any are, the 60 newest below. At most 1. */
export function densityNear(timeline: Timeline, lowest: number): number {
  let last = lowest;
  let count = 0;
  const above = { lo: lowest, hi: Infinity };
  for (
    let at = nextInRange(timeline.all, 0, above);
    at >= 0 && count < SAMPLE_ROWS;
    at = nextInRange(timeline.all, at + 1, above)
  ) {
    last = Math.max(last, timeline.rows[at]!.id);
    count++;
  }
  if (count >= 2) return Math.min(1, count / (last - lowest + 1));
  const below = newestRowsIn(timeline, { lo: 0, hi: lowest }, SAMPLE_ROWS);
  return below.rows < 2 ? 1 : Math.min(1, below.rows / (lowest - below.lowest));
}

/** How many rows the range may be expected to hold, where nothing is known of it, by how dense they stand above. */
export function expectedRows(timeline: Timeline, { lo, hi }: IdRange): number {
  return (hi - lo) * densityNear(timeline, lo);
}

/** The newest known rows of the range, at most `max`: how many, and the lowest id among them. */
export function newestRowsIn(timeline: Timeline, range: IdRange, max: number): { lowest: number; rows: number } {
  let lowest = range.hi;
  let rows = 0;
  let at = previousInRange(timeline.all, timeline.rows.length - 1, range);
  for (; at >= 0 && rows < max; at = previousInRange(timeline.all, at - 1, range)) {
    lowest = Math.min(lowest, timeline.rows[at]!.id);
    rows++;
  }
  return { lowest, rows };
}
