// Whose turn it is among reads that wait: that of the reader who has had none for longest, and of its reads the oldest. So each
// reader gets as much as any other that wants it, and one that comes seldom goes first, however much others want. A read that
// several want waits in the queue of each.

import { LRUCache } from 'lru-cache';
import type { Readers } from './readers.ts';

/** What decides about the turn of a read. */
export interface Turn {
  /** Who wants it. */
  readonly readers: Readers;
  /** It had its turn before and goes before others of its reader. */
  readonly again: boolean;
}

/** Readers whose last turn is remembered; any other had its turn before those, or never. */
const READERS_MAX = 1000;

/** The reads of one reader, in the order in which they came. */
class Queue<T extends Turn> {
  readonly again = new Set<T>();
  readonly others = new Set<T>();

  get size(): number {
    return this.again.size + this.others.size;
  }

  /** In the order in which they go. */
  *[Symbol.iterator](): Generator<T> {
    yield* this.again;
    yield* this.others;
  }
}

export class Turns<T extends Turn> {
  readonly #reads = new Set<T>();
  /** Of the readers that have any, in the order in which they came. */
  readonly #queues = new Map<string, Queue<T>>();
  readonly #lastTurns = new LRUCache<string, number>({ max: READERS_MAX });
  #turns = 0;

  get size(): number {
    return this.#reads.size;
  }

  /** In the order in which they came. */
  [Symbol.iterator](): Iterator<T> & Iterable<T> {
    return this.#reads.values();
  }

  add(read: T): void {
    this.#reads.add(read);
    for (const reader of read.readers) this.join(read, reader);
  }

  /** A read that waits is wanted by one more reader. */
  join(read: T, reader: string): void {
    const queue = this.#queues.get(reader) ?? new Queue<T>();
    this.#queues.set(reader, queue);
    (read.again ? queue.again : queue.others).add(read);
  }

  delete(read: T): void {
    if (!this.#reads.delete(read)) return;
    for (const reader of read.readers) {
      const queue = this.#queues.get(reader);
      (read.again ? queue?.again : queue?.others)?.delete(read);
      if (queue?.size === 0) this.#queues.delete(reader);
    }
  }

  /** A read has its turn, which is that of the reader among its own who had none for longest. */
  took({ readers }: Turn): void {
    let first: string | undefined;
    for (const reader of readers) {
      if (first === undefined || this.#lastTurnOf(reader) < this.#lastTurnOf(first)) first = reader;
    }
    if (first !== undefined) this.#lastTurns.set(first, ++this.#turns);
  }

  /** Whose turn it is among those that may go. */
  next(mayGo: (read: T) => boolean): T | undefined {
    let next: T | undefined;
    let nextLastTurn = Infinity;
    for (const [reader, queue] of this.#queues) {
      const lastTurn = this.#lastTurnOf(reader);
      if (lastTurn >= nextLastTurn) continue;
      for (const read of queue) {
        if (!mayGo(read)) continue;
        [next, nextLastTurn] = [read, lastTurn];
        break;
      }
    }
    return next;
  }

  /** How many go at most before one that comes now. */
  ahead({ readers, again }: Turn): number {
    return Math.min(...[...readers].map((reader) => this.#aheadOf(reader, again)));
  }

  /** Who leaves when there are too many: the latest of the reader that has most, `latecomer` where no other has more than its own. */
  surplus(latecomer: T): T {
    const [own] = latecomer.readers;
    let most = this.#queues.get(own!);
    for (const queue of this.#queues.values()) if (queue.size > (most?.size ?? 0)) most = queue;
    if (most === undefined || most === this.#queues.get(own!)) return latecomer;
    // One that others want, too, is the last to go.
    const reads = [...most];
    return reads.findLast(({ readers }) => readers.size === 1) ?? reads.at(-1)!;
  }

  #aheadOf(reader: string, again: boolean): number {
    const queue = this.#queues.get(reader);
    const own = (again ? queue?.again.size : queue?.size) ?? 0;
    let ahead = own;
    let isAfterOwn = false;
    for (const [other, { size }] of this.#queues) {
      if (other === reader) {
        isAfterOwn = true;
        continue;
      }
      // In each round of turns one of each reader goes.
      const lead = this.#lastTurnOf(reader) - this.#lastTurnOf(other);
      ahead += Math.min(size, lead > 0 || (lead === 0 && !isAfterOwn) ? own + 1 : own);
    }
    return ahead;
  }

  #lastTurnOf(reader: string): number {
    return this.#lastTurns.peek(reader) ?? 0;
  }
}
