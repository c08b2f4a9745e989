// The fill: a read in place of a page that a caller waits for, smaller than the page, after which the page follows.
//
//   newest page    ├────── settled ──────┤ due │ tail …        read: from the lowest row that is due, to the end
//                                        └───────────▶
//   lower page     ├── known ──┤ step ├ step ├  ?  ┤ known     read: the ids that are missing, and the steps below them
//                              └───────────────────┘
//   changed rows   ├───── known ────┤×├──── known ─────────┤    read: that row, or all from the first to the last
//                                   └▶
//   `meta`         ├───────────────── known ──────────────┤    read: what is newer than all, most often nothing
//                                                         └──▶

import type { Due } from '../changes.ts';
import { NOTHING_DUE, rowDueAt } from '../changes.ts';
import { previousInRange } from '../id-index.ts';
import { newestRowLifetime } from '../freshness.ts';
import type { Gap } from '../prove.ts';
import { durableTop, highestId } from '../prove.ts';
import type { IdRange, MessageId, Query } from '../query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from '../query.ts';
import type { KnownRow, Timeline } from '../timeline.ts';
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
 * - Rows that changed: those, and what lies between them. With a feed, of the newest page as above: for one call its tail and `meta`
 *   are good for a while, too.
 * - `meta` too old: whatever is newer than all that is known, most often nothing, comes with a fresh `meta`.
 * - Ids missing at the upper end of the range: those, and the steps that earlier pages left below them; where they reach far above
 *   all that is known, what is newer.
 */
export function planFill(timeline: Timeline, query: Query, gap: Gap, context: PlanContext): Query | null {
  const top = highestId(timeline);
  if (top < 0) return null;
  if (gap.lacks === 'due' && gap.rows.length === 1 && context.isFed !== true)
    return readOf({ lo: gap.rows[0]!, hi: gap.rows[0]! + 1 });
  if (takesNewest(query) && idRange(query).hi > top) {
    const fill = planNewest(timeline, query, context);
    return fill !== null && gap.lacks === 'ids' && gap.ids.lo <= fill.after ? null : fill;
  }
  if (gap.lacks === 'meta') return { mode: 'after', after: top, publicOnly: false };
  if (gap.lacks === 'due') return planDue(timeline, query, gap.rows, context.due ?? NOTHING_DUE);
  if (gap.lacks !== 'ids' || gap.ids.lo === 0) return null;
  const { lo, hi } = gap.ids;
  if (hi === Infinity) {
    if (lo <= idRange(query).lo && endsOpen(timeline, query)) return null; // No better than the query itself.
    return planNewer(timeline, gap.ids);
  }
  const isMuch = Math.max(expectedRows(timeline, gap.ids), countRows(timeline, gap.ids, FILL_ROWS_MAX + 1)) > FILL_ROWS_MAX;
  if (!isMuch) return readOf({ lo: belowSteps(timeline, gap.ids), hi });
  // Above all that is known is what was written since, however far the ids reach.
  return hi > top && lo > idRange(query).lo ? planNewer(timeline, gap.ids) : null;
}

type After = Extract<Query, { mode: 'after' }>;

/** Everything from the first of these ids on, where that seems little. */
function planNewer(timeline: Timeline, ids: IdRange): After | null {
  const isFew = countRows(timeline, ids, FILL_AFTER_ROWS_MAX) < FILL_AFTER_ROWS_MAX;
  return isFew ? { mode: 'after', after: ids.lo - 1, publicOnly: false } : null;
}

/**
 * The rows from the first that is due to the last, where they are few; else the page tells as much. Where there are several, those
 * that are due further on the way along: else each page of a walk would be a read.
 */
function planDue(timeline: Timeline, query: Query, rows: readonly MessageId[], due: Due): Query | null {
  let ids = { lo: Math.min(...rows), hi: Math.max(...rows) + 1 };
  if (countRows(timeline, ids, FILL_ROWS_MAX + 1) > FILL_ROWS_MAX) return null;
  const isBackwards = takesNewest(query);
  const ahead = isBackwards ? { lo: 0, hi: ids.lo } : { lo: ids.hi, hi: Infinity };
  const further = timeline.rows.filter((row) => row.id >= ahead.lo && row.id < ahead.hi && isDue(due, row)).map(({ id }) => id);
  for (const id of further.toSorted((a, b) => (isBackwards ? b - a : a - b))) {
    const wider = isBackwards ? { lo: id, hi: ids.hi } : { lo: ids.lo, hi: id + 1 };
    if (countRows(timeline, wider, FILL_ROWS_MAX + 1) > FILL_ROWS_MAX) break;
    ids = wider;
  }
  return readOf(ids);
}

function isDue(due: Due, row: KnownRow): boolean {
  return row.readAt < rowDueAt(due, row, row.readAt);
}

/** The rows of the newest page from the lowest on that is not settled or due to be read again, with a feed also those that are due next. */
function planNewest(timeline: Timeline, query: Query, context: PlanContext): After | null {
  const { now, freshness, asOf, due = NOTHING_DUE } = context;
  // Without a feed the newest page is read each time. With one a row that is due next would be a read of its own.
  const aheadMs = context.isFed === true ? (freshness.feedMaxAgeMs ?? 0) : 0;
  const index = query.publicOnly ? timeline.public : timeline.all;
  const everything = { lo: 0, hi: Infinity };
  let lowestDue = Infinity;
  let at = previousInRange(index, timeline.rows.length - 1, everything);
  for (let count = 0; at >= 0 && count < PAGE_LIMIT.latest; count++) {
    const row = timeline.rows[at]!;
    const { usableMs } = newestRowLifetime(freshness, row.readAt - row.createdAt * 1000);
    if (asOf !== undefined || now + aheadMs - row.readAt > usableMs || isDue(due, row)) lowestDue = Math.min(lowestDue, row.id);
    at = previousInRange(index, at - 1, everything);
  }
  // Not from further up than the rows reach: if ids rise no more (sequence.ts), a new row may lie between them and the frontier.
  const from = Math.min(durableTop(timeline, query.publicOnly), lowestDue, highestId(timeline) + 1);
  return from > 0 ? planNewer(timeline, { lo: from, hi: Infinity }) : null;
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
