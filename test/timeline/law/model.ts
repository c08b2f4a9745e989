// A small model of Chatwoot's messages of one conversation: who wrote what when, and what the finder may answer.

import type { Query } from '../../../src/timeline/query.ts';

export interface ModelRow {
  readonly id: number;
  /** Microseconds since the epoch. */
  readonly us: number;
  readonly internal: boolean;
  imported?: boolean;
  /** A higher id had been handed out before. */
  readonly isBelowOthers: boolean;
  /** When it became visible, or null while its transaction is open. */
  committedAt: number | null;
  /** When it vanished without a word. */
  deletedAt: number | null;
  /** When each version of its content was written; a version is current until the next. */
  readonly versions: number[];
}

export type Limits = Record<Query['mode'], number>;

export function isVisible(row: ModelRow, at: number): boolean {
  return row.committedAt !== null && row.committedAt <= at && (row.deletedAt === null || row.deletedAt > at);
}

/** Rows that the query's filter lets through. */
export function matches(row: ModelRow, query: Query): boolean {
  if (query.publicOnly && row.internal) return false;
  switch (query.mode) {
    case 'latest':
      return true;
    case 'before':
      return row.id < query.before;
    case 'after':
      return row.id > query.after;
    case 'between':
      return row.id >= query.after && row.id < query.before;
  }
}

const newestFirst = (query: Query): boolean => query.mode === 'latest' || query.mode === 'before';

/** The finder's answer over these rows. `tie` orders rows of one microsecond, as PostgreSQL is free to. */
export function find(rows: readonly ModelRow[], query: Query, limits: Limits, tie: (id: number) => number): ModelRow[] {
  const sorted = rows.filter((row) => matches(row, query)).toSorted((a, b) => a.us - b.us || tie(a.id) - tie(b.id));
  return newestFirst(query) ? sorted.slice(-limits[query.mode]) : sorted.slice(0, limits[query.mode]);
}

/** Null if the answer is one that the finder may give over these rows; else what is wrong with it. */
export function whyNotPermitted(
  answer: readonly ModelRow[],
  rows: readonly ModelRow[],
  query: Query,
  limits: Limits,
): string | null {
  const candidates = rows.filter((row) => matches(row, query));
  if (answer.some((row, at) => at > 0 && answer[at - 1]!.us > row.us)) return 'rows out of order';
  if (answer.some((row) => !candidates.includes(row))) return 'a row that does not belong';
  if (answer.length !== Math.min(limits[query.mode], candidates.length)) return 'the wrong number of rows';
  const left = candidates.filter((row) => !answer.includes(row));
  const edge = newestFirst(query) ? answer[0] : answer.at(-1);
  if (edge === undefined) return null;
  const beyond = (row: ModelRow): boolean => (newestFirst(query) ? row.us <= edge.us : row.us >= edge.us);
  return left.every(beyond) ? null : 'a row that should be there is missing';
}
