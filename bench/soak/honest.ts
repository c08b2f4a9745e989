// Honest callers: the walks, polls and questions of four clients within their limits, and how they fare.

import type { Pool } from 'undici';
import type { MessageTable } from '../../test/support/fake-chatwoot/message-table.ts';
import { seededRandom } from '../../test/support/fake-chatwoot/seeded-random.ts';
import { quantile } from '../table.ts';
import { HONEST_KEYS } from './credentials.ts';

const CONVERSATIONS = [1, 1, 1, 2, 2, 3, 4, 5, 6, 99];
const NEWEST_SHARE = 0.25;
const AS_OF_NOW_SHARE = 0.03;
const LEAVING_SHARE = 0.01;
const LEAVING_AFTER_MS = 20;
const REFUSALS_TOLD = 20;
/** What may come while Chatwoot fails. */
const STATUSES: ReadonlySet<number> = new Set([200, 404, 429, 502, 503, 504]);

/** How callers fared in one part of the run. Those that left do not count. */
export class Fare {
  readonly words = new Map<string, number>();
  readonly #tookMs: number[] = [];
  #asked = 0;
  #served = 0;

  /** The first answers that callers did not come for, in words. */
  readonly refusals: string[] = [];

  add(word: string, tookMs: number, served: boolean, asked: string): void {
    this.words.set(word, (this.words.get(word) ?? 0) + 1);
    if (word === 'left') return;
    this.#asked++;
    this.#tookMs.push(tookMs);
    if (served) this.#served++;
    else if (this.refusals.length < REFUSALS_TOLD) this.refusals.push(`${word} after ${tookMs.toFixed(0)} ms to ${asked}`);
  }

  get asked(): number {
    return this.#asked;
  }

  /** The answers that callers came for: pages, and 404s for what is not there. */
  get served(): number {
    return this.#served;
  }

  get servedShare(): number {
    return this.#served / this.#asked;
  }

  get p99Ms(): number {
    return quantile(this.#tookMs, 0.99);
  }

  get medianMs(): number {
    return quantile(this.#tookMs, 0.5);
  }
}

export class Honest {
  readonly #pool: Pool;
  readonly #table: MessageTable;
  readonly #random = seededRandom(7);
  /** Answers that there should never be. */
  unexpected = 0;

  constructor(pool: Pool, table: MessageTable) {
    this.#pool = pool;
    this.#table = table;
  }

  /** Asks once; `fareOf` says where that counts, by the moment when it began and the one when it ended. */
  async ask(fareOf: (startedAt: number, endedAt: number) => Fare): Promise<void> {
    const random = this.#random;
    const conversation = CONVERSATIONS[Math.floor(random() * CONVERSATIONS.length)]!;
    const key = HONEST_KEYS[Math.floor(random() * HONEST_KEYS.length)]!;
    const headers = { api_access_token: key, ...(random() < AS_OF_NOW_SHARE ? { 'cache-control': 'no-cache' } : {}) };
    const gone = new AbortController();
    const timer = random() < LEAVING_SHARE ? setTimeout(() => gone.abort(), LEAVING_AFTER_MS) : undefined;
    const startedAt = performance.now();
    let word: string;
    let served = false;
    const path = this.#targetOf(conversation);
    try {
      const answer = await this.#pool.request({ method: 'GET', path, headers, signal: gone.signal });
      const text = await answer.body.text();
      word =
        answer.statusCode < 400 || answer.statusCode === 404 ? String(answer.statusCode) : `${answer.statusCode} ${codeOf(text)}`;
      served = answer.statusCode === (conversation === 99 ? 404 : 200);
      if (!STATUSES.has(answer.statusCode)) this.unexpected++;
    } catch {
      word = gone.signal.aborted ? 'left' : 'broken';
      if (word === 'broken') this.unexpected++;
    } finally {
      clearTimeout(timer);
    }
    const endedAt = performance.now();
    fareOf(startedAt, endedAt).add(
      word,
      endedAt - startedAt,
      served,
      `${path.slice('/api/v1/accounts/1'.length)} at ${(startedAt / 1000).toFixed(1)} s`,
    );
  }

  #targetOf(conversation: number): string {
    const random = this.#random;
    const path = `/api/v1/accounts/1/conversations/${conversation}/messages`;
    if (!this.#table.hasConversation(1, conversation) || random() < NEWEST_SHARE) return path;
    const rows = this.#table.rows(1, conversation);
    const row = rows[Math.floor(random() * rows.length)];
    if (row === undefined) return path;
    const mode = random();
    if (mode < 0.7) return `${path}?before=${row.id}`;
    return mode < 0.85
      ? `${path}?after=${row.id}`
      : `${path}?after=${row.id}&before=${row.id + 50}&filter_internal_messages=true`;
  }
}

function codeOf(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? 'without a code';
}
