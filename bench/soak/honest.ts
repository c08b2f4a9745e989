// Honest callers: the walks, polls and questions of four clients within their limits, and how they fare. They know of a conversation
// what they were answered.

import type { Pool } from 'undici';
import { seededRandom } from '../../test/support/fake-chatwoot/seeded-random.ts';
import { quantile } from '../table.ts';
import { HONEST_KEYS } from './credentials.ts';

export const CALLER_CONNECTIONS = 32;
const MISSING_CONVERSATION = 99;
const CONVERSATIONS = [1, 1, 1, 2, 2, 3, 4, 5, 6, MISSING_CONVERSATION];
/** Ids of a conversation that are kept in mind; the latest to be met replace others. */
const IDS_MAX = 2_000;
const NEWEST_SHARE = 0.25;
const AS_OF_NOW_SHARE = 0.03;
const LEAVING_SHARE = 0.01;
const LEAVING_AFTER_MS = 20;
const REFUSALS_TOLD = 20;
/** What may come while Chatwoot fails. */
const STATUSES: ReadonlySet<number> = new Set([200, 404, 429, 502, 503, 504]);

/** How callers fared in one part of the run. Those that left do not count. */
export interface Fared {
  readonly words: ReadonlyMap<string, number>;
  /** The first answers that callers did not come for, in words. */
  readonly refusals: readonly string[];
  readonly asked: number;
  /** The answers that callers came for: pages, and 404s for what is not there. */
  readonly served: number;
  readonly p99Ms: number;
  readonly medianMs: number;
}

/** Counts it. */
export class Fare {
  readonly #words = new Map<string, number>();
  readonly #tookMs: number[] = [];
  readonly #refusals: string[] = [];
  #asked = 0;
  #served = 0;

  add(word: string, tookMs: number, served: boolean, asked: string): void {
    this.#words.set(word, (this.#words.get(word) ?? 0) + 1);
    if (word === 'left') return;
    this.#asked++;
    this.#tookMs.push(tookMs);
    if (served) this.#served++;
    else if (this.#refusals.length < REFUSALS_TOLD) this.#refusals.push(`${word} after ${tookMs.toFixed(0)} ms to ${asked}`);
  }

  get told(): Fared {
    return {
      words: this.#words,
      refusals: this.#refusals,
      asked: this.#asked,
      served: this.#served,
      p99Ms: quantile(this.#tookMs, 0.99),
      medianMs: quantile(this.#tookMs, 0.5),
    };
  }
}

export class Honest {
  readonly #pool: Pool;
  readonly #ids = new Map<number, number[]>();
  readonly #random = seededRandom(7);
  /** Answers that there should never be. */
  unexpected = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
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
      served = answer.statusCode === (conversation === MISSING_CONVERSATION ? 404 : 200);
      if (answer.statusCode === 200) this.#meet(conversation, text);
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
    const ids = this.#ids.get(conversation) ?? [];
    const id = ids[Math.floor(random() * ids.length)];
    if (id === undefined || random() < NEWEST_SHARE) return path;
    const mode = random();
    if (mode < 0.7) return `${path}?before=${id}`;
    return mode < 0.85 ? `${path}?after=${id}` : `${path}?after=${id}&before=${id + 50}&filter_internal_messages=true`;
  }

  /** Learns the ids of a page: somewhere in the past, where callers walk. */
  #meet(conversation: number, page: string): void {
    const ids = this.#ids.get(conversation) ?? [];
    this.#ids.set(conversation, ids);
    const { payload } = JSON.parse(page) as { readonly payload: readonly { readonly id: number }[] };
    for (const { id } of payload) {
      if (ids.includes(id)) continue;
      if (ids.length < IDS_MAX) ids.push(id);
      else ids[Math.floor(this.#random() * IDS_MAX)] = id;
    }
  }
}

function codeOf(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? 'without a code';
}
