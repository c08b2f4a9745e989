// Whose turn it is among reads that wait: that of the reader who has had none for longest, and of its reads the oldest. So each
// reader gets as much as any other that wants it, and one that comes seldom goes first, however much others want.

import { LRUCache } from 'lru-cache';

/** What decides about the turn of a read. */
export interface Turn {
  /** Who wants it. */
  readonly reader: string;
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
  /** Of the readers that have any, in the order in which they came. */
  readonly #queues = new Map<string, Queue<T>>();
  readonly #lastTurns = new LRUCache<string, number>({ max: READERS_MAX });
  #turns = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const queue of this.#queues.values()) yield* queue;
  }

  add(read: T): void {
    const queue = this.#queues.get(read.reader) ?? new Queue<T>();
    this.#queues.set(read.reader, queue);
    (read.again ? queue.again : queue.others).add(read);
    this.#size++;
  }

  delete(read: T): void {
    const queue = this.#queues.get(read.reader);
    if (queue === undefined || !(queue.again.delete(read) || queue.others.delete(read))) return;
    this.#size--;
    if (queue.size === 0) this.#queues.delete(read.reader);
  }

  /** A reader has its turn. */
  took({ reader }: Turn): void {
    this.#lastTurns.set(reader, ++this.#turns);
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

  /** How many go before one that comes now. */
  ahead({ reader, again }: Turn): number {
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

  /** Who leaves when there are too many: the latest of the reader that has most, `latecomer` where no other has more than its own. */
  surplus(latecomer: T): T {
    let most = this.#queues.get(latecomer.reader);
    for (const queue of this.#queues.values()) if (queue.size > (most?.size ?? 0)) most = queue;
    const isOwn = most === this.#queues.get(latecomer.reader);
    return isOwn ? latecomer : ([...(most ?? [])].at(-1) ?? latecomer);
  }

  #lastTurnOf(reader: string): number {
    return this.#lastTurns.peek(reader) ?? 0;
  }
}
