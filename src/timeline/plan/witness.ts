// The witness: a read of the row at a page's cursor, which tells how long the page stays true.
//
//   ids   ├──── the page ────┤ top │  ?  │ cursor
//                                  └─────┘ read: the row at the cursor, most often there

import { highestId, settledTop } from '../prove.ts';
import type { Query } from '../query.ts';
import type { Timeline } from '../timeline.ts';
import { readOf } from './planned.ts';

/**
 * A history page says nothing of when the ids between its newest row and its cursor were handed out. The row at the cursor,
 * for a cursor most often is the id of a row, does. Null where a higher row is known already, where the page is young, and
 * where this was asked before and no row is there.
 */
export function planWitness(timeline: Timeline, query: Query): Query | null {
  if (query.mode !== 'before' || query.before >= Number.MAX_SAFE_INTEGER) return null;
  const { before: cursor } = query;
  const top = highestId(timeline);
  if (top < 0 || top >= cursor || settledTop(timeline, query.publicOnly) <= top) return null;
  const about = timeline.statements.find(({ lo, hi }) => cursor >= lo && cursor < hi);
  const wasAsked = about !== undefined && (about.unknown === null || about.unknown.from !== null);
  return wasAsked ? null : readOf({ lo: top + 1, hi: cursor + 1 });
}
