// Chatwoot's message finder: filter by id, order and limit by created_at (contract 5.1).

import type { MessageRow } from './message-row.ts';
import { isInternal } from './message-row.ts';

/** What the finder is asked. An absent cursor is a blank parameter; our `Query` has this shape too. */
export interface FinderParams {
  readonly before?: number;
  readonly after?: number;
  /** `filter_internal_messages` is not blank. */
  readonly publicOnly?: boolean;
}

/**
 * Chooses the order of rows that share a microsecond, which PostgreSQL leaves undefined (contract 5.1). Is given such rows
 * in the order of their ids, and the number of the read (1, 2, 3 …); returns the same rows in any order.
 */
export type TieOrder = (tied: readonly MessageRow[], read: number) => readonly MessageRow[];

/** The finder's limits, counted after the filter (contract 1.2, 5.1). `newest` is that of `before`, too. */
export const FINDER_LIMIT = { newest: 20, after: 100, between: 1000 } as const;

/** The finder's order, with ids breaking ties. */
export function comesBefore(first: MessageRow, second: MessageRow): boolean {
  return first.createdAtUs < second.createdAtUs || (first.createdAtUs === second.createdAtUs && first.id < second.id);
}

/** All rows of a conversation, sorted by `comesBefore`. */
export interface SortedRows {
  readonly rows: readonly MessageRow[];
  /** True where ids rise along the rows: then a range of ids is a slice. */
  readonly idsRise: boolean;
}

/** The page, oldest first. */
export function findRows(
  { rows, idsRise }: SortedRows,
  params: FinderParams,
  ties?: { readonly order: TieOrder; readonly read: number },
): readonly MessageRow[] {
  const { before, after, publicOnly = false } = params;
  const low = after === undefined ? -Infinity : before === undefined ? after + 1 : after;
  const high = before ?? Infinity;
  const matches = (row: MessageRow) => row.id >= low && row.id < high && !(publicOnly && isInternal(row));
  const from = idsRise ? firstIndexFrom(rows, low) : 0;
  const to = idsRise ? firstIndexFrom(rows, high) : rows.length;
  const newestFirst = after === undefined;
  const limit = newestFirst ? FINDER_LIMIT.newest : before === undefined ? FINDER_LIMIT.after : FINDER_LIMIT.between;
  if (ties !== undefined) {
    const ordered = orderTies(rows.slice(from, to).filter(matches), ties);
    return newestFirst ? ordered.slice(-limit) : ordered.slice(0, limit);
  }
  const page: MessageRow[] = [];
  const step = newestFirst ? -1 : 1;
  for (let index = newestFirst ? to - 1 : from; index >= from && index < to && page.length < limit; index += step) {
    const row = rows[index];
    if (row !== undefined && matches(row)) page.push(row);
  }
  return newestFirst ? page.toReversed() : page;
}

/** The index of the first row whose id is at least `id`, among rows whose ids rise. */
function firstIndexFrom(rows: readonly MessageRow[], id: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.id ?? Infinity) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

function orderTies(sorted: readonly MessageRow[], ties: { readonly order: TieOrder; readonly read: number }): MessageRow[] {
  const ordered: MessageRow[] = [];
  for (let start = 0; start < sorted.length;) {
    let end = start + 1;
    while (end < sorted.length && sorted[end]?.createdAtUs === sorted[start]?.createdAtUs) end += 1;
    const tied = sorted.slice(start, end);
    ordered.push(...(tied.length > 1 ? ties.order(tied, ties.read) : tied));
    start = end;
  }
  return ordered;
}
