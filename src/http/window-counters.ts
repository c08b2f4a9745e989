// Counts for many callers in fixed windows and bounded memory. Who has spent its share is kept apart from the others: a crowd
// of other callers does not have that forgotten.

import { LRUCache } from 'lru-cache';
import type { Rate } from '../rate.ts';

/** Counters of each sort: with shares left, and spent. */
export const COUNTERS_MAX = 10_000;
/** A sweep looks at all spent counters, so there is no more than one in this time. */
const SWEEP_MS = 1000;

interface Counter {
  startedAt: number;
  windowMs: number;
  count: number;
}

export interface Counted {
  readonly count: number;
  /** Until the window ends. */
  readonly leftMs: number;
}

export type OnCounted = (key: string, rate: Rate) => void;

const NOTHING: Counted = { count: 0, leftMs: 0 };

export class WindowCounters {
  readonly #unspent = new LRUCache<string, Counter>({ max: COUNTERS_MAX });
  /** In the order in which they were spent. */
  readonly #spent = new Map<string, Counter>();
  #sweptAt = -Infinity;
  readonly #onCounted: OnCounted | undefined;

  /** @param onCounted told of each one that is counted here */
  constructor(onCounted?: OnCounted) {
    this.#onCounted = onCounted;
  }

  /** Counts one more. Its window begins with the first that is counted. */
  count(key: string, rate: Rate, now: number): Counted {
    const { max, windowMs } = rate;
    const running = this.#running(key, now);
    if (running === undefined) this.#spent.delete(key);
    const counter = running ?? { startedAt: now, windowMs, count: 0 };
    counter.count++;
    if (counter.count >= max) this.#spend(key, counter, now);
    else if (running === undefined) this.#unspent.set(key, counter);
    this.#onCounted?.(key, rate);
    return told(counter, now);
  }

  /** Others have counted, too: so many in all, in a window that ends after so long. What is known to be more stays. */
  raise(key: string, { max, windowMs }: Rate, { count, leftMs }: Counted, now: number): void {
    const running = this.#running(key, now);
    if (running !== undefined && running.count > count) return;
    if (running === undefined) this.#spent.delete(key);
    const counter = running ?? { startedAt: now, windowMs, count: 0 };
    Object.assign(counter, { startedAt: now + leftMs - windowMs, windowMs, count });
    if (count >= max) this.#spend(key, counter, now);
    else if (running === undefined) this.#unspent.set(key, counter);
  }

  /** What was counted in the window that runs now. */
  read(key: string, now: number): Counted {
    const counter = this.#running(key, now);
    return counter === undefined ? NOTHING : told(counter, now);
  }

  get size(): number {
    return this.#unspent.size + this.#spent.size;
  }

  #running(key: string, now: number): Counter | undefined {
    const counter = this.#spent.get(key) ?? this.#unspent.get(key);
    return counter === undefined || isOver(counter, now) ? undefined : counter;
  }

  #spend(key: string, counter: Counter, now: number): void {
    if (this.#spent.has(key)) return;
    this.#unspent.delete(key);
    if (this.#spent.size >= COUNTERS_MAX && isPast(this.#sweptAt + SWEEP_MS, this.#sweptAt, now)) {
      this.#sweptAt = now;
      for (const [other, spent] of this.#spent) if (isOver(spent, now)) this.#spent.delete(other);
    }
    // All of them still run: that took as many callers as can be counted, each at its limit. The oldest goes.
    const [oldest] = this.#spent.keys();
    if (this.#spent.size >= COUNTERS_MAX && oldest !== undefined) this.#spent.delete(oldest);
    this.#spent.set(key, counter);
  }
}

/** A clock that was set back ends windows too: nobody is shut out for as long as it was wrong. */
function isOver({ startedAt, windowMs }: Counter, now: number): boolean {
  return isPast(startedAt + windowMs, startedAt, now);
}

function isPast(end: number, start: number, now: number): boolean {
  return now >= end || now < start;
}

function told({ startedAt, windowMs, count }: Counter, now: number): Counted {
  return { count, leftMs: startedAt + windowMs - now };
}
