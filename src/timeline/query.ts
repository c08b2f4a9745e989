// What is asked of a conversation, in the canonical form that everything behind the route works with.

/** A whole-number message id or cursor, 0 up to `Number.MAX_SAFE_INTEGER`. */
export type MessageId = number;

/**
 * One of the four questions that Chatwoot's finder answers (contract 5.1). `publicOnly` is its `filter_internal_messages`:
 * private notes and activities are dropped before the page is cut.
 */
export type Query =
  | { readonly mode: 'latest'; readonly publicOnly: boolean }
  | { readonly mode: 'before'; readonly before: MessageId; readonly publicOnly: boolean }
  | { readonly mode: 'after'; readonly after: MessageId; readonly publicOnly: boolean }
  | { readonly mode: 'between'; readonly after: MessageId; readonly before: MessageId; readonly publicOnly: boolean };

/** The finder's LIMIT for each mode (contract 5.1). */
export const PAGE_LIMIT = { latest: 20, before: 20, after: 100, between: 1000 } as const satisfies Record<Query['mode'], number>;

/** A half-open range of ids, `lo` included and `hi` not. `hi` may be `Infinity`. */
export interface IdRange {
  readonly lo: number;
  readonly hi: number;
}

/** A cursor at the end of all numbers leaves no id out. */
function end(before: MessageId): number {
  return before === Number.MAX_SAFE_INTEGER ? Infinity : before;
}

/** The ids that a query speaks of. Mind that `after` alone excludes its cursor and `between` includes it (contract 5.1). */
export function idRange(query: Query): IdRange {
  switch (query.mode) {
    case 'latest':
      return { lo: 0, hi: Infinity };
    case 'before':
      return { lo: 0, hi: end(query.before) };
    case 'after':
      return { lo: query.after === 0 ? 0 : query.after + 1, hi: Infinity }; // There is no id 0.
    case 'between':
      return { lo: query.after, hi: end(query.before) };
  }
}

/** True where the finder takes the newest rows of the range, false where it takes the oldest. */
export function takesNewest(query: Query): boolean {
  return query.mode === 'latest' || query.mode === 'before';
}

/** One string for each query, equal for equal queries only. */
export function queryKey(query: Query): string {
  const filter = query.publicOnly ? 'public' : 'all';
  switch (query.mode) {
    case 'latest':
      return `latest ${filter}`;
    case 'before':
      return `before ${query.before} ${filter}`;
    case 'after':
      return `after ${query.after} ${filter}`;
    case 'between':
      return `between ${query.after} ${query.before} ${filter}`;
  }
}
