// A timeline: all that is known of one conversation. An immutable value; `learn` makes the next one, `prove` reads it.

import type { IdIndex } from './id-index.ts';
import { buildIdIndex, nextInRange } from './id-index.ts';
import type { MessageId } from './query.ts';
import type { Envelope, Row } from './reading.ts';
import type { Place, Statements } from './statement.ts';

/** A row and when the reading that showed it last was sent (ms). */
export interface KnownRow extends Row {
  readonly readAt: number;
}

/** The envelope (`meta`) and when it was asked for (ms). It lives its own life, apart from the rows. */
export interface KnownEnvelope extends Envelope {
  readonly askedAt: number;
}

export interface Timeline {
  /** In upstream's order: by second, within a second in runs (order.ts). */
  readonly rows: readonly KnownRow[];
  readonly seams: ReadonlySet<MessageId>;
  /** Rows that were known once, by second: what they show of the others' created_at stays true (frontier.ts). */
  readonly gone: readonly Place[];
  /** Rows that were not there yet when, by their created_at, their ids had been handed out for long: they are back-dated (frontier.ts). */
  readonly late: ReadonlySet<MessageId>;
  /** Indexes over `rows`: all of them, and those that pass the internal filter. */
  readonly all: IdIndex;
  readonly public: IdIndex;
  /** What readings prove about all rows, and about those that pass the internal filter. */
  readonly statements: Statements;
  readonly publicStatements: Statements;
  readonly envelope: KnownEnvelope | null;
  /** Bytes that rows and envelope hold. */
  readonly rawBytes: number;
  /** When the newest reading that was learnt was sent, ms. */
  readonly learntUpTo: number;
  /** How often a reading showed what a durable statement ruled out. */
  readonly contradictions: number;
}

const NOTHING = buildIdIndex([], false);

export const EMPTY_TIMELINE: Timeline = {
  rows: [],
  seams: new Set(),
  gone: [],
  late: new Set(),
  all: NOTHING,
  public: { ...NOTHING, publicOnly: true },
  statements: [],
  publicStatements: [],
  envelope: null,
  rawBytes: 0,
  learntUpTo: -Infinity,
  contradictions: 0,
};

/** What a row costs beside its bytes: its object, its raw string's header, its place in the rows and the indexes. */
const ROW_OVERHEAD_BYTES = 136;
const STATEMENT_BYTES = 200;
const PLACE_BYTES = 40;
const TIMELINE_BYTES = 1000;

/** About what a timeline holds of memory, in bytes (measured by `npm run bench`). */
export function memoryBytes(timeline: Timeline): number {
  const statements = timeline.statements.length + timeline.publicStatements.length;
  const overhead = timeline.rows.length * ROW_OVERHEAD_BYTES + statements * STATEMENT_BYTES + timeline.gone.length * PLACE_BYTES;
  return TIMELINE_BYTES + timeline.rawBytes + overhead;
}

/** The position of the first row of `second` or later. */
export function firstOfSecond(rows: readonly Row[], second: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.createdAt < second) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The known row with this id, or undefined. */
export function findRow(timeline: Timeline, id: MessageId): KnownRow | undefined {
  if (id > timeline.all.highest) return undefined;
  const at = nextInRange(timeline.all, 0, { lo: id, hi: id + 1 });
  return at < 0 ? undefined : timeline.rows[at];
}

/** True if upstream surely orders the row at position `a` before the one at position `b` (`a < b`), or puts them level. */
export function orderIsKnown(timeline: Timeline, a: number, b: number): boolean {
  const { rows, seams } = timeline;
  if (rows[a]!.createdAt < rows[b]!.createdAt || seams.size === 0) return true;
  for (let at = a + 1; at <= b; at++) if (seams.has(rows[at]!.id)) return false;
  return true;
}

/** True if the order of this second's rows is not known throughout, among those that `matters` holds for. */
export function hasSeam({ rows, seams }: Timeline, second: number, matters: (row: Row) => boolean): boolean {
  let run = 0;
  let runThatMatters: number | null = null;
  for (let at = firstOfSecond(rows, second); at < rows.length && rows[at]!.createdAt === second; at++) {
    if (seams.has(rows[at]!.id)) run++;
    if (!matters(rows[at]!)) continue;
    if (runThatMatters !== null && runThatMatters !== run) return true;
    runThatMatters = run;
  }
  return false;
}

/** Where `place` surely stands against the row at `position`: at or before it, at or after it, or neither is known. */
export function compareToRow(timeline: Timeline, place: Place, position: number): 'at' | 'before' | 'after' | 'unknown' {
  const row = timeline.rows[position]!;
  if (place.id === row.id) return 'at';
  if (place.createdAt !== row.createdAt) return place.createdAt < row.createdAt ? 'before' : 'after';
  for (let at = firstOfSecond(timeline.rows, row.createdAt); at < timeline.rows.length; at++) {
    const other = timeline.rows[at]!;
    if (other.createdAt !== row.createdAt) break;
    if (other.id !== place.id) continue;
    if (!orderIsKnown(timeline, Math.min(at, position), Math.max(at, position))) return 'unknown';
    return at < position ? 'before' : 'after';
  }
  return 'unknown';
}
