// Virtual time: a queue of tasks by their moment. Time goes on only when nothing is left to do at the present one.

import { setImmediate } from 'node:timers/promises';

interface Task {
  readonly at: number;
  /** Tasks of one moment run in the order in which they were given. */
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  #now: number;
  #given = 0;
  readonly #heap: Task[] = [];
  #failure: { readonly error: unknown } | null = null;

  /** @param startAt the first moment, ms since the epoch. */
  constructor(startAt: number) {
    this.#now = startAt;
  }

  get now(): number {
    return this.#now;
  }

  at(moment: number, run: () => void): void {
    this.#push({ at: Math.max(moment, this.#now), order: this.#given++, run });
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#now + ms, resolve));
  }

  /** Starts something that waits in virtual time. Its failure ends the run. */
  spawn(task: () => Promise<unknown>): void {
    task().catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }

  /** Runs until no task is left. Everything that waits must wait for virtual time or for promises only. */
  async run(): Promise<void> {
    await setImmediate();
    for (let task = this.#pop(); task !== undefined; task = this.#pop()) {
      this.#now = task.at;
      task.run();
      if (this.#heap[0]?.at !== this.#now) await setImmediate(); // All promises that can go on have gone on by then.
      if (this.#failure !== null) throw this.#failure.error;
    }
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(task, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
