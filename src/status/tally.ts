// Who reads and what that costs: reads, calls to Chatwoot, and refusals by client and by account. Bounded: whoever was heard of
// longest ago is summed up with the others.

import { LRUCache } from 'lru-cache';

/** What one of them did, since the start. */
export interface Counts {
  /** Answered with a page. */
  readonly reads: number;
  /** Sent to Chatwoot. */
  readonly calls: number;
  /** Answered with an error that says no: a limit, a scope, a parameter. */
  readonly refused: number;
}

export interface Named extends Counts {
  readonly name: string;
}

/** Those that read most by name, and all others together. */
export interface Ranking {
  readonly top: readonly Named[];
  readonly others: Counts & { readonly count: number };
}

/** Kept apart; more are summed up. */
const NAMES_MAX = 2000;

type Mutable = { -readonly [Part in keyof Counts]: Counts[Part] };

export class Tally {
  readonly #kept: LRUCache<string, Mutable>;
  readonly #gone: Mutable & { count: number } = { reads: 0, calls: 0, refused: 0, count: 0 };

  constructor(namesMax = NAMES_MAX) {
    this.#kept = new LRUCache({
      max: namesMax,
      dispose: (counts, _name, reason) => {
        if (reason !== 'evict') return;
        this.#gone.count++;
        add(this.#gone, counts);
      },
    });
  }

  count(name: string, what: keyof Counts): void {
    let counts = this.#kept.get(name);
    if (counts === undefined) {
      counts = { reads: 0, calls: 0, refused: 0 };
      this.#kept.set(name, counts);
    }
    counts[what]++;
  }

  ranking(topMax: number): Ranking {
    const named = [...this.#kept.entries()].map(([name, counts]) => ({ name, ...counts }));
    const sorted = named.toSorted((a, b) => b.reads - a.reads || b.refused - a.refused || b.calls - a.calls);
    const rest = sorted.slice(topMax);
    const others = { ...this.#gone, count: this.#gone.count + rest.length };
    for (const counts of rest) add(others, counts);
    return { top: sorted.slice(0, topMax), others };
  }
}

function add(sum: Mutable, { reads, calls, refused }: Counts): void {
  sum.reads += reads;
  sum.calls += calls;
  sum.refused += refused;
}
