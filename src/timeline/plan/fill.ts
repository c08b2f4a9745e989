// The fill: a read in place of a page that a caller waits for, smaller than the page, after which the page follows.
//
//   newest page    ├────── settled ──────┤ due │ tail …        read: from the lowest row that is due, to the end
//                                        └───────────▶
//   lower page     ├── known ──┤ step ├ step ├  ?  ┤ known     read: the ids that are missing, and the steps below them
//                              └───────────────────┘
//   `meta`         ├───────────────── known ──────────────┤    read: what is newer than all, most often nothing
//                                                         └──▶

import { previousInRange } from '../id-index.ts';
import { newestRowLifetime } from '../freshness.ts';
import type { Gap } from '../prove.ts';
import { durableTop, highestId } from '../prove.ts';
import type { IdRange, Query } from '../query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from '../query.ts';
import type { Timeline } from '../timeline.ts';
import type { PlanContext } from './planned.ts';
import { readOf } from './planned.ts';
import { countRows, expectedRows } from './rows-in.ts';
import { endsOpen } from './seal-forward.ts';

/** Rows that a read in place of the query itself may be expected to bring. */
const FILL_ROWS_MAX = 200;
/** The same where the finder's limit is 100: a page that comes back full proves much less. */
const FILL_AFTER_ROWS_MAX = PAGE_LIMIT.after / 2;

/**
 * A read to send instead of the query as asked, after which the query can be proved, or null: forward it.
 * - The newest page: everything on it that is not settled or due to be read again. It brings no more rows, and where
 *   `latest` leaves rows unknown that are older but have higher ids, this does not: the top stays sealed while it grows.
 * - `meta` too old: whatever is newer than all that is known, most often nothing, comes with a fresh `meta`.
 * - Ids missing at the upper end of the range: those, and the steps that earlier pages left below them.
 */
export function planFill(timeline: Timeline, query: Query, gap: Gap, context: PlanContext): Query | null {
  const top = highestId(timeline);
  if (top < 0) return null;
  if (takesNewest(query) && idRange(query).hi > top) {
    const fill = planNewest(timeline, query, context);
    return fill !== null && gap.lacks === 'ids' && gap.ids.lo <= fill.after ? null : fill;
  }
  if (gap.lacks === 'meta') return { mode: 'after', after: top, publicOnly: false };
  if (gap.lacks !== 'ids' || gap.ids.lo === 0) return null;
  const { lo, hi } = gap.ids;
  if (hi === Infinity) {
    if (lo <= idRange(query).lo && endsOpen(timeline, query)) return null; // No better than the query itself.
    return countRows(timeline, gap.ids, FILL_AFTER_ROWS_MAX) < FILL_AFTER_ROWS_MAX
      ? { mode: 'after', after: lo - 1, publicOnly: false }
      : null;
  }
  const isMuch = Math.max(expectedRows(timeline, gap.ids), countRows(timeline, gap.ids, FILL_ROWS_MAX + 1)) > FILL_ROWS_MAX;
  return isMuch ? null : readOf({ lo: belowSteps(timeline, gap.ids), hi });
}

type After = Extract<Query, { mode: 'after' }>;

/** The rows of the newest page from the lowest on that is not settled or due to be read again. */
function planNewest(timeline: Timeline, query: Query, { now, freshness, asOf }: PlanContext): After | null {
  const index = query.publicOnly ? timeline.public : timeline.all;
  const everything = { lo: 0, hi: Infinity };
  let lowestDue = Infinity;
  let at = previousInRange(index, timeline.rows.length - 1, everything);
  for (let count = 0; at >= 0 && count < PAGE_LIMIT.latest; count++) {
    const row = timeline.rows[at]!;
    const { usableMs } = newestRowLifetime(freshness, row.readAt - row.createdAt * 1000);
    if (asOf !== undefined || now - row.readAt > usableMs) lowestDue = Math.min(lowestDue, row.id);
    at = previousInRange(index, at - 1, everything);
  }
  // Not from further up than the rows reach: if ids rise no more (sequence.ts), a new row may lie between them and the frontier.
  const from = Math.min(durableTop(timeline, query.publicOnly), lowestDue, highestId(timeline) + 1);
  const isFew = countRows(timeline, { lo: from, hi: Infinity }, FILL_AFTER_ROWS_MAX) < FILL_AFTER_ROWS_MAX;
  return from > 0 && isFew ? { mode: 'after', after: from - 1, publicOnly: false } : null;
}

/** Where the steps end that pages of a walk left below `ids`: each page bounds only what is older than itself. */
function belowSteps(timeline: Timeline, ids: IdRange): number {
  let { lo } = ids;
  for (const statement of timeline.statements.toReversed()) {
    if (statement.lo >= lo) continue;
    const isStep = statement.hi === lo && statement.unknown !== null && statement.lo > 0;
    if (!isStep || countRows(timeline, { lo: statement.lo, hi: ids.hi }, FILL_ROWS_MAX) >= FILL_ROWS_MAX) break;
    lo = statement.lo;
  }
  return lo;
}
