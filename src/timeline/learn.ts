// Learn: add a reading to a timeline. Pure: what was known and what was read in, what is known now out.

import type { Evidence } from './frontier.ts';
import { apparentFrontier, looksSettled, MANY_ROWS } from './frontier.ts';
import { buildIdIndex, nextInRange } from './id-index.ts';
import { addRun, toRuns } from './order.ts';
import type { IdRange, MessageId } from './query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from './query.ts';
import type { Reading, Row } from './reading.ts';
import type { Place, Statement, Statements, Window } from './statement.ts';
import { assert, retract, unsettle } from './statement.ts';
import type { KnownRow, Timeline } from './timeline.ts';
import { EMPTY_TIMELINE, findRow, firstOfSecond } from './timeline.ts';

export interface LearnContext {
  /** `vouchedFrontier` as of the moment the reading was sent. */
  readonly vouched: number;
  readonly settleMs: number;
  /** Statements read before this moment (ms) are too old to be of use and yield to any newer one. */
  readonly expiredBefore: number;
}

/**
 * - `learnt`: the timeline holds what the reading showed.
 * - `contradiction`: the reading showed a row that could not exist; all earlier knowledge of the conversation was dropped.
 * - `outdated`: a reading sent later has already told otherwise; nothing was taken.
 * - `foreign`: the reading is not what Chatwoot's finder would answer (a fork?); nothing was taken.
 */
export type LearnOutcome = 'learnt' | 'contradiction' | 'outdated' | 'foreign';

export interface Learnt {
  readonly timeline: Timeline;
  readonly outcome: LearnOutcome;
}

export function learn(timeline: Timeline, reading: Reading, context: LearnContext): Learnt {
  if (!followsTheFinder(reading)) return { timeline, outcome: 'foreign' };
  const surprise = findSurprise(timeline, reading);
  // A reading sent before another that was learnt may show what has been deleted meanwhile: no contradiction, old news.
  if (surprise === 'outdated' || (surprise !== null && reading.askedAt < timeline.learntUpTo))
    return { timeline, outcome: 'outdated' };
  if (surprise === 'contradiction') {
    const afresh = { ...EMPTY_TIMELINE, contradictions: timeline.contradictions + 1 };
    return { timeline: add(afresh, reading, context), outcome: 'contradiction' };
  }
  return { timeline: add(timeline, reading, context), outcome: 'learnt' };
}

/**
 * True if the rows are those of the query, in the finder's order. Not so where another version pages by other rules, or something
 * in between dropped parameters: what such a page proves is unknown.
 */
export function followsTheFinder({ query, rows }: Reading): boolean {
  const { lo, hi } = idRange(query);
  return (
    rows.length <= PAGE_LIMIT[query.mode] &&
    rows.every((row) => row.id >= lo && row.id < hi && !(query.publicOnly && row.internal)) &&
    rows.every((row, at) => at === 0 || rows[at - 1]!.createdAt <= row.createdAt)
  );
}

/** What lies beyond the bound of a page: nothing for one shorter than its limit (design: prove or forward). */
function windowOf({ query, rows }: Reading): Window | null {
  if (rows.length < PAGE_LIMIT[query.mode]) return null;
  const edge = takesNewest(query) ? rows[0]! : rows.at(-1)!;
  const place = { createdAt: edge.createdAt, id: edge.id };
  return takesNewest(query) ? { from: null, to: place } : { from: place, to: null };
}

/** True if a row of this second surely lies outside what the window leaves unknown. */
function isOutside(window: Window | null, second: number): boolean {
  if (window === null) return true;
  return (window.from !== null && second < window.from.createdAt) || (window.to !== null && second > window.to.createdAt);
}

/** What says of a row that is not known that it was not there. */
function denials({ statements, publicStatements }: Timeline, row: Row): readonly Statement[] {
  const of = denial(statements, row);
  const ofPublic = row.internal ? null : denial(publicStatements, row);
  if (of === null) return ofPublic === null ? NO_STATEMENTS : [ofPublic];
  return ofPublic === null ? [of] : [of, ofPublic];
}

const NO_STATEMENTS: Statements = [];

function denial(statements: Statements, { id, createdAt }: Row): Statement | null {
  for (const about of statements) {
    if (id >= about.lo && id < about.hi) return isOutside(about.unknown, createdAt) ? about : null;
  }
  return null;
}

function findSurprise(timeline: Timeline, reading: Reading): 'contradiction' | 'outdated' | null {
  let surprise: 'contradiction' | null = null;
  for (const row of reading.rows) {
    const known = findRow(timeline, row.id);
    if (known !== undefined && known.createdAt === row.createdAt) continue;
    if (known !== undefined) {
      if (known.readAt > reading.askedAt) return 'outdated';
      surprise = 'contradiction';
      continue;
    }
    for (const about of denials(timeline, row)) {
      if (about.askedAt > reading.askedAt) return 'outdated';
      if (about.standing !== 'transient') surprise = 'contradiction';
    }
  }
  return surprise;
}

function add(timeline: Timeline, reading: Reading, context: LearnContext): Timeline {
  const { query, envelope, askedAt } = reading;
  const window = windowOf(reading);
  const range = idRange(query);
  const { gone: goneNow, later } = findMissing(timeline, reading, range, window);
  const { rows, seams } = mergeRows(timeline, reading, goneNow);
  const gone = rememberGone(timeline, goneNow);

  // What is read now may show that what earlier readings rest on is back-dated.
  const late = rememberLate(timeline, reading, { later, gone: goneNow, settleMs: context.settleMs });
  const evidence = { rows, gone, late };
  const settledAt = (at: number): MessageId => apparentFrontier(evidence, at, context.settleMs, 1);
  let statements = unsettle(timeline.statements, settledAt);
  let publicStatements = unsettle(timeline.publicStatements, settledAt);
  for (const piece of pieces(range, window, askedAt, evidence, context)) {
    publicStatements = assert(publicStatements, piece, context.expiredBefore);
    if (!query.publicOnly) statements = assert(statements, piece, context.expiredBefore);
  }
  // A row that left the public page may have become internal: about that id the other statements no longer know.
  if (query.publicOnly) statements = retractIds(statements, goneNow);

  const newest = timeline.envelope === null || timeline.envelope.askedAt <= askedAt;
  const known = newest ? { head: envelope.head, tail: envelope.tail, askedAt } : timeline.envelope;
  return {
    rows,
    seams,
    gone,
    late,
    all: buildIdIndex(rows, false),
    public: buildIdIndex(rows, true),
    statements,
    publicStatements,
    envelope: known,
    rawBytes: rows.reduce((sum, row) => sum + row.raw.length, known.head.length + known.tail.length),
    learntUpTo: Math.max(timeline.learntUpTo, askedAt),
    contradictions: timeline.contradictions,
  };
}

function retractIds(statements: Statements, ids: ReadonlySet<MessageId>): Statements {
  let rest = statements;
  for (const id of ids) rest = retract(rest, { lo: id, hi: id + 1 });
  return rest;
}

/** Cuts what the reading states at the frontiers: below, it stays true; above, it was true when it was asked. */
function pieces(range: IdRange, unknown: Window | null, askedAt: number, evidence: Evidence, context: LearnContext): Statement[] {
  const settled = Math.max(context.vouched, apparentFrontier(evidence, askedAt, context.settleMs, MANY_ROWS));
  const apparent = Math.max(settled, apparentFrontier(evidence, askedAt, context.settleMs, 1));
  const cut = (lo: number, hi: number, standing: Statement['standing']): Statement => {
    return { lo: Math.max(lo, range.lo), hi: Math.min(hi, range.hi), unknown, standing, askedAt };
  };
  return [cut(0, settled, 'durable'), cut(settled, apparent, 'settling'), cut(apparent, Infinity, 'transient')];
}

interface Missing {
  /** Rows that are not there any more. */
  readonly gone: ReadonlySet<MessageId>;
  /** Rows that were not there yet: what was sent after this reading has shown them. */
  readonly later: readonly KnownRow[];
}

/** Known rows that the reading would have shown, were they there. Within the second of its bound nothing is sure. */
function findMissing(timeline: Timeline, reading: Reading, range: IdRange, window: Window | null): Missing {
  const index = reading.query.publicOnly ? timeline.public : timeline.all;
  let shown: ReadonlySet<MessageId> | undefined;
  const start = window?.to ? firstOfSecond(timeline.rows, window.to.createdAt + 1) : 0;
  const gone = new Set<MessageId>();
  const later: KnownRow[] = [];
  for (let at = nextInRange(index, start, range); at >= 0; at = nextInRange(index, at + 1, range)) {
    const row = timeline.rows[at]!;
    if (window?.from && row.createdAt >= window.from.createdAt) break;
    shown ??= new Set(reading.rows.map(({ id }) => id));
    if (shown.has(row.id)) continue;
    if (row.readAt < reading.askedAt) gone.add(row.id);
    else later.push(row);
  }
  return { gone, later };
}

/** The rows known to be back-dated: those before, those that this reading does not show yet, and those that it shows and earlier ones do not. */
function rememberLate(
  timeline: Timeline,
  reading: Reading,
  { later, gone, settleMs }: Missing & { readonly settleMs: number },
): ReadonlySet<MessageId> {
  const found = later.filter((row) => looksSettled(row.createdAt, reading.askedAt, settleMs)).map(({ id }) => id);
  for (const row of reading.rows) {
    if (findRow(timeline, row.id) !== undefined) continue;
    for (const about of denials(timeline, row)) {
      if (looksSettled(row.createdAt, about.askedAt, settleMs)) found.push(row.id);
    }
  }
  if (found.length === 0 && ![...gone].some((id) => timeline.late.has(id))) return timeline.late;
  return new Set([...timeline.late, ...found].filter((id) => !gone.has(id)));
}

/** More than vanish from one conversation before the ids around them are vouched for. */
export const GONE_MAX = 32;

/** What was known to be gone, and `ids`. Beyond the bound the oldest become one that shows up whatever any of them did. */
function rememberGone(timeline: Timeline, ids: ReadonlySet<MessageId>): readonly Place[] {
  if (ids.size === 0) return timeline.gone;
  const now = [...ids].map((id): Place => ({ id, createdAt: findRow(timeline, id)!.createdAt }));
  const before = timeline.gone.filter(
    (place) => !now.some(({ id, createdAt }) => id === place.id && createdAt === place.createdAt),
  );
  const gone = [...before, ...now].toSorted((a, b) => a.createdAt - b.createdAt);
  if (gone.length <= GONE_MAX) return gone;
  const oldest = gone.splice(0, gone.length - GONE_MAX + 1);
  return [{ id: Math.min(...oldest.map(({ id }) => id)), createdAt: oldest.at(-1)!.createdAt }, ...gone];
}

/** Puts the reading's rows in, second by second, and takes out those that are gone. */
function mergeRows(
  timeline: Timeline,
  reading: Reading,
  gone: ReadonlySet<MessageId>,
): { rows: readonly KnownRow[]; seams: ReadonlySet<MessageId> } {
  const read = reading.rows.map((row) => newerOf(timeline, row, reading.askedAt));
  const place = gone.size === 0 ? placeBetween(timeline.rows, read) : null;
  if (place !== null) {
    return { rows: [...timeline.rows.slice(0, place), ...read, ...timeline.rows.slice(place)], seams: timeline.seams };
  }
  const shownIn = groupBySecond(read);
  const touched = new Set(shownIn.keys());
  for (const id of gone) touched.add(findRow(timeline, id)!.createdAt);

  const rows: KnownRow[][] = [];
  const seams = new Set(timeline.seams);
  let copiedTo = 0;
  for (const second of [...touched].toSorted((a, b) => a - b)) {
    const start = firstOfSecond(timeline.rows, second);
    const end = firstOfSecond(timeline.rows, second + 1);
    if (start > copiedTo) rows.push(timeline.rows.slice(copiedTo, start));
    copiedTo = end;
    const shown = shownIn.get(second);
    if (start === end && shown !== undefined) {
      rows.push(shown);
      continue;
    }
    const old = timeline.rows.slice(start, end);
    const before = toRuns(old, timeline.seams).map((run) => run.filter((row) => !gone.has(row.id)));
    const runs = (shown === undefined ? before : addRun(before, shown)).filter((run) => run.length > 0);
    for (const row of old) seams.delete(row.id);
    for (const run of runs.slice(1)) seams.add(run[0]!.id);
    rows.push(runs.flat());
  }
  rows.push(timeline.rows.slice(copiedTo));
  return { rows: rows.flat(), seams };
}

/** Where these rows stand, all of them between the same two known ones, none of whose seconds is theirs; null where they do not. */
function placeBetween(known: readonly KnownRow[], rows: readonly KnownRow[]): number | null {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return null;
  const place = firstOfSecond(known, first.createdAt);
  return place === firstOfSecond(known, last.createdAt + 1) ? place : null;
}

function newerOf(timeline: Timeline, row: Row, askedAt: number): KnownRow {
  const known = findRow(timeline, row.id);
  if (known !== undefined && known.readAt > askedAt) return known;
  const { id, createdAt, internal, imported = false, raw } = row;
  return { id, createdAt, internal, imported, raw, readAt: askedAt };
}

function groupBySecond(rows: readonly KnownRow[]): Map<number, KnownRow[]> {
  const groups = new Map<number, KnownRow[]>();
  for (const row of rows) {
    const group = groups.get(row.createdAt);
    if (group === undefined) groups.set(row.createdAt, [row]);
    else group.push(row);
  }
  return groups;
}
