// Compares a proved answer with what upstream says to the same query a moment later: the shadow check.

import type { MessageId, Query } from './query.ts';
import { PAGE_LIMIT, takesNewest } from './query.ts';
import type { Row } from './reading.ts';

/**
 * - `same`: the same rows in the same order.
 * - `explained`: new rows came in at the tail, or pushed others off the page, or rows that may share a microsecond took each
 *   other's place at its edge.
 * - `deleted`: rows are not there any more, `gone` among them; whether they really were deleted, reading one will tell.
 * - `different`: what was proved does not follow for this upstream.
 */
export type Comparison =
  | { readonly kind: 'same' | 'explained' | 'different' }
  | { readonly kind: 'deleted'; readonly gone: readonly MessageId[] };

/**
 * @param proved the answer that was given.
 * @param read what upstream answered to the same query afterwards.
 * @param tailFrom ids from here up were not settled when the answer was proved: rows may have come in there.
 */
export function compareAnswers(query: Query, proved: readonly Row[], read: readonly Row[], tailFrom: MessageId): Comparison {
  const provedIds = new Set(proved.map((row) => row.id));
  const readIds = new Set(read.map((row) => row.id));
  if (!keepsOrder(proved, read, readIds)) return { kind: 'different' };
  const arrived = read.filter((row) => !provedIds.has(row.id) && row.id >= tailFrom);
  const appeared = read.filter((row) => !provedIds.has(row.id) && row.id < tailFrom);
  const gone = proved.filter((row) => !readIds.has(row.id));
  if (arrived.length === 0 && appeared.length === 0 && gone.length === 0) return { kind: 'same' };

  const fromFarEnd = (rows: readonly Row[]): readonly Row[] => (takesNewest(query) ? rows : rows.toReversed());
  // Upstream puts rows of one microsecond in any order, and the JSON shows seconds. So of the edge's second any row may be on
  // the page, and rows there are counted, not looked at.
  const edge = proved.length === PAGE_LIMIT[query.mode] ? fromFarEnd(proved)[0] : undefined;
  const traded = appeared.filter((row) => row.createdAt === edge?.createdAt);
  // Rows that arrive push as many off the far end of a full page; rows that go let as many older ones slide in there.
  const deleted = withoutSeconds(gone, [...fromFarEnd(proved).slice(0, arrived.length), ...traded]);
  const slidIn = [...fromFarEnd(read).slice(0, deleted.length), ...gone.filter((row) => row.createdAt === edge?.createdAt)];
  if (withoutSeconds(appeared, slidIn).length > 0) return { kind: 'different' };
  return deleted.length === 0 ? { kind: 'explained' } : { kind: 'deleted', gone: deleted.map((row) => row.id) };
}

/** Rows less one of the same second for each of `taken`. */
function withoutSeconds(rows: readonly Row[], taken: readonly Row[]): Row[] {
  const left = new Map<number, number>();
  for (const { createdAt } of taken) left.set(createdAt, (left.get(createdAt) ?? 0) + 1);
  return rows.filter(({ createdAt }) => {
    const count = left.get(createdAt) ?? 0;
    left.set(createdAt, count - 1);
    return count <= 0;
  });
}

/** Rows that both have, in the same order; those of one second may share a microsecond and trade places. */
function keepsOrder(proved: readonly Row[], read: readonly Row[], readIds: ReadonlySet<MessageId>): boolean {
  const provedAt = new Map(proved.filter((row) => readIds.has(row.id)).map((row, at) => [row.id, at]));
  const common = read.filter((row) => provedAt.has(row.id));
  return common.every((row, at) => {
    const next = common[at + 1];
    return next === undefined || row.createdAt === next.createdAt || provedAt.get(row.id)! < provedAt.get(next.id)!;
  });
}
