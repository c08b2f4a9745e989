// What became due of conversations of which nothing is known here. What others know of them may be older than that, so it is kept for when
// it is taken from them. Bounded: of what is let go, and of what concerned a whole account, only the last moment is kept.

import { LRUCache } from 'lru-cache';
import { allDue, bothDue, lastDueAt, NOTHING_DUE, type Due } from '../timeline/changes.ts';

export const MARKS_MAX = 10_000;
export const ACCOUNTS_MAX = 1_000;

export class DueMarks {
  readonly #conversations: LRUCache<string, Due>;
  readonly #accounts = new Map<string, Due>();
  /** Since when all conversations are due of which nothing is kept. */
  #lostAt = -Infinity;

  constructor() {
    this.#conversations = new LRUCache({
      max: MARKS_MAX,
      dispose: (due, _key, reason) => {
        if (reason === 'evict') this.lose(lastDueAt(due));
      },
    });
  }

  /** @param key of the conversation */
  mark(key: string, mark: (due: Due) => Due): void {
    this.#conversations.set(key, mark(this.#conversations.get(key) ?? NOTHING_DUE));
  }

  /** The same for all conversations of an account. */
  markAccount(accountId: number, mark: (due: Due) => Due): void {
    const account = String(accountId);
    const due = mark(this.#accounts.get(account) ?? NOTHING_DUE);
    this.#accounts.delete(account);
    this.#accounts.set(account, due);
    if (this.#accounts.size <= ACCOUNTS_MAX) return;
    const [oldest] = this.#accounts;
    if (oldest === undefined) return;
    this.#accounts.delete(oldest[0]);
    this.lose(lastDueAt(oldest[1]));
  }

  /** What became due until `at` (ms) is known of nothing. */
  lose(at: number): void {
    this.#lostAt = Math.max(this.#lostAt, at);
  }

  /** What is due of a conversation. */
  of(key: string): Due {
    let due = this.#conversations.get(key) ?? NOTHING_DUE;
    const account = this.#accounts.get(key.slice(0, key.indexOf('/')));
    if (account !== undefined) due = bothDue(due, account);
    return this.#lostAt === -Infinity ? due : bothDue(due, allDue(NOTHING_DUE, this.#lostAt));
  }

  /** It is known again, with what is due of it. */
  delete(key: string): void {
    this.#conversations.delete(key);
  }
}
