// The frontier: the id below which every id is surely committed.
//
// Chatwoot hands out an id at INSERT and shows the row at COMMIT, so a lower id can appear after a higher one was read
// (contract 5.2). What bounds the delay is the time since the id was *handed out*. Two kinds of evidence speak of that:
//
//   vouched   an id no higher than one that this process saw SETTLE ago, in any conversation. Ids are one sequence for the
//             installation, so it was handed out at least that long ago. What can fool this, and how that shows: sequence.ts.
//   apparent  an id no higher than a row of the same conversation whose created_at is SETTLE old. A back-dated row lies
//             about that, so what rests on a few rows is believed for SETTLE only, by when ids that were seen vouch for it.
//             Where `MANY_ROWS` say so it is believed for good: what back-dates messages one by one (contract 5.3) does not
//             add as many to one conversation within SETTLE, while a lower id of it is still uncommitted. Imports do, so
//             their rows are no witnesses at all.

import type { MessageId } from './query.ts';
import type { Row } from './reading.ts';
import type { Place } from './statement.ts';

interface Mark {
  readonly id: MessageId;
  readonly seenAt: number;
}

/** The highest ids seen in the installation over the last two SETTLE, coarsened to sixteenths of SETTLE. Ascending in both fields. */
export type SeenIds = readonly Mark[];

const MARKS_PER_SETTLE = 16;

/** Adds to `seen` that `id` was read in an answer that arrived at `seenAt` (ms). Keeps at most 34 marks. */
export function sawId(seen: SeenIds, id: MessageId, seenAt: number, settleMs: number): SeenIds {
  const last = seen.at(-1);
  if (last !== undefined && id <= last.id) return seen;
  const bucketMs = Math.max(1, settleMs / MARKS_PER_SETTLE);
  const sameBucket = last !== undefined && Math.floor(last.seenAt / bucketMs) >= Math.floor(seenAt / bucketMs);
  const kept = sameBucket ? seen.slice(0, -1) : seen;
  const next = [...kept, { id, seenAt: sameBucket ? Math.max(last.seenAt, seenAt) : seenAt }];
  const firstNeeded = next.findLastIndex((mark) => mark.seenAt <= seenAt - 2 * settleMs);
  return firstNeeded > 0 ? next.slice(firstNeeded) : next;
}

/** One above the highest id that had been seen `settleMs` before `at`: everything below it is committed. 0 without evidence. */
export function vouchedFrontier(seen: SeenIds, at: number, settleMs: number): number {
  const settled = seen.findLast((mark) => mark.seenAt <= at - settleMs);
  return settled === undefined ? 0 : settled.id + 1;
}

/** created_at is cut to seconds, and is taken a little before the id is: both make a row look older than its id. */
const CREATED_AT_SLACK_MS = 2000;

/** So many rows back-dated by one source within SETTLE are not to be expected. */
export const MANY_ROWS = 20;

/** What is known of a conversation's rows, each in order of created_at. */
export interface Evidence {
  readonly rows: readonly Row[];
  /** Rows that were known once. They bear no witness, and what they show of others stays true. */
  readonly gone: readonly Place[];
  /** Rows that are known to be back-dated. They bear no witness either. */
  readonly late: ReadonlySet<MessageId>;
}

/** Whether the id of a row had been handed out SETTLE before `at` (ms), by its created_at. */
export function looksSettled(createdAt: number, at: number, settleMs: number): boolean {
  return createdAt * 1000 + CREATED_AT_SLACK_MS <= at - settleMs;
}

/**
 * One above the highest id that `witnesses` of the rows show to be SETTLE old by their created_at. A row above a lower id
 * that is known to be younger, or was, is no witness: it is back-dated and says nothing about when its id was handed out. Nor
 * is one that came later than it says, or an imported one.
 */
export function apparentFrontier({ rows, gone, late }: Evidence, at: number, settleMs: number, witnesses: number): number {
  let lowestLaterId = Infinity;
  let found = 0;
  let goneBelow = gone.length;
  for (let position = rows.length - 1; position >= 0; position--) {
    const row = rows[position]!;
    for (; goneBelow > 0 && gone[goneBelow - 1]!.createdAt > row.createdAt; goneBelow--)
      lowestLaterId = Math.min(lowestLaterId, gone[goneBelow - 1]!.id);
    if (row.id < lowestLaterId) {
      const isOld = looksSettled(row.createdAt, at, settleMs);
      const isWitness = isOld && row.imported !== true && !late.has(row.id);
      if (isWitness && ++found === witnesses) return row.id + 1;
      lowestLaterId = row.id;
    }
  }
  return 0;
}
