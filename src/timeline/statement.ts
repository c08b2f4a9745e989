// A statement: what readings prove about an id range. Within ids [lo, hi) every message is known, except ones that lie in
// a window of upstream's order, `unknown`.
//
//   ids        lo ├────────────────────┤ hi
//   order      known │ from ░░░ unknown ░░░ to │ known
//
// A `before` page that is full knows what is newer than its oldest row: window (-∞, ROW]. An `after` page that is full knows
// what is older than its newest: window [ROW, ∞). A page shorter than its limit knows everything: no window. Where two
// statements speak of the same ids, what neither knows is the intersection.

import type { IdRange, MessageId } from './query.ts';

/** A row as a place in upstream's order. */
export interface Place {
  readonly createdAt: number;
  readonly id: MessageId;
}

/** Unknown rows are at or after `from` and at or before `to` in upstream's order; `null` is without end. */
export interface Window {
  readonly from: Place | null;
  readonly to: Place | null;
}

/**
 * How long a statement is true.
 * - `durable`: its ids were settled when it was read; only age limits it.
 * - `settling`: settled to all appearance (see frontier.ts); believed for SETTLE, or until what it rests on proves back-dated.
 * - `transient`: true as of `askedAt`; believed for TAIL_MAX_AGE.
 */
export type Standing = 'durable' | 'settling' | 'transient';

export interface Statement extends IdRange {
  readonly unknown: Window | null;
  readonly standing: Standing;
  /** When the oldest reading that it rests on was sent, ms. */
  readonly askedAt: number;
}

/** Statements about one kind of rows: sorted by id, disjoint, neighbours that say the same joined. */
export type Statements = readonly Statement[];

/** More than a walk of a 4,000-row conversation in pages of 20 leaves behind; beyond it the oldest knowledge goes first. */
export const STATEMENTS_MAX = 256;

const RANK: Record<Standing, number> = { transient: 0, settling: 1, durable: 2 };

/**
 * Adds a statement. On ids that an earlier one speaks of too, the one of better standing holds; between equals the newer
 * one where it knows as much, else both together, as old as the older. What was read before `expiredBefore` (ms) yields.
 */
export function assert(statements: Statements, added: Statement, expiredBefore: number): Statements {
  if (added.lo >= added.hi) return statements;
  const result: Statement[] = [];
  let from = added.lo;
  for (const old of statements) {
    if (old.hi <= added.lo) {
      result.push(old);
      continue;
    }
    if (old.lo >= added.hi) {
      if (from < added.hi) result.push({ ...added, lo: from });
      from = added.hi;
      result.push(old);
      continue;
    }
    // (A) old sticks out below   (B) a gap that only the added one covers   (C) both   (D) old sticks out above
    if (old.lo < added.lo) result.push({ ...old, hi: added.lo });
    if (from < old.lo) result.push({ ...added, lo: from, hi: old.lo });
    const lo = Math.max(old.lo, added.lo);
    const hi = Math.min(old.hi, added.hi);
    result.push({ ...(old.askedAt < expiredBefore ? added : combine(old, added)), lo, hi });
    if (old.hi > added.hi) result.push({ ...old, lo: added.hi });
    from = hi;
  }
  if (from < added.hi) result.push({ ...added, lo: from });
  return bounded(joined(result));
}

/** Takes every word about `range` back. */
export function retract(statements: Statements, range: IdRange): Statements {
  const rest = statements.flatMap((old) => {
    if (old.hi <= range.lo || old.lo >= range.hi) return [old];
    const left: Statement[] = [];
    if (old.lo < range.lo) left.push({ ...old, hi: range.lo });
    if (old.hi > range.hi) left.push({ ...old, lo: range.hi });
    return left;
  });
  return bounded(rest);
}

/** What only seemed to be settled is not, where `settledAt` of when it was read (ms) says so by now: there it was true as of then. */
export function unsettle(statements: Statements, settledAt: (askedAt: number) => MessageId): Statements {
  if (!statements.some(({ standing }) => standing === 'settling')) return statements;
  const cut = statements.flatMap((old): Statement[] => {
    if (old.standing !== 'settling') return [old];
    const settled = Math.max(old.lo, Math.min(old.hi, settledAt(old.askedAt)));
    return [
      { ...old, hi: settled },
      { ...old, lo: settled, standing: 'transient' },
    ];
  });
  return bounded(joined(cut.filter(({ lo, hi }) => lo < hi)));
}

function combine(old: Statement, added: Statement): Statement {
  if (RANK[old.standing] !== RANK[added.standing]) return RANK[old.standing] > RANK[added.standing] ? old : added;
  const [older, newer] = old.askedAt <= added.askedAt ? [old, added] : [added, old];
  if (newer.standing === 'transient' || within(newer.unknown, older.unknown)) return newer;
  return { ...older, unknown: intersection(older.unknown, newer.unknown) };
}

/** True if `inner` leaves nothing unknown that `outer` knows. Places of one second that differ count as not comparable. */
function within(inner: Window | null, outer: Window | null): boolean {
  if (inner === null) return true;
  if (outer === null) return false;
  const startsWithin = outer.from === null || (inner.from !== null && isAtOrBefore(outer.from, inner.from));
  const endsWithin = outer.to === null || (inner.to !== null && isAtOrBefore(inner.to, outer.to));
  return startsWithin && endsWithin;
}

function isAtOrBefore(a: Place, b: Place): boolean {
  return a.createdAt < b.createdAt || a.id === b.id;
}

function intersection(a: Window | null, b: Window | null): Window | null {
  if (a === null || b === null) return null;
  const from = a.from === null || (b.from !== null && a.from.createdAt < b.from.createdAt) ? b.from : a.from;
  const to = a.to === null || (b.to !== null && b.to.createdAt < a.to.createdAt) ? b.to : a.to;
  return from !== null && to !== null && to.createdAt < from.createdAt ? null : { from, to };
}

function saysTheSame(a: Statement, b: Statement): boolean {
  return (
    a.standing === b.standing &&
    (a.unknown === b.unknown ||
      (a.unknown !== null &&
        b.unknown !== null &&
        a.unknown.from?.id === b.unknown.from?.id &&
        a.unknown.to?.id === b.unknown.to?.id))
  );
}

function joined(statements: Statements): Statement[] {
  const result: Statement[] = [];
  for (const next of statements) {
    const last = result.at(-1);
    if (last !== undefined && last.hi === next.lo && last.askedAt === next.askedAt && saysTheSame(last, next)) {
      result[result.length - 1] = { ...last, hi: next.hi };
    } else result.push(next);
  }
  return result;
}

function bounded(statements: Statement[]): Statement[] {
  if (statements.length <= STATEMENTS_MAX) return statements;
  // First join neighbours that differ in age only, at the price of the older age; then forget the oldest.
  const result: Statement[] = [];
  for (const next of statements) {
    const last = result.at(-1);
    if (last !== undefined && last.hi === next.lo && saysTheSame(last, next)) {
      result[result.length - 1] = { ...last, hi: next.hi, askedAt: Math.min(last.askedAt, next.askedAt) };
    } else result.push(next);
  }
  while (result.length > STATEMENTS_MAX) {
    const oldest = result.reduce((min, statement, at) => (statement.askedAt < result[min]!.askedAt ? at : min), 0);
    result.splice(oldest, 1);
  }
  return result;
}
