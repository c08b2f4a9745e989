// The seal: reads that turn the pages of a walk into ranges of ids in which every row is known.
//
//   start ├───── ? ─────┤ known, with holes ├── sealed ──┤ …
//                └──── window, of about windowRows ──┘
//
// A window proves a range of ids, not pages: what lies below it must be bounded too, by a `before` page at its lower end or
// by reaching the conversation's start.
//
//   start ├─── ? ───┤ 20 rows ├────── sealed ──────┤ …      `before` at its lower end: nothing below is newer than these
//   start ├──────────────── sealed ────────────────┤ …      nothing below

import { statementLifetime } from '../freshness.ts';
import { nextInRange, previousInRange } from '../id-index.ts';
import { settledTop } from '../prove.ts';
import type { IdRange, Query } from '../query.ts';
import { PAGE_LIMIT } from '../query.ts';
import type { Timeline } from '../timeline.ts';
import type { PlanContext } from './planned.ts';
import { readOf } from './planned.ts';
import { countRows, densityNear, newestRowsIn } from './rows-in.ts';
import { planSealForward } from './seal-forward.ts';
import type { Walk } from './walk.ts';
import { SEAL_AFTER_READS, WINDOW_GROWTH, WINDOW_ROWS_MAX } from './walk.ts';

/** A gap that seems to hold no more is read whole: then nothing below it needs to be bounded. */
const START_IN_REACH_ROWS = 200;

/** The next background read that seals history for readers like the one who asked `query`, or null when none is due. */
export function planSeal(timeline: Timeline, query: Query, walk: Walk, context: PlanContext): Query | null {
  if (timeline.rows.length === 0 || query.mode === 'latest' || context.now < walk.sealsFrom) return null;
  const isWalk = walk.historyReads >= SEAL_AFTER_READS;
  if (query.mode === 'after') return isWalk ? planSealForward(timeline, query, context) : null;
  const sealed = sealedRanges(timeline, context);
  // What is settled is so for all rows, though a filtered reading tells of public ones only.
  const top = settledTop(timeline, true);
  const at = Math.min(query.before, top) - 1;
  if (at < 0) return null;
  const around = sealed.find((range) => range.hi > at);
  if (around === undefined || around.lo > at) {
    const end = around?.lo ?? top;
    // From the reader on, where it has jumped far into what is not known.
    const isFarDown = query.before < end && rowsIn(timeline, { lo: query.before, hi: end }) > walk.windowRows;
    const gap = { lo: sealed.findLast((range) => range.hi <= at)?.hi ?? 0, hi: isFarDown ? query.before : end };
    if (!isWalk && rowsIn(timeline, gap) > START_IN_REACH_ROWS / 2) return null;
    return windowIn(timeline, gap, walk);
  }
  if (!isWalk || around.lo === 0) return null;
  if (!isBoundedBelow(timeline, around)) return { mode: 'before', before: around.lo, publicOnly: false };
  const left = countRows(timeline, { lo: around.lo, hi: query.before }, walk.windowRows);
  if (left > walk.windowRows / WINDOW_GROWTH) return null;
  return windowIn(timeline, { lo: sealed.findLast((range) => range.hi < around.lo)?.hi ?? 0, hi: around.lo }, walk);
}

/** The ranges of ids in which every row is known for as long as history lasts. */
function sealedRanges(timeline: Timeline, { now, freshness }: PlanContext): IdRange[] {
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

/**
 * True if every row below the range that is not known surely is older than the rows in it or, where it holds none or ones that
 * are older still, than the page that ends at it: no such page tells more.
 */
function isBoundedBelow(timeline: Timeline, range: IdRange): boolean {
  const oldest = nextInRange(timeline.all, 0, range);
  const second = Math.max(oldest < 0 ? -Infinity : timeline.rows[oldest]!.createdAt, edgeBelow(timeline, range.lo));
  let reached = 0;
  for (const { lo, hi, unknown } of timeline.statements) {
    if (lo >= range.lo) break;
    const isBounded = unknown === null || (unknown.to !== null && unknown.to.createdAt <= second);
    if (lo > reached || !isBounded) return false;
    reached = hi;
  }
  return reached >= range.lo;
}

/** The second of the oldest row of the `before` page at this id, as far as its rows are known; -Infinity for one that is not full. */
function edgeBelow(timeline: Timeline, id: number): number {
  const below = { lo: 0, hi: id };
  let at = timeline.rows.length;
  for (let count = 0; count < PAGE_LIMIT.before; count++) {
    at = previousInRange(timeline.all, at - 1, below);
    if (at < 0) return -Infinity;
  }
  return timeline.rows[at]!.createdAt;
}

/** The upper part of a gap, of about `windowRows` rows by what is known of it; all of it where it holds few. */
function windowIn(timeline: Timeline, gap: IdRange, { windowRows }: Walk): Query | null {
  if (rowsIn(timeline, gap) <= START_IN_REACH_ROWS) return readOf(gap);
  const { lowest, rows } = newestRowsIn(timeline, gap, windowRows);
  const start = Math.floor(lowest - (windowRows - rows) / rowsPerId(timeline, gap, lowest, rows));
  const window = { lo: Math.max(gap.lo, start, fullFrom(timeline, gap)), hi: gap.hi };
  if (countRows(timeline, window, PAGE_LIMIT.between) < PAGE_LIMIT.between) return readOf(window);
  // Rows that are older than ones of lower ids: the window is cut by ids, or it would come back full again and again.
  const ids = timeline.all.rows.map(({ id }) => id).filter((id) => id >= gap.lo && id < gap.hi);
  return readOf({ lo: ids.toSorted((a, b) => b - a)[windowRows - 1] ?? gap.lo, hi: gap.hi });
}

/**
 * The middle of what came back full: rows that are older than ones of lower ids are the first in it, and the next window would move on
 * by no more than what they leave room for. The gap's lower end where nothing did.
 */
function fullFrom(timeline: Timeline, gap: IdRange): number {
  const last = timeline.statements.findLast(({ lo, hi }) => lo < gap.hi && hi >= gap.hi);
  if ((last?.unknown?.from ?? null) === null) return gap.lo;
  const lo = Math.max(gap.lo, last!.lo);
  return countRows(timeline, { lo, hi: gap.hi }, PAGE_LIMIT.between) < PAGE_LIMIT.between
    ? gap.lo
    : Math.floor((lo + gap.hi) / 2);
}

/** How many rows the gap may be expected to hold: those known and, as dense as the newest of them, those that are not. */
function rowsIn(timeline: Timeline, gap: IdRange): number {
  const { lowest, rows } = newestRowsIn(timeline, gap, WINDOW_ROWS_MAX);
  return isShown(timeline, { lo: gap.lo, hi: lowest }) ? rows : rows + (lowest - gap.lo) * rowsPerId(timeline, gap, lowest, rows);
}

function rowsPerId(timeline: Timeline, gap: IdRange, lowest: number, rows: number): number {
  return rows < 2 ? densityNear(timeline, gap.hi) : rows / (gap.hi - lowest);
}

/** True if pages that reach below these ids, or to the start, have shown what rows they are of, but for back-dated ones. */
function isShown(timeline: Timeline, ids: IdRange): boolean {
  let reached = ids.lo;
  for (const { lo, hi, unknown } of timeline.statements) {
    if (hi <= reached) continue;
    const reachesBelow = unknown === null || (unknown.to !== null && unknown.to.id < ids.lo);
    if (lo > reached || !reachesBelow) break;
    reached = hi;
  }
  return reached >= ids.hi;
}
