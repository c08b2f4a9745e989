// The caches that are compared. Each answers the same reads at the same moments, from an upstream count of its own.

import { ReadThrough } from '../../src/cache/read-through.ts';
import type { SharedLevel } from '../../src/cache/shared-level.ts';
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

/** The defaults of the program (src/config/settings.ts), unless the command line says otherwise. */
export const FRESHNESS: { -readonly [Part in keyof Freshness]-?: number } = {
  tailMaxAgeMs: 0,
  metaMaxAgeMs: 10_000,
  historyMaxAgeMs: 15 * 60_000,
  staleIfErrorMs: 60 * 60_000,
  settleMs: 2 * 60_000,
  feedMaxAgeMs: 60_000,
};
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const MEMORY_BYTES = 256 * 2 ** 20;
export const SHADOW_RATE = 0.001;
/** The engine's time-out runs in real time; the trace does not mean it. */
const REAL_TIMEOUT_MS = 3_600_000;

export interface PolicyAnswer {
  readonly rows: readonly Row[];
  /** Upstream was not read for this caller, nor waited for. */
  readonly hit: boolean;
  /** What others had read was asked for. */
  readonly isShared?: boolean;
}

export interface Policy {
  readonly name: string;
  readonly upstream: CountingUpstream;
  /** With a feed: when the event came that tells that a message was created, ms. */
  readonly told?: ReadonlyMap<number, number>;
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

/** What tells Backscroll of changes. */
export interface FeedOptions {
  readonly name: string;
  /** Decides whether an event of this moment (ms) is lost, without a word. */
  readonly loses: (at: number) => boolean;
  /** Since when the feed is trusted at this moment, both in ms; null while it is not. */
  readonly fedSince: (at: number) => number | null;
}

/** From a commit to its event: Chatwoot's job, Redis, the socket. ms. */
const EVENT_AFTER_MS = 100;

/** A feed that works, one that loses an event in a hundred without anybody noticing, and one that hears nothing for an hour. */
export function feedsFrom(startAt: number, seed: number): readonly FeedOptions[] {
  const random = seededRandom(seed);
  const always = { loses: () => false, fedSince: () => startAt };
  const [deafFrom, deafUntil] = [startAt + HOUR_MS / 2, startAt + (3 * HOUR_MS) / 2];
  const isDeaf = (at: number): boolean => at >= deafFrom && at < deafUntil;
  return [
    { ...always, name: 'Backscroll, feed' },
    { ...always, name: 'Backscroll, feed, 1 % lost', loses: () => random() < 0.01 },
    {
      name: 'Backscroll, feed, deaf hour',
      loses: isDeaf,
      // Nothing came for a minute.
      fedSince: (at) => (at < deafFrom + MINUTE_MS ? startAt : isDeaf(at) ? null : deafUntil),
    },
  ];
}

export interface BackscrollOptions {
  readonly feed?: FeedOptions;
  /** Where others know what it does not. */
  readonly shared?: SharedLevel;
  /** Where others read from it, too. */
  readonly upstream?: CountingUpstream;
  readonly memoryBytes?: number;
}

export class Backscroll implements Policy {
  readonly name: string;
  /** When the event came that tells that a message was created, ms. */
  readonly told = new Map<number, number>();
  readonly upstream: CountingUpstream;
  readonly engine: ReadThrough;
  readonly learnt = new Map<LearnOutcome, number>();
  shadowDifferences = 0;

  constructor(world: World, time: VirtualTime, { feed, shared, upstream, memoryBytes = MEMORY_BYTES }: BackscrollOptions = {}) {
    this.name = feed?.name ?? 'Backscroll';
    this.upstream = upstream ?? new CountingUpstream(world, time);
    this.engine = new ReadThrough({
      upstream: this.upstream,
      now: () => time.now,
      freshness: FRESHNESS,
      ...(feed === undefined ? {} : { fedSince: () => feed.fedSince(time.now) }),
      ...(shared === undefined ? {} : { shared }),
      memoryBytesMax: memoryBytes,
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
    if (feed === undefined) return;
    world.listeners.push(({ id, conversationId }, what) => {
      if (feed.loses(time.now)) return;
      time.at(time.now + EVENT_AFTER_MS, () => {
        if (what === 'created') this.told.set(id, time.now);
        const conversation = { accountId: ACCOUNT, conversationId };
        this.engine.apply(what === 'created' ? { kind: 'tail', conversation, seenId: id } : { kind: 'row', conversation, id });
      });
    });
  }

  async read(conversationId: number, query: Query): Promise<PolicyAnswer> {
    const read = () => this.engine.answer({ accountId: ACCOUNT, conversationId }, query, { asOfNow: false, bypass: false });
    const { rows, outcome, level } = await asking.run(query.mode, read);
    return { rows, hit: outcome === 'hit', isShared: level === 'shared' };
  }
}

function rowsOf(answer: Awaited<ReturnType<CountingUpstream['read']>>): readonly Row[] {
  return answer.kind === 'reading' ? answer.reading.rows : answer.answer.rows;
}
