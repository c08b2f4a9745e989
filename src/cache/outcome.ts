// How an answer came about. A closed set; http/cache-status.ts says it in the terms of RFC 9211, metrics count it.

/**
 * - `hit`: proved from what is known; cost upstream nothing.
 * - `stale`: proved from what is known, past its lifetime, since upstream fails.
 * - `miss`: read upstream for this caller.
 * - `coalesced`: read upstream once for this caller and others.
 * - `bypass`: read upstream without asking the cache, as the caller or the query demands.
 */
export type Outcome = 'hit' | 'stale' | 'miss' | 'coalesced' | 'bypass';

/** Where a hit was known: in this process, or by others who share what they know. */
export type Level = 'memory' | 'shared';

/** Every outcome, for metrics that start at zero. */
export const OUTCOMES: readonly Outcome[] = ['hit', 'stale', 'miss', 'coalesced', 'bypass'];
