// Which contacts the cable has shown, to tell an update that changes something from the one that each incoming message causes:
// on the cable no event says what changed (contract 6, trap 32). An event shows all of a contact that pages show and events tell of, so
// that one which looks as the last did changes nothing; were the last one older than the one before it, which sidekiq may do, the
// change shows within FEED_MAX_AGE.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Members } from './json-members.ts';

const CONTACTS_MAX = 20_000;

export class ContactMemory {
  readonly #seen = new LRUCache<string, string>({ max: CONTACTS_MAX });

  /** Whether the contact looks the same as in the event before. */
  isSame(accountId: number, contactId: number, data: Members): boolean {
    const { performer: _, ...shown } = data;
    const hash = createHash('sha256').update(JSON.stringify(shown)).digest('base64');
    const key = `${accountId}/${contactId}`;
    const same = this.#seen.get(key) === hash;
    if (!same) this.#seen.set(key, hash);
    return same;
  }

  /** After a gap nothing is known to be as it was. */
  clear(): void {
    this.#seen.clear();
  }
}
