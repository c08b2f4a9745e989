// The reading plan: which upstream read would make a query, and the ones after it, provable. It decides; the engine acts.

import { nextInRange, previousInRange } from './id-index.ts';
import type { Gap } from './prove.ts';
import { durableTop, highestId } from './prove.ts';
import type { Freshness } from './freshness.ts';
import { historyLifetime, newestRowLifetime, statementLifetime } from './freshness.ts';
import type { IdRange, Query } from './query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from './query.ts';
import type { KnownRow, Timeline } from './timeline.ts';

/** What a conversation's readers have been doing, as far as the plan needs it. */
export interface Walk {
  /** History pages (all but the newest page) that had to be forwarded. */
  readonly historyReads: number;
  /** Rows that the next read-ahead aims at. */
  readonly windowRows: number;
  /** No seals before this moment, ms. */
  readonly sealsFrom: number;
  /** When history past its freshness was first shown, ms; null since it was last refreshed. */
  readonly staleSince: number | null;
}

/** Forwarded history pages after which the next one that is missing is answered by sealing. */
export const SEAL_AFTER_READS = 1;

export const FIRST_WALK: Walk = { historyReads: 0, windowRows: 200, sealsFrom: -Infinity, staleSince: null };

/** Well below the finder's limit of 1,000: a window that comes back full proves much less than one that does not. */
const WINDOW_ROWS_MAX = 800;
const WINDOW_ROWS_MIN = 50;
const WINDOW_GROWTH = 4;
/** A gap that seems to hold no more is read whole: then nothing below it needs to be bounded. */
const START_IN_REACH_ROWS = 200;
/** A read slower than this halves the next window: it costs Chatwoot one query and more for each attachment. */
const SLOW_READ_MS = 1000;

/** The walk after a read-ahead that took `tookMs`. */
export function nextWalk(walk: Walk, tookMs: number): Walk {
  const rows = tookMs > SLOW_READ_MS ? walk.windowRows / 2 : walk.windowRows * WINDOW_GROWTH;
  return { ...walk, windowRows: Math.round(Math.min(WINDOW_ROWS_MAX, Math.max(WINDOW_ROWS_MIN, rows))) };
}

/** For so long a conversation is read page by page after a read-ahead was too much for Chatwoot. */
const REST_MS = 60_000;

/** The walk after a read-ahead that failed, at `now` in ms: smaller, and not at once. */
export function restFromSeals(walk: Walk, now: number): Walk {
  return { ...nextWalk(walk, Infinity), sealsFrom: now + REST_MS };
}

export interface PlanContext {
  /** Now, ms. */
  readonly now: number;
  readonly freshness: Freshness;
  /** The caller wants tail and meta as of this moment, ms. */
  readonly asOf?: number | undefined;
}

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
    if (lo <= idRange(query).lo && endsOpen(timeline)) return null; // No better than the query itself.
    return countRows(timeline, gap.ids, FILL_AFTER_ROWS_MAX) < FILL_AFTER_ROWS_MAX
      ? { mode: 'after', after: lo - 1, publicOnly: false }
      : null;
  }
  if (expectedRows(timeline, gap.ids) > FILL_ROWS_MAX) return null;
  return { mode: 'between', after: belowSteps(timeline, gap.ids), before: hi, publicOnly: false };
}

type After = Extract<Query, { mode: 'after' }>;

/**
 * A history page says nothing of when the ids between its newest row and its cursor were handed out. The row at the cursor,
 * for a cursor most often is the id of a row, does. Null where a higher row is known already, and where the page is young.
 */
export function planWitness(timeline: Timeline, query: Query): Query | null {
  if (query.mode !== 'before' || query.before >= Number.MAX_SAFE_INTEGER) return null;
  const top = highestId(timeline);
  if (top < 0 || top >= query.before || settledTop(timeline, query.publicOnly) <= top) return null;
  return { mode: 'between', after: top + 1, before: query.before + 1, publicOnly: false };
}

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
  const from = Math.min(durableTop(timeline, query.publicOnly), lowestDue);
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

/** One above the highest id of which something is known for longer than the tail lasts: of all rows, or of public ones only. */
export function settledTop(timeline: Timeline, publicOnly: boolean): number {
  const statements = publicOnly ? timeline.publicStatements : timeline.statements;
  return statements.findLast((statement) => statement.standing !== 'transient')?.hi ?? 0;
}

/**
 * The next background read that seals history for readers like the one who asked `query`, or null when none is due.
 *
 *     start ├───── ? ─────┤ known, with holes ├── sealed ──┤ …
 *                  └──── window, of about windowRows ──┘
 *
 * A window proves a range of ids, not pages: what lies below it must be bounded too, by a `before` page at its lower end
 * or by reaching the conversation's start.
 */
export function planSeal(timeline: Timeline, query: Query, walk: Walk, { now, freshness }: PlanContext): Query | null {
  if (timeline.rows.length === 0 || query.mode === 'latest' || now < walk.sealsFrom) return null;
  const isWalk = walk.historyReads >= SEAL_AFTER_READS;
  if (query.mode === 'after') return isWalk ? planSealForward(timeline, query.after + 1) : null;
  const sealed = sealedRanges(timeline, now, freshness);
  // What is settled is so for all rows, though a filtered reading tells of public ones only.
  const top = settledTop(timeline, true);
  const at = Math.min(query.before, top) - 1;
  const around = sealed.find((range) => range.hi > at);
  if (around === undefined || around.lo > at) {
    const end = around?.lo ?? top;
    // From the reader on, where it has jumped far into what is not known.
    const isFarDown = query.before < end && rowsIn(timeline, { lo: query.before, hi: end }) > walk.windowRows;
    const gap = { lo: sealed.findLast((range) => range.hi <= at)?.hi ?? 0, hi: isFarDown ? query.before : end };
    if (gap.lo >= gap.hi || (!isWalk && rowsIn(timeline, gap) > START_IN_REACH_ROWS / 2)) return null;
    return windowIn(timeline, gap, walk);
  }
  if (!isWalk || around.lo === 0) return null;
  if (!isBoundedBelow(timeline, around)) return { mode: 'before', before: around.lo, publicOnly: false };
  const left = countRows(timeline, { lo: around.lo, hi: query.before }, walk.windowRows);
  if (left > walk.windowRows / WINDOW_GROWTH) return null;
  return windowIn(timeline, { lo: sealed.findLast((range) => range.hi < around.lo)?.hi ?? 0, hi: around.lo }, walk);
}

/** The ranges of ids in which every row is known for as long as history lasts. */
function sealedRanges(timeline: Timeline, now: number, freshness: Freshness): IdRange[] {
  const ranges: IdRange[] = [];
  for (const { lo, hi, unknown, standing, askedAt } of timeline.statements) {
    const isUsable = now - askedAt <= statementLifetime(freshness, standing).usableMs;
    if (unknown !== null || standing === 'transient' || !isUsable) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.hi === lo) ranges[ranges.length - 1] = { lo: last.lo, hi };
    else ranges.push({ lo, hi });
  }
  return ranges;
}

/** True if every row below the range that is not known surely is older than the rows in it. */
function isBoundedBelow(timeline: Timeline, range: IdRange): boolean {
  const oldest = nextInRange(timeline.all, 0, range);
  const second = oldest < 0 ? -Infinity : timeline.rows[oldest]!.createdAt;
  let reached = 0;
  for (const { lo, hi, unknown } of timeline.statements) {
    if (lo >= range.lo) break;
    const isBounded = unknown === null || (unknown.to !== null && unknown.to.createdAt <= second);
    if (lo > reached || !isBounded) return false;
    reached = hi;
  }
  return reached >= range.lo;
}

/** The upper part of a gap, of about `windowRows` rows by what is known of it; all of it where it holds few. */
function windowIn(timeline: Timeline, gap: IdRange, walk: Walk): Query {
  const { lowest, rows, rowsPerId } = newestRowsIn(timeline, gap, walk.windowRows);
  const start = Math.floor(lowest - (walk.windowRows - rows) / rowsPerId);
  const after = rowsIn(timeline, gap) <= START_IN_REACH_ROWS ? gap.lo : Math.max(gap.lo, start);
  return { mode: 'between', after, before: gap.hi, publicOnly: false };
}

/** How many rows the gap may be expected to hold: those known and, as dense as the newest of them, those that are not. */
function rowsIn(timeline: Timeline, gap: IdRange): number {
  const { lowest, rows, rowsPerId } = newestRowsIn(timeline, gap, WINDOW_ROWS_MAX);
  const first = timeline.statements[0];
  const startWasRead = gap.lo === 0 && first !== undefined && first.lo === 0 && first.unknown === null;
  return startWasRead ? rows : rows + (lowest - gap.lo) * rowsPerId;
}

/** The newest known rows of the gap, at most `max`: how many, the lowest id among them, how dense they stand. */
function newestRowsIn(timeline: Timeline, gap: IdRange, max: number): { lowest: number; rows: number; rowsPerId: number } {
  let lowest = gap.hi;
  let rows = 0;
  let at = previousInRange(timeline.all, timeline.rows.length - 1, gap);
  for (; at >= 0 && rows < max; at = previousInRange(timeline.all, at - 1, gap)) {
    lowest = Math.min(lowest, timeline.rows[at]!.id);
    rows++;
  }
  return { lowest, rows, rowsPerId: rows < 2 ? densityNear(timeline, gap.hi) : rows / (gap.hi - lowest) };
}

/** A walk towards the newest rows that has so many known ones before it needs no more yet. */
const FORWARD_ROWS_MIN = 2 * PAGE_LIMIT.after;

/** From the first id not known in full, to the end: `after` pages need all that could be older than their edge. */
function planSealForward(timeline: Timeline, from: number): Query | null {
  let reached = from;
  for (const statement of timeline.statements) {
    if (statement.hi <= reached) continue;
    if (statement.lo > reached) break;
    if (statement.unknown !== null) {
      const ahead = { lo: reached, hi: statement.hi };
      const isFar = statement.unknown.from !== null && countRows(timeline, ahead, FORWARD_ROWS_MIN) >= FORWARD_ROWS_MIN;
      if (isFar) return null;
      break;
    }
    reached = statement.hi;
  }
  if (reached > highestId(timeline) && !endsOpen(timeline)) return null;
  return { mode: 'between', after: reached, before: Number.MAX_SAFE_INTEGER, publicOnly: false };
}

/** True if the last page read towards the newest rows was full: more may follow. */
function endsOpen(timeline: Timeline): boolean {
  return (timeline.publicStatements.at(-1)?.unknown?.from ?? null) !== null;
}

/**
 * A conversation that is read again this long after it was first shown stale is worth refreshing behind the answer; one
 * whose only reader just passes through is not. Either way it is shown for twice HISTORY_MAX_AGE at most.
 */
const REFRESH_AFTER_MS = 60_000;

/** What to note of a proof that shows stale history, and whether to refresh it now. */
export function noteStale(walk: Walk, now: number): { walk: Walk; refresh: boolean } {
  if (walk.staleSince === null) return { walk: { ...walk, staleSince: now }, refresh: false };
  const refresh = now - walk.staleSince >= REFRESH_AFTER_MS;
  return { walk: refresh ? { ...walk, staleSince: null } : walk, refresh };
}

const SOON_DUE = 3;

/** Ranges whose statements or rows have outlived their freshness, in reads of at most `WINDOW_ROWS_MAX` known rows. */
export function planRefresh(timeline: Timeline, { now, freshness }: PlanContext): Query[] {
  const { freshMs } = historyLifetime(freshness);
  const { statements, rows } = timeline;
  const oldest = Math.min(
    ...statements.map(({ standing, askedAt }) => (standing === 'durable' ? askedAt : now)),
    oldestRow(rows, now),
  );
  if (now - oldest <= freshMs) return [];
  // What will be due soon comes along: else the next reader, a few ids further on, would have the rest read.
  const isDue = (at: number): boolean => now - at > freshMs / SOON_DUE;
  let from = Infinity;
  let to = -Infinity;
  const due = (lo: number, end: number): void => {
    from = Math.min(from, lo);
    to = Math.max(to, end);
  };
  for (const { lo, hi, standing, askedAt } of statements) if (standing === 'durable' && isDue(askedAt)) due(lo, hi);
  for (const row of rows) if (isDue(row.readAt)) due(row.id, row.id + 1);
  if (from >= to) return [];
  const ids = timeline.rows
    .map((row) => row.id)
    .filter((id) => id >= from && id < to)
    .toSorted((a, b) => a - b);
  const reads: Query[] = [];
  for (let at = 0; at === 0 || at < ids.length; at += WINDOW_ROWS_MAX) {
    const lo = at === 0 ? from : ids[at]!;
    const end = at + WINDOW_ROWS_MAX < ids.length ? ids[at + WINDOW_ROWS_MAX]! : to;
    reads.push({ mode: 'between', after: lo, before: end, publicOnly: false });
  }
  return reads;
}

function oldestRow(rows: readonly KnownRow[], now: number): number {
  return rows.reduce((oldest, row) => Math.min(oldest, row.readAt), now);
}

/** Rows per id among the 60 oldest rows known from `lowest` up. At most 1. */
function densityNear(timeline: Timeline, lowest: number): number {
  let last = lowest;
  let count = 0;
  const range = { lo: lowest, hi: Infinity };
  for (let at = nextInRange(timeline.all, 0, range); at >= 0 && count < 60; at = nextInRange(timeline.all, at + 1, range)) {
    last = Math.max(last, timeline.rows[at]!.id);
    count++;
  }
  return count < 2 ? 1 : Math.min(1, count / (last - lowest + 1));
}

function expectedRows(timeline: Timeline, { lo, hi }: IdRange): number {
  return (hi - lo) * densityNear(timeline, lo);
}

/** How many known rows the range holds; stops counting at `enough`. */
function countRows(timeline: Timeline, range: IdRange, enough: number): number {
  let count = 0;
  for (let at = nextInRange(timeline.all, 0, range); at >= 0 && count < enough; at = nextInRange(timeline.all, at + 1, range))
    count++;
  return count;
}
