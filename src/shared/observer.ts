// What the shared level tells of itself, for metrics and the log. Never content.

import type { LearnOutcome } from '../timeline/learn.ts';

/** What is asked of Redis. */
export type Exchange = 'take' | 'append' | 'compact' | 'lease' | 'announce' | 'hear' | 'beat' | 'limit' | 'forget';

export const EXCHANGES: readonly Exchange[] = [
  'take',
  'append',
  'compact',
  'lease',
  'announce',
  'hear',
  'beat',
  'limit',
  'forget',
];

/**
 * How one ended.
 * - `late`: not within its time. `lost`: without a connection. `refused`: Redis answered with an error.
 * - `paused`: not sent, since Redis is left alone for a while after a failure.
 */
export type ExchangeEnd = 'ok' | 'late' | 'lost' | 'refused' | 'paused';

export const EXCHANGE_ENDS: readonly ExchangeEnd[] = ['ok', 'late', 'lost', 'refused', 'paused'];

/**
 * Why an entry was not used.
 * - `sealed`: it does not open. `garbled`: it opens and is not what is written there. `undated`: its age cannot be known.
 * - `large`: too large to be written.
 */
export type Refusal = 'sealed' | 'garbled' | 'undated' | 'large';

export const ENTRY_REFUSALS: readonly Refusal[] = ['sealed', 'garbled', 'undated', 'large'];

/**
 * - `taken`: this process reads for all. `held`: another does. `kept`: its time was prolonged.
 */
export type LeaseEvent = 'taken' | 'held' | 'kept';

export const LEASE_EVENTS: readonly LeaseEvent[] = ['taken', 'held', 'kept'];

export interface SharedObserver {
  exchanged(exchange: Exchange, end: ExchangeEnd, durationMs: number): void;
  /** Sealed bytes that were read or written. */
  moved(direction: 'in' | 'out', bytes: number): void;
  refused(reason: Refusal): void;
  lease(event: LeaseEvent): void;
  /** A change was heard of so long after it had been announced, ms. */
  heard(lagMs: number): void;
  /** A hit that others' readings made. */
  hit(): void;
  /** What became of a reading of another process. */
  learnt(outcome: LearnOutcome): void;
  /** Changes may have been missed, so all that was known has been forgotten. */
  cutOff(): void;
  /** Redis cannot be used, or can again; told once each time. `reason` names the failure, never where Redis is. */
  lost(reason: string): void;
  back(): void;
}
