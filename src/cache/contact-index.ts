// Which of the known conversations are a contact's: those whose envelope shows it. Made when a contact first changes, and kept as
// long as what is known, so it is bounded as that is. Of an envelope that does not say, any contact of its account may be meant.

import type { Envelope } from '../timeline/reading.ts';

interface Place {
  readonly envelope: Envelope | null;
  readonly contact: string;
}

export class ContactIndex {
  readonly #places = new Map<string, Place>();
  readonly #conversations = new Map<string, Set<string>>();

  /** @param key of the conversation, as `conversationKey` has it */
  put(key: string, envelope: Envelope | null): void {
    const known = this.#places.get(key);
    if (known !== undefined && known.envelope === envelope) return;
    const contact = contactKey(accountOf(key), contactIdOf(envelope));
    if (known?.contact !== contact) {
      this.delete(key);
      const conversations = this.#conversations.get(contact) ?? new Set();
      this.#conversations.set(contact, conversations.add(key));
    }
    this.#places.set(key, { envelope, contact });
  }

  delete(key: string): void {
    const known = this.#places.get(key);
    if (known === undefined) return;
    this.#places.delete(key);
    const conversations = this.#conversations.get(known.contact)!;
    conversations.delete(key);
    if (conversations.size === 0) this.#conversations.delete(known.contact);
  }

  /** Keys of the conversations that are the contact's, or may be. */
  of(accountId: number, contactId: number): readonly string[] {
    const account = String(accountId);
    return [contactKey(account, contactId), contactKey(account, null)].flatMap((key) => [
      ...(this.#conversations.get(key) ?? []),
    ]);
  }

  /** Contacts of which conversations are known. */
  get contacts(): number {
    return this.#conversations.size;
  }
}

function accountOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

function contactKey(account: string, contactId: number | null): string {
  return `${account} ${contactId ?? 'unknown'}`;
}

function contactIdOf(envelope: Envelope | null): number | null {
  if (envelope === null) return null;
  let page: unknown;
  try {
    page = JSON.parse(envelope.head + envelope.tail);
  } catch {
    return null;
  }
  const id = member(member(member(page, 'meta'), 'contact'), 'id');
  return typeof id === 'number' ? id : null;
}

function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
