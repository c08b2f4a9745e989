// Knowledge in memory, bounded in bytes; the conversation that was asked for longest ago goes first.

import { LRUCache } from 'lru-cache';
import type { Query } from '../timeline/query.ts';
import type { Envelope } from '../timeline/reading.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { ContactIndex } from './contact-index.ts';
import type { Circumstances, KeptProof } from './kept-proof.ts';
import { keepProof, keptProof, keptProofBytes, voidAll } from './kept-proof.ts';
import type { Knowledge } from './knowledge.ts';
import { knowledgeBytes, NO_KNOWLEDGE } from './knowledge.ts';

/** One string for each conversation: two numbers, so no two conversations share it. */
export function conversationKey({ accountId, conversationId }: ConversationId): string {
  return `${accountId}/${conversationId}`;
}

export function conversationOfKey(key: string): ConversationId {
  const slash = key.indexOf('/');
  return { accountId: Number(key.slice(0, slash)), conversationId: Number(key.slice(slash + 1)) };
}

/** The latest that is known, in whichever mode. */
function envelopeOf({ timeline, exact }: Knowledge): Envelope | null {
  return exact.envelope ?? timeline.envelope;
}

/** What the map, its key and the bookkeeping of the LRU cost for one conversation. */
const ENTRY_BYTES = 500;

interface Entry {
  readonly knowledge: Knowledge;
  /** What was proved from this knowledge: other knowledge begins without. */
  readonly proofs: readonly KeptProof[];
}

const NO_PROOFS: readonly KeptProof[] = [];

export class MemoryStore {
  readonly #entries: LRUCache<string, Entry>;
  #contacts: ContactIndex | null = null;

  /**
   * @param bytesMax what all knowledge together may hold. A single conversation beyond it is not kept.
   * @param onEvicted told of what had to go for its size
   */
  constructor(bytesMax: number, onEvicted: (key: string, knowledge: Knowledge) => void = () => undefined) {
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: ({ knowledge, proofs }) => ENTRY_BYTES + Math.ceil(knowledgeBytes(knowledge)) + keptProofBytes(proofs),
      // Where other knowledge takes its place, `set` does it; where one more proof does, they still hold.
      dispose: ({ proofs, knowledge }, key, reason) => {
        if (reason === 'set') return;
        if (reason === 'evict') onEvicted(key, knowledge);
        voidAll(proofs);
        this.#contacts?.delete(key);
      },
    });
  }

  /** What is known, or nothing; also marks it as asked for. */
  get(conversation: ConversationId): Knowledge {
    return this.#entries.get(conversationKey(conversation))?.knowledge ?? NO_KNOWLEDGE;
  }

  /** The same without marking it. */
  peek(conversation: ConversationId): Knowledge {
    return this.#entries.peek(conversationKey(conversation))?.knowledge ?? NO_KNOWLEDGE;
  }

  /** What was proved before from what is known, if it still holds; also marks the conversation as asked for. */
  keptProof(conversation: ConversationId, query: Query, wanted: Circumstances): KeptProof | null {
    const entry = this.#entries.get(conversationKey(conversation));
    return entry === undefined ? null : keptProof(entry.proofs, query, wanted);
  }

  /** Keeps what follows from what is known now, if both fit. */
  keepProof(conversation: ConversationId, proof: KeptProof): void {
    const key = conversationKey(conversation);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const proofs = keepProof(entry.proofs, proof);
    this.#entries.set(key, { ...entry, proofs });
    if (this.#entries.has(key)) return;
    // Too large with one more: what is known stays, and what is due of it.
    voidAll(proofs);
    this.#entries.set(key, { ...entry, proofs: NO_PROOFS });
  }

  has(conversation: ConversationId): boolean {
    return this.#entries.has(conversationKey(conversation));
  }

  set(conversation: ConversationId, knowledge: Knowledge): void {
    const key = conversationKey(conversation);
    voidAll(this.#entries.peek(key)?.proofs ?? NO_PROOFS);
    this.#entries.set(key, { knowledge, proofs: NO_PROOFS });
    if (this.#entries.has(key)) this.#contacts?.put(key, envelopeOf(knowledge));
    else this.#contacts?.delete(key); // Too large to be kept, as what was known before may not have been.
  }

  /** The known conversations of an account. */
  ofAccount(accountId: number): readonly ConversationId[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(`${accountId}/`)).map(conversationOfKey);
  }

  /** The known conversations that are the contact's, or may be. */
  ofContact(accountId: number, contactId: number): readonly ConversationId[] {
    this.#contacts ??= this.#indexContacts();
    return this.#contacts.of(accountId, contactId).map(conversationOfKey);
  }

  #indexContacts(): ContactIndex {
    const index = new ContactIndex();
    for (const [key, { knowledge }] of this.#entries.entries()) index.put(key, envelopeOf(knowledge));
    return index;
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
