// Prove: answer a query from a timeline, where the answer follows from what has been read, or say what is missing.

import type { Due } from './changes.ts';
import { NOTHING_DUE, rowDueAt } from './changes.ts';
import type { Freshness, Lifetime } from './freshness.ts';
import {
  fedLifetime,
  historyLifetime,
  lateLifetime,
  metaLifetime,
  newestRowLifetime,
  openEndLifetime,
  statementLifetime,
  tailLifetime,
} from './freshness.ts';
import { looksSettled } from './frontier.ts';
import type { IdIndex } from './id-index.ts';
import { includes, nextInRange, previousInRange } from './id-index.ts';
import type { IdRange, MessageId, Query } from './query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from './query.ts';
import type { Envelope, Row } from './reading.ts';
import type { Statement } from './statement.ts';
import type { KnownRow, Timeline } from './timeline.ts';
import { compareToRow, hasSeam, orderIsKnown } from './timeline.ts';

export interface ProveContext {
  /** Now, ms. */
  readonly now: number;
  readonly freshness: Freshness;
  /** When the caller asked, ms: what is newest must be young as of then, and may have aged while its page was being read. Default: now. */
  readonly cameAt?: number;
  /** The caller wants the newest page, rows and meta, as of this moment (ms) or later: `Cache-Control: no-cache`. */
  readonly asOf?: number;
  /** What changed, and since when: what was asked before that is not fresh. */
  readonly due?: Due;
  /** Since when (ms) every change is heard of: what was asked since then lives up to `feedMaxAgeMs`, unless it is due. */
  readonly fedSince?: number;
  /** Upstream fails: what is older than its lifetime by up to `staleIfErrorMs` will do. */
  readonly stale?: boolean;
}

/** An answer that follows. */
export interface Proof {
  readonly proved: true;
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  /** When the oldest part was asked for, ms: the answer's age counts from here. */
  readonly asOf: number;
  /** When the first part ceases to be fresh, ms. In the past for an answer that should be refreshed. */
  readonly freshUntil: number;
  /** Whether it would be another for a caller for whom the tail may be older or has to be younger. */
  readonly usesTail: boolean;
  /** What should be read again behind the answer. */
  readonly refresh: { readonly history: boolean; readonly meta: boolean };
}

/**
 * No answer, and what stands in the way.
 * - `ids`: the query would be answered if every row of these ids were known as of now.
 * - `meta`: only the envelope is too old.
 * - `due`: only these rows changed since they were read.
 * - `rows`: rows are missing, too old, or in an order not seen.
 */
export type Gap =
  | { readonly proved: false; readonly lacks: 'ids'; readonly ids: IdRange }
  | { readonly proved: false; readonly lacks: 'due'; readonly rows: readonly MessageId[] }
  | { readonly proved: false; readonly lacks: 'meta' | 'rows' };

const LACKS_ROWS: Gap = { proved: false, lacks: 'rows' };
const LACKS_META: Gap = { proved: false, lacks: 'meta' };

export function prove(timeline: Timeline, query: Query, context: ProveContext): Proof | Gap {
  const { now, freshness, cameAt = now, asOf, due = NOTHING_DUE } = context;
  const extraMs = context.stale === true ? freshness.staleIfErrorMs : 0;
  const isUsable = (askedAt: number, life: Lifetime, at = now): boolean => at - askedAt <= life.usableMs + extraMs;
  // What was asked after the caller came is as new as it wanted.
  const isDue = (askedAt: number, dueAt: number): boolean => askedAt < dueAt && askedAt < cameAt && context.stale !== true;
  const whileFed = (life: Lifetime, askedAt: number): Lifetime => fedLifetime(freshness, life, askedAt, context.fedSince);

  const range = idRange(query);
  const page = cutPage(query.publicOnly ? timeline.public : timeline.all, query, range);
  if (!page.isOrdered(timeline)) return LACKS_ROWS;

  const newestPage = takesNewest(query) && range.hi > highestId(timeline);
  let oldest = now;
  let freshUntil = Infinity;
  let historyDue = false;
  let usesTail = newestPage;
  const account = (askedAt: number, life: Lifetime, dueAt: number): void => {
    oldest = Math.min(oldest, askedAt);
    freshUntil = Math.min(freshUntil, askedAt + life.freshMs, askedAt < dueAt ? dueAt : Infinity);
  };

  const ownTailLife = range.hi <= highestId(timeline) ? lateLifetime(freshness) : statementLifetime(freshness, 'transient');
  const lifetimeOf = ({ standing, askedAt }: Statement, isTail: boolean): Lifetime =>
    standing === 'transient'
      ? whileFed(isTail ? ownTailLife : openEndLifetime(freshness), askedAt)
      : statementLifetime(freshness, standing);

  // Every id of the range must be spoken for. `missing` spans the ids that are not.
  let missing: IdRange | null = null;
  const lack = (lo: number, hi: number): void => {
    if (lo < hi) missing = { lo: missing?.lo ?? lo, hi };
  };
  let reached = range.lo;
  for (const statement of query.publicOnly ? timeline.publicStatements : timeline.statements) {
    if (statement.hi <= reached) continue;
    if (statement.lo >= range.hi) break;
    lack(reached, statement.lo);
    reached = Math.min(statement.hi, range.hi);
    const isTransient = statement.standing === 'transient';
    const isTail = isTransient && !endsInHistory(timeline, statement, query, page, freshness);
    if (isTail) usesTail = true;
    const dueAt = isTransient ? due.tailAt : -Infinity;
    const life = lifetimeOf(statement, isTail);
    const tooOld = isDue(statement.askedAt, dueAt) || (isTail && asOf !== undefined && statement.askedAt < asOf);
    const isUsed = !tooOld && isUsable(statement.askedAt, life, isTransient ? cameAt : now);
    if (!isUsed || !boundIsBeyond(timeline, statement, query, page)) {
      lack(Math.max(statement.lo, range.lo), reached);
      continue;
    }
    // That nothing else has these ids stays true; on the newest page only rows, tail and meta have an age.
    if (newestPage && statement.standing === 'durable') continue;
    account(statement.askedAt, life, dueAt);
    if (statement.standing === 'durable' && now - statement.askedAt > life.freshMs) historyDue = true;
  }
  lack(reached, range.hi);
  if (missing !== null) return { proved: false, lacks: 'ids', ids: missing };

  const settledBelow = newestPage ? durableTop(timeline, query.publicOnly) : Infinity;
  const historyLife = historyLifetime(freshness);
  const settledLife = newestPage
    ? (row: KnownRow) => newestRowLifetime(freshness, row.readAt - row.createdAt * 1000)
    : () => historyLife;
  const rows: Row[] = [];
  const dueRows: MessageId[] = [];
  for (const position of page.positions) {
    const row = timeline.rows[position]!;
    const isTail = row.id >= settledBelow;
    const ownLife = isTail ? tailLifetime(freshness) : settledLife(row);
    const rowLife = newestPage ? whileFed(ownLife, row.readAt) : ownLife;
    if (!isUsable(row.readAt, rowLife, isTail ? cameAt : now) || (newestPage && asOf !== undefined && row.readAt < asOf))
      return LACKS_ROWS;
    const dueAt = rowDueAt(due, row, row.readAt);
    if (isDue(row.readAt, dueAt)) dueRows.push(row.id);
    account(row.readAt, rowLife, dueAt);
    if (!isTail && now - row.readAt > rowLife.freshMs) historyDue = true;
    rows.push(row);
  }
  if (dueRows.length > 0) return { proved: false, lacks: 'due', rows: dueRows };

  const { envelope } = timeline;
  if (envelope === null || isDue(envelope.askedAt, due.envelopeAt)) return LACKS_META;
  const metaLife = whileFed(metaLifetime(freshness, newestPage), envelope.askedAt);
  if (!isUsable(envelope.askedAt, metaLife) || (usesTail && asOf !== undefined && envelope.askedAt < asOf)) {
    return LACKS_META;
  }
  account(envelope.askedAt, metaLife, due.envelopeAt);
  const metaDue = now - envelope.askedAt > metaLife.freshMs;
  const refresh = { history: historyDue, meta: metaDue };
  return { proved: true, rows, envelope, asOf: oldest, freshUntil, usesTail, refresh };
}

/** One above the highest id below which ids are surely settled. */
export function durableTop(timeline: Timeline, publicOnly: boolean): number {
  const statements = publicOnly ? timeline.publicStatements : timeline.statements;
  return statements.findLast((statement) => statement.standing === 'durable')?.hi ?? 0;
}

/** One above the highest id of which something is known for longer than the tail lasts: of all rows, or of public ones only. */
export function settledTop(timeline: Timeline, publicOnly: boolean): number {
  const statements = publicOnly ? timeline.publicStatements : timeline.statements;
  return statements.findLast((statement) => statement.standing !== 'transient')?.hi ?? 0;
}

/** The highest known id, or -1. */
export function highestId(timeline: Timeline): number {
  return timeline.all.highest;
}

interface Page {
  /** Positions of the rows that made the cut, in upstream's order. */
  readonly positions: readonly number[];
  /** The last row that made the cut, going the way the finder goes; null for a page shorter than its limit. */
  readonly edge: number | null;
  /** False where upstream's order of two of these rows, or of the edge and the row beyond it, has not been seen. */
  isOrdered(timeline: Timeline): boolean;
}

/** The known rows of the range, in upstream's order, cut at the limit. */
function cutPage(index: IdIndex, query: Query, range: IdRange): Page {
  const limit = PAGE_LIMIT[query.mode];
  const newest = takesNewest(query);
  const seen: number[] = [];
  let at = newest ? previousInRange(index, index.rows.length - 1, range) : nextInRange(index, 0, range);
  while (at >= 0 && seen.length <= limit) {
    seen.push(at);
    at = newest ? previousInRange(index, at - 1, range) : nextInRange(index, at + 1, range);
  }
  const positions = seen.slice(0, limit);
  const matters = (row: Row): boolean => includes(index, range, row);
  return {
    positions: newest ? positions.toReversed() : positions,
    edge: positions.length === limit ? positions.at(-1)! : null,
    isOrdered(timeline) {
      if (timeline.seams.size === 0) return true;
      // Of a second that is cut, which rows make the cut is known only where the order of all its rows is.
      const edge = seen[limit - 1];
      if (edge !== undefined && hasSeam(timeline, timeline.rows[edge]!.createdAt, matters)) return false;
      return seen.every((position, n) => {
        if (n === 0) return true;
        const previous = seen[n - 1]!;
        return orderIsKnown(timeline, Math.min(previous, position), Math.max(previous, position));
      });
    },
  };
}

/**
 * True for a page that takes the oldest rows and was full before the statement's time less SETTLE: a row that had not been committed
 * by then is younger than its last one, unless it is back-dated.
 */
function endsInHistory(
  timeline: Timeline,
  { askedAt }: Statement,
  query: Query,
  { edge }: Page,
  { settleMs }: Freshness,
): boolean {
  if (takesNewest(query) || edge === null) return false;
  return looksSettled(timeline.rows[edge]!.createdAt, askedAt, settleMs);
}

/** True if the rows that the statement does not know surely lie beyond the page's edge. */
function boundIsBeyond(timeline: Timeline, { unknown }: Statement, query: Query, page: Page): boolean {
  if (unknown === null) return true;
  if (page.edge === null) return false;
  const bound = takesNewest(query) ? unknown.to : unknown.from;
  if (bound === null) return false;
  const place = compareToRow(timeline, bound, page.edge);
  return place === 'at' || place === (takesNewest(query) ? 'before' : 'after');
}
