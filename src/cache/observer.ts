// What the engine tells of itself, for metrics and logs. It never tells content.

import type { LearnOutcome } from '../timeline/learn.ts';
import type { MessageId, Query } from '../timeline/query.ts';
import type { Refutation } from '../timeline/sequence.ts';
import type { ConversationId } from '../upstream/upstream.ts';

/**
 * Why upstream was read.
 * - `forward`: the query as a caller asked it.
 * - `fill`: something smaller, after which a caller's query could be proved.
 * - `seal`, `refresh`, `meta`: behind an answer.
 * - `probe`: behind an event, so that the next reader finds what changed.
 * - `shadow`: to compare a proved answer with upstream's own.
 */
export type ReadReason = 'forward' | 'fill' | 'seal' | 'refresh' | 'meta' | 'probe' | 'shadow';

export const READ_REASONS: readonly ReadReason[] = ['forward', 'fill', 'seal', 'refresh', 'meta', 'probe', 'shadow'];

/** Rows of an answer as ids and seconds: enough to see what differs, nothing of what was said. */
export type RowList = readonly { readonly id: number; readonly createdAt: number }[];

/** A proved answer that upstream does not confirm. */
export interface ShadowDifference {
  readonly conversation: ConversationId;
  readonly query: Query;
  readonly proved: RowList;
  readonly read: RowList;
}

export interface CacheObserver {
  /** @param reader who wants it, as `Demand.reader` named it; undefined for reads behind answers. */
  upstreamRead(reason: ReadReason, conversation: ConversationId, reader?: string): void;
  /** What became of an answer. After `foreign` the conversation is answered by exact query only. */
  learnt(outcome: LearnOutcome, conversation: ConversationId): void;
  /** A caller's answer followed from what other processes have read. */
  hitOfOthers?(): void;
  /** What became of what another process has read. */
  learntOfOthers?(outcome: LearnOutcome, conversation: ConversationId): void;
  /**
   * A reading showed these ids above all that was known: they came between it and `previousAskedAt`, when there was none. Both moments in
   * ms of the engine's clock.
   */
  appeared?(
    conversation: ConversationId,
    ids: readonly MessageId[],
    reading: { readonly askedAt: number; readonly previousAskedAt: number },
  ): void;
  /** A read that no answer needed. */
  behindFailed(error: unknown): void;
  /** A shadow check was made; `difference` is null where upstream confirmed the answer. */
  shadowed(difference: ShadowDifference | null): void;
  /** So many differences that it is answered by exact query only from now on: this conversation, or null for all. */
  fellBackToExact(conversation: ConversationId | null): void;
  /** A row showed that ids do not rise: everything that was known has been forgotten. */
  sequenceRefuted(refutation: Refutation): void;
}
