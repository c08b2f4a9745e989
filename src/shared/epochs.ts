// Under what each conversation's knowledge is shared now. Whoever has something forgotten moves it to the next epoch, whose log has
// another name: what was asked before stays under the old name, where nobody looks, however late it is appended.

import type { Extent } from '../cache/extent.ts';
import type { ConversationId } from '../upstream/upstream.ts';

/** The field of all conversations, and the one that numbers changes; no extent has their names. */
export const ALL = 'all';

/** The field of an extent. */
export function epochField({ accountId, conversationId }: Extent): string {
  if (accountId === undefined) return ALL;
  return conversationId === undefined ? String(accountId) : `${accountId}/${conversationId}`;
}

export class Epochs {
  #fields: ReadonlyMap<string, string> = new Map();

  /** What all have in common; null while unknown. */
  get all(): string | null {
    return this.#fields.get(ALL) ?? null;
  }

  adopt(fields: ReadonlyMap<string, string>): void {
    this.#fields = fields;
  }

  /** Notes that `field` has a new epoch, where `all` is that of all since. */
  move(field: string, epoch: string, all: string): void {
    const isSame = all === this.all;
    this.#fields = new Map([...(isSame ? this.#fields : []), [ALL, all], ...(field === ALL ? [] : [[field, epoch] as const])]);
  }

  of({ accountId, conversationId }: ConversationId): string | null {
    const { all } = this;
    if (all === null) return null;
    const account = this.#fields.get(epochField({ accountId })) ?? '';
    const own = this.#fields.get(epochField({ accountId, conversationId })) ?? '';
    return `${all}.${account}.${own}`;
  }
}
