// What is due of each conversation, wherever that is kept: with what is known, with the reads under way, and, where what is not known
// here may be taken from others, by itself.

import { bothDue, type Due } from '../timeline/changes.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { DueMarks } from './due-marks.ts';
import type { Knowledge } from './knowledge.ts';
import { conversationKey, conversationOfKey, type MemoryStore } from './memory-store.ts';
import { ReadsUnderWay } from './reads-under-way.ts';

export class Dues {
  readonly #store: MemoryStore;
  readonly #unknown: DueMarks | null;
  readonly #underWay = new ReadsUnderWay();

  /** @param unknown of conversations that are not known here; null where nothing is taken from others */
  constructor(store: MemoryStore, unknown: DueMarks | null) {
    this.#store = store;
    this.#unknown = unknown;
  }

  /** What is due, also of what comes of reads under way. */
  of(conversation: ConversationId): Due {
    const key = conversationKey(conversation);
    // An account's marks are of those that were not known when it changed.
    const isKnown = this.#unknown === null || this.#store.has(conversation);
    return this.#underWay.dueWith(key, isKnown ? this.#store.get(conversation).due : this.#unknown.of(key));
  }

  /** Keeps what is known, or, where it does not fit into memory, what is due of it. */
  keep(conversation: ConversationId, knowledge: Knowledge): void {
    const key = conversationKey(conversation);
    this.#store.set(conversation, knowledge);
    if (this.#store.has(conversation)) this.#unknown?.delete(key);
    else this.#unknown?.mark(key, (due) => bothDue(due, knowledge.due));
  }

  /** Parts of what is known are due, and of what is being read, as if it were known. */
  mark(conversation: ConversationId, mark: (due: Due, knowledge: Knowledge) => Due): void {
    const key = conversationKey(conversation);
    const knowledge = this.#store.get(conversation);
    this.#underWay.mark(key, (due) => mark(due, knowledge));
    if (this.#store.has(conversation)) this.#store.set(conversation, { ...knowledge, due: mark(knowledge.due, knowledge) });
    else this.#unknown?.mark(key, (due) => mark(due, knowledge));
  }

  /** Parts are due of all conversations of the account of which nothing is known here. */
  markUnknown(accountId: number, mark: (due: Due) => Due): void {
    this.#unknown?.markAccount(accountId, mark);
  }

  /** What became due until `at` (ms) of conversations of which nothing is known here has been lost. */
  loseUnknown(at: number): void {
    this.#unknown?.lose(at);
  }

  /** A read of the conversation begins. @returns what to call at its end, after it was learnt */
  beginRead(conversation: ConversationId): () => void {
    return this.#underWay.begin(conversationKey(conversation));
  }

  /** The conversations of an account, or of one of its contacts, of which something is known or being read. */
  concernedBy(accountId: number, contactId?: number): readonly ConversationId[] {
    const known = contactId === undefined ? this.#store.ofAccount(accountId) : this.#store.ofContact(accountId, contactId);
    const beingRead = [...this.#underWay.keys()].filter((key) => key.startsWith(`${accountId}/`)).map(conversationOfKey);
    return [...known, ...beingRead.filter((conversation) => !this.#store.has(conversation))];
  }
}
