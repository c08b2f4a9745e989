// Large pages are made one after the other, so that those that wait hold no body; and in turn by reader, so that nobody waits for all
// that another has asked for.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turns, type Turn } from '../upstream/turns.ts';
import type { Readers } from '../upstream/readers.ts';

interface Waiter extends Turn {
  readonly start: () => void;
}

export class RenderLine {
  readonly #waiting = new Turns<Waiter>();
  #isBusy = false;

  /** Does `work` when it is its turn. Readers that join while it waits want it too. */
  async run<T>(readers: Readers, work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await this.#turnOf(readers);
    this.#isBusy = true;
    this.#waiting.took({ readers, again: false });
    try {
      return await work();
    } finally {
      // Who asked for it sends it first: what is not taken of it counts when the next one has its turn.
      void nextTurn().then(() => this.#goOn());
    }
  }

  #turnOf(readers: Readers): Promise<void> {
    return new Promise((start) => {
      const waiter: Waiter = { readers, again: false, start };
      readers.onJoin = (reader) => this.#waiting.join(waiter, reader);
      this.#waiting.add(waiter);
    });
  }

  #goOn(): void {
    const next = this.#waiting.next(() => true);
    this.#isBusy = next !== undefined;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next.readers.onJoin = undefined;
    next.start();
  }
}
