// What the engine tells of itself, for metrics and logs. It never tells content.

import type { LearnOutcome } from '../timeline/learn.ts';

/**
 * Why upstream was read.
 * - `forward`: the query as a caller asked it.
 * - `fill`: something smaller, after which a caller's query could be proved.
 * - `seal`, `refresh`, `meta`: behind an answer.
 */
export type ReadReason = 'forward' | 'fill' | 'seal' | 'refresh' | 'meta';

export const READ_REASONS: readonly ReadReason[] = ['forward', 'fill', 'seal', 'refresh', 'meta'];

export interface CacheObserver {
  upstreamRead(reason: ReadReason): void;
  learnt(outcome: LearnOutcome): void;
  behindFailed(error: unknown): void;
}
