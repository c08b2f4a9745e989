// Which conversations a caller's own token was shown of late. Nothing tells when that ends (contract, trap 23), so it is asked again.

import { LRUCache } from 'lru-cache';
import type { OwnToken } from '../upstream/own-token.ts';
import type { ConversationId } from '../upstream/upstream.ts';

export interface PermissionsOptions {
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly max?: number;
  readonly forMs?: number;
}

const PERMISSIONS_MAX = 20_000;
const PERMITTED_FOR_MS = 10_000;

export class Permissions {
  readonly #now: () => number;
  readonly #forMs: number;
  /** When the read was sent that showed it, ms. */
  readonly #shownAt: LRUCache<string, number>;

  constructor({ now, max = PERMISSIONS_MAX, forMs = PERMITTED_FOR_MS }: PermissionsOptions) {
    this.#now = now;
    this.#forMs = forMs;
    this.#shownAt = new LRUCache({ max });
  }

  isLive(own: OwnToken, conversation: ConversationId): boolean {
    const shownAt = this.#shownAt.get(keyOf(own, conversation)) ?? -Infinity;
    return this.#now() - shownAt < this.#forMs;
  }

  shown(own: OwnToken, conversation: ConversationId, askedAt: number): void {
    const key = keyOf(own, conversation);
    this.#shownAt.set(key, Math.max(askedAt, this.#shownAt.peek(key) ?? -Infinity));
  }

  end(own: OwnToken, conversation: ConversationId): void {
    this.#shownAt.delete(keyOf(own, conversation));
  }

  get size(): number {
    return this.#shownAt.size;
  }
}

/** The hash has one length, and no character that stands between the parts. */
function keyOf({ name }: OwnToken, { accountId, conversationId }: ConversationId): string {
  return `${name} ${accountId}/${conversationId}`;
}
