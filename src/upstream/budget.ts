// How many reads may be sent: at most `max` in any window, whatever its beginning, of which reads behind answers get half.

import type { Rate } from '../clients/rate.ts';
import type { ReadPriority } from './upstream.ts';

/** Of the rate and of the connections, what reads behind answers may have. */
const BEHIND_SHARE = 1 / 2;

/** The part of a whole number that reads behind answers may have, at least 1. */
export function behindShare(whole: number): number {
  return Math.max(1, Math.floor(whole * BEHIND_SHARE));
}

/**
 * The last `max` moments at which something was sent. The next may be sent when the oldest of them is a window ago. Unlike a
 * token bucket, which lets its capacity and what flows in meanwhile through one window, this keeps the limit in every window
 * and still reaches it.
 */
class SentLog {
  readonly #sentAt: Float64Array;
  readonly #windowMs: number;
  #oldest = 0;

  constructor(max: number, windowMs: number) {
    this.#sentAt = new Float64Array(max).fill(-Infinity);
    this.#windowMs = windowMs;
  }

  /** The moment, `now` or later, from which the nth send is within the limit if those before it go as early as they can. */
  freeAt(nth: number, now: number): number {
    const max = this.#sentAt.length;
    const oldest = this.#sentAt[(this.#oldest + nth - 1) % max] ?? -Infinity;
    return Math.max(now, oldest + this.#windowMs) + Math.floor((nth - 1) / max) * this.#windowMs;
  }

  add(at: number): void {
    this.#sentAt[this.#oldest] = at;
    this.#oldest = (this.#oldest + 1) % this.#sentAt.length;
  }
}

export class Budget {
  readonly #all: SentLog;
  readonly #behind: SentLog;

  constructor({ max, windowMs }: Rate) {
    this.#all = new SentLog(max, windowMs);
    this.#behind = new SentLog(behindShare(max), windowMs);
  }

  /** How long after `now` a read that has `ahead` others before it may be sent, ms; 0 for at once. */
  waitMs(priority: ReadPriority, ahead: number, now: number): number {
    const freeAt = this.#all.freeAt(ahead + 1, now);
    return Math.max(freeAt, priority === 'behind' ? this.#behind.freeAt(1, now) : now) - now;
  }

  /** One read is sent. Only where `waitMs(priority, 0, now)` is 0. */
  spend(priority: ReadPriority, now: number): void {
    this.#all.add(now);
    if (priority === 'behind') this.#behind.add(now);
  }
}
