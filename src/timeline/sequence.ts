// The sequence: whether ids are still handed out as one rising sequence, on which all vouching rests (frontier.ts), and what
// refutes it.
//
// After a restore from a backup ids start lower. A row with a stray high id stands above ids that are still to come. In both
// cases "no higher than an id that was seen SETTLE ago" says nothing any more. What shows it is a row younger than a mark and
// below it:
//
//   mark   id 900, seen at 12:00     all up to 900 were handed out by then; vouches from 12:02 on
//   row    id 870, created at 12:10  handed out after 12:00
//
// A row is evidence where it was created SETTLE or more after the mark was seen. A statement that rests on a mark was asked
// SETTLE or more after that was seen, so every row that was created later and is hidden by such a statement is evidence. Sound,
// since what else makes rows appear below a mark makes them look older than it:
//
//   a late commit              got its created_at before its id, and that before the mark was seen
//   a back-dated, imported row says that it was created even earlier
//   a clock ahead of ours      the most that a row was ever seen to be ahead of our clock is taken off. A row more than
//                              AHEAD_MAX ahead is believed neither in this nor as evidence
//   a clock behind ours        makes evidence late, never wrong
//
// What is left: a row dated into the future, or the first rows of a clock that is ahead, read late and below a mark that a
// back-dated row made. That costs what was known and is told, and no answer is wrong.
//
// Once refuted, no mark stands, and only rows created since the one that refuted make new ones: a stray row that is read again
// does not vouch again. Each further time it takes longer to trust, so ids that never rise cost a refutation now and then.

import type { SeenIds } from './frontier.ts';
import { sawId } from './frontier.ts';
import type { MessageId } from './query.ts';
import type { Row } from './reading.ts';

export interface Sequence {
  /** The marks that vouch. */
  readonly seen: SeenIds;
  /** How far ahead of our clock a created_at was seen to be, at most, ms. */
  readonly aheadMs: number;
  /** Rows created before this second make no marks. */
  readonly marksFrom: number;
  readonly refutations: number;
}

export const NOTHING_SEEN: Sequence = { seen: [], aheadMs: 0, marksFrom: -Infinity, refutations: 0 };

/** The row that cannot be, and the mark (ms) that it is below. */
export interface Refutation {
  readonly row: { readonly id: MessageId; readonly createdAt: number };
  readonly mark: { readonly id: MessageId; readonly seenAt: number };
}

/** Clocks of servers are not that far apart. */
const AHEAD_MAX_MS = 600_000;

/** The wait for new marks doubles up to 2^8 SETTLE. */
const DOUBLINGS_MAX = 8;

/**
 * Takes note of rows that were read in an answer that arrived at `seenAt` (ms).
 * @returns what is known of the sequence now, and what refuted it: then all that was vouched for by it falls.
 */
export function sawRows(
  sequence: Sequence,
  rows: readonly Row[],
  seenAt: number,
  settleMs: number,
): { readonly sequence: Sequence; readonly refutation: Refutation | null } {
  const aheadMs = rows.reduce((most, row) => Math.max(most, aheadOf(row, seenAt)), sequence.aheadMs);
  const refutation = findRefutation({ ...sequence, aheadMs }, rows, seenAt, settleMs);
  let { seen, marksFrom, refutations } = sequence;
  if (refutation !== null) {
    seen = [];
    marksFrom = refutation.row.createdAt + ((2 ** Math.min(refutations, DOUBLINGS_MAX) - 1) * settleMs) / 1000;
    refutations++;
  }
  const highest = rows.reduce((max, row) => (row.createdAt >= marksFrom ? Math.max(max, row.id) : max), 0);
  if (highest > 0) seen = sawId(seen, highest, seenAt, settleMs);
  return { sequence: { seen, aheadMs, marksFrom, refutations }, refutation };
}

/** Takes note of an id that was told of at `seenAt` (ms), of a message that had just been written. */
export function heardOfId(sequence: Sequence, id: MessageId, seenAt: number, settleMs: number): Sequence {
  if (seenAt < sequence.marksFrom * 1000) return sequence;
  return { ...sequence, seen: sawId(sequence.seen, id, seenAt, settleMs) };
}

/** Another has found a refutation, after which rows created before the second `marksFrom` make no marks. */
export function withoutMarks(sequence: Sequence, marksFrom: number): Sequence {
  const { aheadMs, refutations } = sequence;
  return { seen: [], aheadMs, marksFrom: Math.max(sequence.marksFrom, marksFrom), refutations: refutations + 1 };
}

function aheadOf(row: Row, seenAt: number): number {
  const aheadMs = row.createdAt * 1000 - seenAt;
  return aheadMs <= AHEAD_MAX_MS ? aheadMs : 0;
}

function findRefutation({ seen, aheadMs }: Sequence, rows: readonly Row[], at: number, settleMs: number): Refutation | null {
  for (const row of rows) {
    const createdAtMs = row.createdAt * 1000 - aheadMs;
    if (createdAtMs > at) continue; // More than AHEAD_MAX ahead.
    // Of the marks at or above it, the one seen first.
    const mark = seen.find(({ id }) => id >= row.id);
    if (mark !== undefined && mark.seenAt + settleMs <= createdAtMs)
      return { row: { id: row.id, createdAt: row.createdAt }, mark };
  }
  return null;
}
