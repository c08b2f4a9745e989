// The caches that are compared. Each answers the same reads at the same moments, from an upstream count of its own.

import { ReadThrough } from '../../src/cache/read-through.ts';
import type { Freshness } from '../../src/timeline/freshness.ts';
import type { SeenIds } from '../../src/timeline/frontier.ts';
import { sawId, vouchedFrontier } from '../../src/timeline/frontier.ts';
import type { LearnOutcome } from '../../src/timeline/learn.ts';
import type { Query } from '../../src/timeline/query.ts';
import { PAGE_LIMIT, queryKey } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { seededRandom } from '../../test/support/fake-chatwoot/seeded-random.ts';
import { asking, CountingUpstream } from './upstream.ts';
import type { VirtualTime } from './virtual-time.ts';
import { ACCOUNT, type World } from './world.ts';

/** The defaults of the program (src/config.ts), unless the command line has another tail. */
export const FRESHNESS: { -readonly [Part in keyof Freshness]: Freshness[Part] } = {
  tailMaxAgeMs: 0,
  metaMaxAgeMs: 10_000,
  historyMaxAgeMs: 15 * 60_000,
  staleIfErrorMs: 60 * 60_000,
  settleMs: 2 * 60_000,
};
export const MEMORY_BYTES = 256 * 2 ** 20;
export const SHADOW_RATE = 0.001;
/** The engine's time-out runs in real time; the trace does not mean it. */
const REAL_TIMEOUT_MS = 3_600_000;

export interface PolicyAnswer {
  readonly rows: readonly Row[];
  /** Upstream was not read for this caller, nor waited for. */
  readonly hit: boolean;
}

export interface Policy {
  readonly name: string;
  readonly upstream: CountingUpstream;
  read(conversationId: number, query: Query): Promise<PolicyAnswer>;
}

export class NoCache implements Policy {
  readonly name = 'no cache';
  readonly upstream: CountingUpstream;

  constructor(world: World, time: VirtualTime) {
    this.upstream = new CountingUpstream(world, time);
  }

  async read(conversationId: number, query: Query): Promise<PolicyAnswer> {
    const answer = await this.upstream.read({ accountId: ACCOUNT, conversationId }, query);
    return { rows: rowsOf(answer), hit: false };
  }
}

/** How long a page is kept under its exact URL, ms. `frontier` is the id below which all ids were settled when it was asked for. */
export type TimeToLive = (query: Query, rows: readonly Row[], frontier: number) => number;

/** A URL key with a TTL: HISTORY_MAX_AGE for history, TAIL_MAX_AGE for the newest page. */
export const ttlByUrl: TimeToLive = (query) => (query.mode === 'latest' ? FRESHNESS.tailMaxAgeMs : FRESHNESS.historyMaxAgeMs);

/** A page is closed when it is full and its cursor is settled. Closed pages for HISTORY_MAX_AGE, the rest for TAIL_MAX_AGE. */
export const ttlOfClosedPages: TimeToLive = (query, rows, frontier) =>
  rows.length === PAGE_LIMIT[query.mode] ? ttlOfSettledPages(query, rows, frontier) : FRESHNESS.tailMaxAgeMs;

/** The same, but the last, short page of a walk counts as closed too: nothing can appear below a settled cursor. */
export const ttlOfSettledPages: TimeToLive = (query, _rows, frontier) =>
  query.mode === 'before' && query.before <= frontier ? FRESHNESS.historyMaxAgeMs : FRESHNESS.tailMaxAgeMs;

/** Pages under their exact URL. Callers that want the same page at once share one read; memory is without bound. */
export class PageCache implements Policy {
  readonly name: string;
  readonly upstream: CountingUpstream;
  readonly #time: VirtualTime;
  readonly #ttl: TimeToLive;
  readonly #pages = new Map<string, { readonly rows: readonly Row[]; readonly until: number }>();
  readonly #flights = new Map<string, Promise<readonly Row[]>>();
  #seen: SeenIds = [];

  constructor(name: string, ttl: TimeToLive, world: World, time: VirtualTime) {
    this.name = name;
    this.upstream = new CountingUpstream(world, time);
    this.#time = time;
    this.#ttl = ttl;
  }

  async read(conversationId: number, query: Query): Promise<PolicyAnswer> {
    const key = `${conversationId} ${queryKey(query)}`;
    const page = this.#pages.get(key);
    if (page !== undefined && this.#time.now <= page.until) return { rows: page.rows, hit: true };
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#fetch(key, conversationId, query);
      this.#flights.set(key, flight);
    }
    return { rows: await flight, hit: false };
  }

  async #fetch(key: string, conversationId: number, query: Query): Promise<readonly Row[]> {
    const askedAt = this.#time.now;
    const rows = rowsOf(await this.upstream.read({ accountId: ACCOUNT, conversationId }, query));
    this.#seen = sawId(this.#seen, Math.max(0, ...rows.map((row) => row.id)), this.#time.now, FRESHNESS.settleMs);
    const frontier = vouchedFrontier(this.#seen, askedAt, FRESHNESS.settleMs);
    this.#pages.set(key, { rows, until: askedAt + this.#ttl(query, rows, frontier) });
    this.#flights.delete(key);
    return rows;
  }
}

export class Backscroll implements Policy {
  readonly name = 'Backscroll';
  readonly upstream: CountingUpstream;
  readonly engine: ReadThrough;
  readonly learnt = new Map<LearnOutcome, number>();
  shadowDifferences = 0;

  constructor(world: World, time: VirtualTime) {
    this.upstream = new CountingUpstream(world, time);
    this.engine = new ReadThrough({
      upstream: this.upstream,
      now: () => time.now,
      freshness: FRESHNESS,
      memoryBytesMax: MEMORY_BYTES,
      mode: 'proved',
      shadowRate: SHADOW_RATE,
      random: seededRandom(1),
      answerTimeoutMs: REAL_TIMEOUT_MS,
      observer: {
        upstreamRead: (reason) => this.upstream.expect(reason),
        learnt: (outcome) => this.learnt.set(outcome, (this.learnt.get(outcome) ?? 0) + 1),
        behindFailed: (error) => {
          throw error;
        },
        shadowed: (difference) => {
          if (difference !== null) this.shadowDifferences++;
        },
        fellBackToExact: () => {
          throw new Error('fell back to exact queries');
        },
        sequenceRefuted: () => {
          throw new Error('ids rise here');
        },
      },
    });
  }

  async read(conversationId: number, query: Query): Promise<PolicyAnswer> {
    const read = () => this.engine.answer({ accountId: ACCOUNT, conversationId }, query, { asOfNow: false, bypass: false });
    const { rows, outcome } = await asking.run(query.mode, read);
    return { rows, hit: outcome === 'hit' };
  }
}

function rowsOf(answer: Awaited<ReturnType<CountingUpstream['read']>>): readonly Row[] {
  return answer.kind === 'reading' ? answer.reading.rows : answer.answer.rows;
}
