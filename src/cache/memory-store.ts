// Knowledge in memory, bounded in bytes; the conversation that was asked for longest ago goes first.

import { LRUCache } from 'lru-cache';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Knowledge } from './knowledge.ts';
import { knowledgeBytes, NO_KNOWLEDGE } from './knowledge.ts';

/** One string for each conversation: two numbers, so no two conversations share it. */
export function conversationKey({ accountId, conversationId }: ConversationId): string {
  return `${accountId}/${conversationId}`;
}

/** What the map, its key and the bookkeeping of the LRU cost for one conversation. */
const ENTRY_BYTES = 300;

export class MemoryStore {
  readonly #entries: LRUCache<string, Knowledge>;

  /** @param bytesMax what all knowledge together may hold. A single conversation beyond it is not kept. */
  constructor(bytesMax: number) {
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: (knowledge) => ENTRY_BYTES + Math.ceil(knowledgeBytes(knowledge)),
    });
  }

  /** What is known, or nothing; also marks it as asked for. */
  get(conversation: ConversationId): Knowledge {
    return this.#entries.get(conversationKey(conversation)) ?? NO_KNOWLEDGE;
  }

  has(conversation: ConversationId): boolean {
    return this.#entries.has(conversationKey(conversation));
  }

  set(conversation: ConversationId, knowledge: Knowledge): void {
    this.#entries.set(conversationKey(conversation), knowledge);
  }

  delete(conversation: ConversationId): void {
    this.#entries.delete(conversationKey(conversation));
  }

  /** Drops the conversations whose keys the test holds for. @returns how many. */
  deleteWhere(concerns: (key: string) => boolean): number {
    const keys = [...this.#entries.keys()].filter(concerns);
    for (const key of keys) this.#entries.delete(key);
    return keys.length;
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get conversations(): number {
    return this.#entries.size;
  }
}
