// What all plans share: what they are told beside the timeline, and the one way to plan a read of a range of ids.

import type { Due } from '../changes.ts';
import type { Freshness } from '../freshness.ts';
import type { IdRange, Query } from '../query.ts';

export interface PlanContext {
  /** Now, ms. */
  readonly now: number;
  readonly freshness: Freshness;
  /** What changed, and since when. */
  readonly due?: Due;
  /** Whether every change is heard of: then what is read is good until something changes, or for `feedMaxAgeMs`. */
  readonly isFed?: boolean;
  /** The caller wants tail and meta as of this moment, ms. */
  readonly asOf?: number | undefined;
}

/** A read of all rows of these ids, or null where there is no id among them. A range without end is read to the last cursor. */
export function readOf({ lo, hi }: IdRange): Query | null {
  const before = Math.min(hi, Number.MAX_SAFE_INTEGER);
  return lo < before ? { mode: 'between', after: lo, before, publicOnly: false } : null;
}
