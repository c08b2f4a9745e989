// How many reads may be sent: at most `max` in any window, whatever its beginning, of which reads behind answers get half.
//
// Half of it may be spent at once. The rest is spent at a pace at which it lasts until the window gives back what was spent
// before: so however much is wanted, the next read is never far off, and whoever has the next turn never waits for long.

import type { Rate } from '../rate.ts';
import type { ReadPriority } from './upstream.ts';

/** Of the rate and of the connections, what reads behind answers may have. */
const BEHIND_SHARE = 1 / 2;

/** The part of a whole number that reads behind answers may have, at least 1. */
export function behindShare(whole: number): number {
  return Math.max(1, Math.floor(whole * BEHIND_SHARE));
}

/** What says when a read may be sent. */
export interface ReadBudget {
  /** How long after `now` a read that has `ahead` others before it may be sent, ms; 0 for at once. Never more than it will be. */
  waitMs(priority: ReadPriority, ahead: number, now: number): number;
  /** How many of a window's reads may still be sent now. */
  left(now: number): number;
  /** One read is sent. Only where `waitMs(priority, 0, now)` is 0. */
  spend(priority: ReadPriority, now: number): void;
  /** Has `listener` told whenever a read may be sent earlier than `waitMs` has said. Absent where none ever may. */
  onSooner?(listener: () => void): void;
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
  /** How many a window may have; no more than there are moments. */
  max: number;

  constructor(max: number, windowMs: number) {
    this.#sentAt = new Float64Array(max).fill(-Infinity);
    this.#windowMs = windowMs;
    this.max = max;
  }

  /** The moment, `now` or later, from which the nth send is within the limit if those before it go as early as they can. */
  freeAt(nth: number, now: number): number {
    const { max } = this;
    return Math.max(now, this.#freeAgainAt((nth - 1) % max)) + Math.floor((nth - 1) / max) * this.#windowMs;
  }

  add(at: number): void {
    this.#sentAt[this.#oldest] = at;
    this.#oldest = (this.#oldest + 1) % this.#sentAt.length;
  }

  /** How many of the last window's may still be sent. */
  free(now: number): number {
    let [from, to] = [0, this.max];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#freeAgainAt(middle) <= now) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** The shortest time between reads, all of them alike from now on, at which none has to wait for the limit. */
  paceMs(now: number): number {
    const { max } = this;
    const free = this.free(now);
    const step = Math.ceil(max / PACE_STEPS_MAX);
    let paceMs = this.#windowMs / max;
    // What may be sent grows by one with each that is a window old: before that, no more than what is there.
    for (let nth = free; nth < max; nth += step) {
      paceMs = Math.max(paceMs, (this.#freeAgainAt(Math.min(nth + step, max) - 1) - now) / (nth + 1));
    }
    return paceMs;
  }

  /** When the nth of the last `max` is a window ago. */
  #freeAgainAt(nth: number): number {
    const { length } = this.#sentAt;
    return (this.#sentAt[(this.#oldest + length - this.max + nth) % length] ?? -Infinity) + this.#windowMs;
  }
}

/** Of the rate, what may be spent at once; of one that is small, all. */
const BURST_SHARE = 1 / 2;
const BURST_MIN = 50;
/** Beyond this, the pace is looked up in steps: it may then be a little slower than it could be. */
const PACE_STEPS_MAX = 4096;

/** How many reads may be sent at once after none were sent for a window. */
export function burst(max: number): number {
  return Math.min(max, Math.max(BURST_MIN, Math.ceil(max * BURST_SHARE)));
}

export class Budget implements ReadBudget {
  #rate: Rate;
  readonly #all: SentLog;
  readonly #behind: SentLog;
  #nextAt = -Infinity;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#all = new SentLog(rate.max, rate.windowMs);
    this.#behind = new SentLog(behindShare(rate.max), rate.windowMs);
  }

  /** From now on a window may have only so many; at most as many as in the beginning. */
  limitTo(max: number): void {
    this.#rate = { ...this.#rate, max };
    this.#all.max = max;
    this.#behind.max = behindShare(max);
  }

  /** Exact for the next one; with others before it no more than it will be. */
  waitMs(priority: ReadPriority, ahead: number, now: number): number {
    const freeAt = Math.max(this.#all.freeAt(ahead + 1, now), this.#pacedAt(ahead, now));
    return Math.max(freeAt, priority === 'behind' ? this.#behind.freeAt(1, now) : now) - now;
  }

  left(now: number): number {
    return this.#all.free(now);
  }

  /** How many were sent in the last window, up to as many as it may have. */
  sent(now: number): number {
    return this.#rate.max - this.#all.free(now);
  }

  spend(priority: ReadPriority, now: number): void {
    this.#all.add(now);
    if (priority === 'behind') this.#behind.add(now);
    this.#nextAt = this.#burstLeft(now) > 0 ? now : now + this.#all.paceMs(now);
  }

  #pacedAt(ahead: number, now: number): number {
    const { max, windowMs } = this.#rate;
    const paced = ahead - this.#burstLeft(now);
    if (paced < 0) return now;
    const burstAgainAt = this.#all.freeAt(max - burst(max) + 1, now);
    return Math.min(burstAgainAt, Math.max(now, this.#nextAt) + paced * (windowMs / max));
  }

  #burstLeft(now: number): number {
    const { max } = this.#rate;
    return Math.max(0, burst(max) - (max - this.#all.free(now)));
  }
}
