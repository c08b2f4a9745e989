// The fewest rows that any cache could read for the same answers under the same rules of age, knowing the future.
//
// A row of an answer must have been read at most so long ago. Reading it at the last moment, when it is shown and no earlier
// read is young enough, is the least that serves all its showings. Likewise a conversation for calls, if one call brought
// all of its rows.

import type { Query } from '../../src/timeline/query.ts';
import { FRESHNESS } from './policies.ts';
import type { Truth } from './truth.ts';

export class Floor {
  newestRows = 0;
  historyRows = 0;
  historyCalls = 0;
  readonly #rowReadAt = new Map<number, number>();
  readonly #conversationReadAt = new Map<number, number>();
  readonly #truth: Truth;
  readonly #newestIsNow: boolean;

  /** @param newestIsNow every row of a newest page is at most TAIL_MAX_AGE old; otherwise only rows that are not settled. */
  constructor(truth: Truth, newestIsNow: boolean) {
    this.#truth = truth;
    this.#newestIsNow = newestIsNow;
  }

  shown(conversationId: number, query: Query, rows: readonly { readonly id: number }[], now: number): void {
    const isNewest = query.mode === 'latest';
    const { tailMaxAgeMs, historyMaxAgeMs, settleMs } = FRESHNESS;
    for (const { id } of rows) {
      const isHistory = !isNewest || (!this.#newestIsNow && this.#truth.isSettled(id, now, settleMs));
      const maxAgeMs = isHistory ? 2 * historyMaxAgeMs : tailMaxAgeMs;
      if (now - (this.#rowReadAt.get(id) ?? -Infinity) <= maxAgeMs) continue;
      this.#rowReadAt.set(id, now);
      if (isNewest) this.newestRows++;
      else this.historyRows++;
    }
    if (isNewest || now - (this.#conversationReadAt.get(conversationId) ?? -Infinity) <= 2 * historyMaxAgeMs) return;
    this.#conversationReadAt.set(conversationId, now);
    this.historyCalls++;
  }
}
