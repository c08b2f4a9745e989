// Conversations that upstream said are not there, remembered for a few seconds: a client that polls a deleted conversation
// is answered here. Bounded, since callers choose the ids.

import { LRUCache } from 'lru-cache';
import type { ConversationId } from '../upstream/upstream.ts';
import { conversationKey } from './memory-store.ts';

const REMEMBERED_MS = 5_000;
const REMEMBERED_MAX = 10_000;

export class MissingConversations {
  /** Until when (ms of the engine's clock) each is remembered. */
  readonly #until = new LRUCache<string, number>({ max: REMEMBERED_MAX });

  has(conversation: ConversationId, now: number): boolean {
    if (this.#until.size === 0) return false;
    return (this.#until.peek(conversationKey(conversation)) ?? -Infinity) > now;
  }

  add(conversation: ConversationId, now: number): void {
    this.#until.set(conversationKey(conversation), now + REMEMBERED_MS);
  }

  /** Upstream has shown it. */
  delete(conversation: ConversationId): void {
    this.#until.delete(conversationKey(conversation));
  }

  clear(): void {
    this.#until.clear();
  }

  get size(): number {
    return this.#until.size;
  }
}
