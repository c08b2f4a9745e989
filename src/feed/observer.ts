// What the feed tells of itself, for metrics and logs. It never tells content.

import type { EndedBecause } from './cable-endings.ts';
import type { Distrust } from './trust.ts';

/** The way on which an event came. */
export type Source = 'cable' | 'webhook';

/**
 * What became of an event.
 * - `applied`: parts of the cache are due.
 * - `nothing`: nothing that is cached changes with it.
 * - `unknown`: no event that is known here.
 * - `foreign`: of another account than the subscription it came with.
 * - `invalid`: not of the shape that such an event has.
 */
export type EventOutcome = 'applied' | 'nothing' | 'unknown' | 'foreign' | 'invalid';

/** Whether the feed of an account is trusted, and else why not, in a word and in words. */
export type Standing =
  | { readonly kind: 'fed'; readonly since: number }
  | { readonly kind: 'not-fed'; readonly why: Distrust; readonly text: string };

export interface FeedObserver {
  /** `name` is an event's, or `other` for one that is not known. */
  event(source: Source, name: string, outcome: EventOutcome): void;
  /** What came is no frame at all. */
  garbage(): void;
  /** The time from an event to its arrival. */
  lag(lagMs: number): void;
  /** Trust in an account's feed has begun, has ended, or is missing for another reason than before. */
  standing(accountId: number, standing: Standing): void;
  /** A connection to the cable came to nothing, for another reason than before. */
  unheard(because: EndedBecause): void;
  /** So many accounts of a token are not subscribed to, since its user has more than can be. */
  passedOver(count: number): void;
  /** A confirmed subscription has ended: what happens until the next is heard of by nobody. */
  gap(accountId: number): void;
  /** A message was read that had not been announced. */
  missed(accountId: number): void;
  /** A mistake of ours: a change could not be applied. */
  failed(error: unknown): void;
  webhookRefused(because: WebhookRefusal): void;
}

/**
 * Why a webhook was refused.
 * - `unknown`: no secret is set for its account.
 * - `unsigned`: it has no signature.
 * - `forged`: its signature, or the secret in its path, is none that is known.
 * - `late`: its timestamp is too far off.
 * - `repeated`: its delivery was taken before.
 * - `too-large`, `garbage`: its body is, or is not JSON.
 * - `foreign`: it is of another account than its path says.
 * - `rate`: too many came.
 */
export type WebhookRefusal =
  | 'unknown'
  | 'unsigned'
  | 'forged'
  | 'late'
  | 'repeated'
  | 'too-large'
  | 'garbage'
  | 'foreign'
  | 'rate';
