// What became due while reads were under way, by conversation: what they bring was asked for before. It is kept here as long as they
// last, for what is known of the conversation may go meanwhile, or not be there yet.

import { bothDue, NOTHING_DUE, type Due } from '../timeline/changes.ts';

interface UnderWay {
  reads: number;
  due: Due;
}

export class ReadsUnderWay {
  readonly #conversations = new Map<string, UnderWay>();

  /** A read of the conversation begins. @returns what to call at its end, after it was learnt */
  begin(key: string): () => void {
    const underWay = this.#conversations.get(key) ?? { reads: 0, due: NOTHING_DUE };
    this.#conversations.set(key, underWay);
    underWay.reads++;
    return () => {
      if (--underWay.reads === 0) this.#conversations.delete(key);
    };
  }

  mark(key: string, mark: (due: Due) => Due): void {
    const underWay = this.#conversations.get(key);
    if (underWay !== undefined) underWay.due = mark(underWay.due);
  }

  /** What is due of what is known, and of what is to come. */
  dueWith(key: string, due: Due): Due {
    const underWay = this.#conversations.get(key);
    return underWay === undefined || underWay.due === NOTHING_DUE ? due : bothDue(due, underWay.due);
  }

  /** The conversations, by their keys. */
  keys(): Iterable<string> {
    return this.#conversations.keys();
  }
}
