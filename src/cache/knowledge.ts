// What is known of one conversation, in the mode it is to be answered in.

import type { Due } from '../timeline/changes.ts';
import { NOTHING_DUE, withoutRead } from '../timeline/changes.ts';
import type { LearnContext, LearnOutcome } from '../timeline/learn.ts';
import { followsTheFinder, learn } from '../timeline/learn.ts';
import type { ExactPages } from '../timeline/exact.ts';
import { exactMemoryBytes, learnExact, NO_PAGES, proveExact } from '../timeline/exact.ts';
import type { Walk } from '../timeline/plan/walk.ts';
import { FIRST_WALK } from '../timeline/plan/walk.ts';
import type { Gap, Proof, ProveContext } from '../timeline/prove.ts';
import { prove } from '../timeline/prove.ts';
import type { Query } from '../timeline/query.ts';
import type { Reading } from '../timeline/reading.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { EMPTY_TIMELINE, findRow, memoryBytes } from '../timeline/timeline.ts';

/** `proved`: whatever follows from what was read. `exact`: only what the very same query read. */
export type HistoryMode = 'proved' | 'exact';

export interface Knowledge {
  readonly timeline: Timeline;
  readonly exact: ExactPages;
  /** What of both changed since it was read. */
  readonly due: Due;
  readonly walk: Walk;
  /** When the newest page was last read as it is asked, ms. */
  readonly newestAskedAt: number;
  /** Up to where the readings of others have been taken in; null before the first time. */
  readonly taken: Taken | null;
}

/** A place in the log that is shared under an epoch, and when it was reached, ms. */
export interface Taken {
  readonly epoch: string;
  readonly cursor: string;
  readonly at: number;
}

export const NO_KNOWLEDGE: Knowledge = {
  timeline: EMPTY_TIMELINE,
  exact: NO_PAGES,
  due: NOTHING_DUE,
  walk: FIRST_WALK,
  newestAskedAt: -Infinity,
  taken: null,
};

/** After this many contradictions a conversation is answered by exact query only. */
const CONTRADICTIONS_MAX = 3;

/** The mode for one conversation of an installation in `mode`. */
export function modeOf(knowledge: Knowledge, mode: HistoryMode): HistoryMode {
  return knowledge.timeline.contradictions >= CONTRADICTIONS_MAX ? 'exact' : mode;
}

/** The same, answered by exact query from now on: what was proved of it is not to be trusted. */
export function exactly(knowledge: Knowledge): Knowledge {
  return { ...knowledge, timeline: { ...EMPTY_TIMELINE, contradictions: CONTRADICTIONS_MAX } };
}

export function proveFrom(knowledge: Knowledge, mode: HistoryMode, query: Query, context: ProveContext): Proof | Gap {
  const { due } = knowledge;
  return modeOf(knowledge, mode) === 'exact'
    ? proveExact(knowledge.exact, query, { ...context, due })
    : prove(knowledge.timeline, query, { ...context, due });
}

/**
 * Adds a reading. One that is not what the finder answers ends proofs for the conversation: whatever sent it may have answered
 * the readings before in the same way, and the rows of those fitted their query by chance.
 */
export function learnInto(
  knowledge: Knowledge,
  mode: HistoryMode,
  reading: Reading,
  context: LearnContext & {
    /** Whether rows that are not known yet may come from before they became due. */ readonly mayComeLate?: boolean;
  },
): { knowledge: Knowledge; outcome: LearnOutcome } {
  if (modeOf(knowledge, mode) === 'exact') {
    // Where the installation is known to be a fork, its pages are as they are.
    if (mode !== 'exact' && !followsTheFinder(reading)) return { knowledge, outcome: 'foreign' };
    return { knowledge: { ...knowledge, exact: learnExact(knowledge.exact, reading, context) }, outcome: 'learnt' };
  }
  const { timeline, outcome } = learn(knowledge.timeline, reading, context);
  if (outcome === 'foreign') return { knowledge: exactly(knowledge), outcome };
  const newestAskedAt = reading.query.mode === 'latest' ? reading.askedAt : knowledge.newestAskedAt;
  const due = withoutRead(
    knowledge.due,
    (id) => findRow(timeline, id)?.readAt ?? (context.mayComeLate === true ? -Infinity : undefined),
  );
  return { knowledge: { ...knowledge, timeline, due, newestAskedAt }, outcome };
}

/** About what it holds of memory, in bytes. */
export function knowledgeBytes(knowledge: Knowledge): number {
  return memoryBytes(knowledge.timeline) + exactMemoryBytes(knowledge.exact);
}
