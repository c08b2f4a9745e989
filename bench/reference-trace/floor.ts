// The fewest rows that any cache could read for the same answers under the same rules of age, knowing the future.
//
// A row of an answer must have been read at most so long ago. Reading it at the last moment, when it is shown and no earlier
// read is young enough, is the least that serves all its showings. Likewise a conversation for calls, if one call brought
// all of its rows.

import type { Query } from '../../src/timeline/query.ts';
import { FRESHNESS } from './policies.ts';

export class Floor {
  newestRows = 0;
  historyRows = 0;
  historyCalls = 0;
  readonly #rowReadAt = new Map<number, number>();
  readonly #conversationReadAt = new Map<number, number>();

  shown(conversationId: number, query: Query, rows: readonly { readonly id: number }[], now: number): void {
    const isNewest = query.mode === 'latest';
    const maxAgeMs = isNewest ? FRESHNESS.tailMaxAgeMs : 2 * FRESHNESS.historyMaxAgeMs;
    for (const { id } of rows) {
      if (now - (this.#rowReadAt.get(id) ?? -Infinity) <= maxAgeMs) continue;
      this.#rowReadAt.set(id, now);
      if (isNewest) this.newestRows++;
      else this.historyRows++;
    }
    if (isNewest || now - (this.#conversationReadAt.get(conversationId) ?? -Infinity) <= maxAgeMs) return;
    this.#conversationReadAt.set(conversationId, now);
    this.historyCalls++;
  }
}
