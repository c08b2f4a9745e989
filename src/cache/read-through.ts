// The walk of one read: prove → else fill or forward → learn → answer.

import { BackscrollError, notFound } from '../errors.ts';
import type { Freshness } from '../timeline/freshness.ts';
import type { SeenIds } from '../timeline/frontier.ts';
import { sawId, vouchedFrontier } from '../timeline/frontier.ts';
import type { PlanContext } from '../timeline/plan.ts';
import { nextWalk, planFill, planRefresh, planSeal, SEAL_AFTER_READS } from '../timeline/plan.ts';
import type { Gap, Proof } from '../timeline/prove.ts';
import { highestId } from '../timeline/prove.ts';
import type { Query } from '../timeline/query.ts';
import { idRange, queryKey } from '../timeline/query.ts';
import type { Envelope, Reading, Row } from '../timeline/reading.ts';
import type { ConversationId, TimestampQuery, Upstream, UpstreamAnswer } from '../upstream/upstream.ts';
import { Behind } from './behind.ts';
import type { Flight } from './flights.ts';
import { Flights } from './flights.ts';
import type { HistoryMode } from './knowledge.ts';
import { learnInto, modeOf, proveFrom } from './knowledge.ts';
import { conversationKey, MemoryStore } from './memory-store.ts';
import { MissingConversations } from './missing.ts';
import type { CacheObserver, ReadReason } from './observer.ts';
import type { Outcome } from './outcome.ts';

export interface ReadThroughOptions {
  readonly upstream: Upstream;
  /** The engine's clock, ms. Must not step; only differences and comparisons with created_at matter. */
  readonly now: () => number;
  readonly freshness: Freshness;
  /** What all knowledge together may hold, bytes. */
  readonly memoryBytesMax: number;
  readonly mode: HistoryMode;
  readonly observer: CacheObserver;
  /** Conversations read behind answers at once. */
  readonly behindMax?: number;
}

/** What a caller demands beside the query. */
export interface Demand {
  /** Tail and meta as of now: `Cache-Control: no-cache` or `max-age=0`. */
  readonly asOfNow: boolean;
  /** Everything as of now: the same from a client that may bypass the cache. */
  readonly bypass: boolean;
  /** Aborts when the caller has gone away. */
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  readonly outcome: Outcome;
  /** Age of the oldest part, ms. */
  readonly ageMs: number;
  /** How long the answer stays fresh, ms; negative for one that is past that; null where it was just read. */
  readonly ttlMs: number | null;
  /** Whether what was read for it is kept. */
  readonly stored: boolean;
}

interface Landed {
  readonly answer: UpstreamAnswer;
  readonly stored: boolean;
}

const BEHIND_MAX = 4;
const BEHIND_WAITING_MAX = 1000;
/** Reads that one seal may take in a row; a walk that goes on asks again. */
const SEAL_STEPS_MAX = 4;

export class ReadThrough {
  readonly #options: ReadThroughOptions;
  readonly #store: MemoryStore;
  readonly #missing = new MissingConversations();
  readonly #flights: Flights<Landed>;
  readonly #behind: Behind;
  #seen: SeenIds = [];

  constructor(options: ReadThroughOptions) {
    this.#options = options;
    this.#store = new MemoryStore(options.memoryBytesMax);
    this.#flights = new Flights(options.now);
    this.#behind = new Behind({
      runningMax: options.behindMax ?? BEHIND_MAX,
      waitingMax: BEHIND_WAITING_MAX,
      onFailure: (error) => options.observer.behindFailed(error),
    });
  }

  /**
   * Answers one query.
   * @throws BackscrollError as upstream or the house rules have it.
   */
  async answer(conversation: ConversationId, query: Query | TimestampQuery, demand: Demand): Promise<Answer> {
    if (query.mode === 'before_timestamp') return this.#passThrough(conversation, query, demand);
    const asOf = demand.asOfNow || demand.bypass ? this.#options.now() : undefined;
    if (asOf === undefined && this.#missing.has(conversation, this.#options.now())) throw notFound();
    if (!demand.bypass) {
      const found = this.#prove(conversation, query, asOf);
      if (found.proved) return this.#hit(conversation, query, found, 'hit');
      const filled = await this.#fill(conversation, query, found, asOf, demand.signal);
      if (filled !== null) return this.#hit(conversation, query, filled, 'miss');
    }
    return this.#forward(conversation, query, asOf, demand);
  }

  /** What is known of a conversation is dropped; reads under way bring nothing that is kept. */
  invalidate(conversation: ConversationId): void {
    const prefix = `${conversationKey(conversation)} `;
    this.#flights.invalidate((key) => key.startsWith(prefix));
    this.#store.delete(conversation);
  }

  get size(): { bytes: number; conversations: number; inFlight: number } {
    return {
      bytes: this.#store.bytes,
      conversations: this.#store.conversations,
      inFlight: this.#flights.size + this.#behind.size,
    };
  }

  /** Resolves when no read behind an answer is under way. */
  idle(): Promise<void> {
    return this.#behind.idle();
  }

  async close(): Promise<void> {
    await this.#behind.close();
  }

  #prove(conversation: ConversationId, query: Query, asOf: number | undefined): Proof | Gap {
    const { freshness, mode, now } = this.#options;
    const context = { now: now(), freshness, ...(asOf === undefined ? {} : { asOf }) };
    return proveFrom(this.#store.get(conversation), mode, query, context);
  }

  #hit(conversation: ConversationId, query: Query, proof: Proof, outcome: Outcome): Answer {
    this.#readBehind(conversation, query, proof);
    const now = this.#options.now();
    const { rows, envelope } = proof;
    return { rows, envelope, outcome, ageMs: now - proof.asOf, ttlMs: proof.freshUntil - now, stored: true };
  }

  /** Waits for a read under way, or sends one that is smaller than the query, after which the query may be proved. */
  async #fill(
    conversation: ConversationId,
    query: Query,
    gap: Gap,
    asOf: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Proof | null> {
    let missing = gap;
    const underWay = query.mode === 'latest' ? undefined : this.#behind.running(conversationKey(conversation));
    if (underWay !== undefined) {
      await underWay;
      const found = this.#prove(conversation, query, asOf);
      if (found.proved) return found;
      missing = found;
    }
    const knowledge = this.#store.get(conversation);
    if (modeOf(knowledge, this.#options.mode) === 'exact') return null;
    const fill = planFill(knowledge.timeline, query, missing, { ...this.#planContext(), asOf });
    if (fill !== null) await this.#read(conversation, fill, 'fill', asOf, signal).result;
    else if (!(await this.#sealFor(conversation, query))) return null;
    const found = this.#prove(conversation, query, asOf);
    return found.proved ? found : null;
  }

  /** Seals in place of forwarding, where a walk goes on and a place for it is free. False where the query must be forwarded. */
  async #sealFor(conversation: ConversationId, query: Query): Promise<boolean> {
    const { timeline, walk } = this.#store.get(conversation);
    if (planSeal(timeline, query, walk, this.#planContext()) === null) return false;
    const key = conversationKey(conversation);
    this.#behind.offer(key, (signal) => this.#seal(conversation, query, signal));
    const sealing = this.#behind.running(key);
    await sealing;
    return sealing !== undefined;
  }

  async #forward(conversation: ConversationId, query: Query, asOf: number | undefined, demand: Demand): Promise<Answer> {
    const { result, shared } = this.#read(conversation, query, 'forward', asOf, demand.signal);
    const { answer, stored } = await result;
    this.#readBehind(conversation, query, null);
    const { rows, envelope, askedAt } = answer.kind === 'reading' ? answer.reading : answer.answer;
    const outcome = demand.bypass ? 'bypass' : shared ? 'coalesced' : 'miss';
    return { rows, envelope, outcome, ageMs: this.#options.now() - askedAt, ttlMs: null, stored };
  }

  async #passThrough(conversation: ConversationId, query: TimestampQuery, demand: Demand): Promise<Answer> {
    this.#options.observer.upstreamRead('forward');
    const answer = await this.#options.upstream.read(conversation, query, demand.signal);
    const { rows, envelope, askedAt } = answer.kind === 'reading' ? answer.reading : answer.answer;
    return { rows, envelope, outcome: 'bypass', ageMs: this.#options.now() - askedAt, ttlMs: null, stored: false };
  }

  #read(
    conversation: ConversationId,
    query: Query,
    reason: ReadReason,
    asOf: number | undefined,
    signal: AbortSignal | undefined,
  ): { result: Promise<Landed>; shared: boolean } {
    const send = async (abort: AbortSignal, flight: Flight<Landed>): Promise<Landed> => {
      this.#options.observer.upstreamRead(reason);
      try {
        const answer = await this.#options.upstream.read(conversation, query, abort);
        const stored = answer.kind === 'reading' && this.#learn(conversation, answer.reading, flight);
        return { answer, stored };
      } catch (error) {
        this.#heed(conversation, error);
        throw error;
      }
    };
    const options = { ...(asOf === undefined ? {} : { asOf }), signal };
    return this.#flights.join(`${conversationKey(conversation)} ${queryKey(query)}`, send, options);
  }

  #learn(conversation: ConversationId, reading: Reading, flight: Flight<Landed>): boolean {
    const { freshness, mode, now, observer } = this.#options;
    const { settleMs, historyMaxAgeMs } = freshness;
    const highest = reading.rows.reduce((max, row) => Math.max(max, row.id), 0);
    this.#seen = sawId(this.#seen, highest, now(), settleMs);
    if (flight.invalidated) return false;
    const context = {
      vouched: vouchedFrontier(this.#seen, reading.askedAt, settleMs),
      settleMs,
      expiredBefore: reading.askedAt - 2 * historyMaxAgeMs,
    };
    const { knowledge, outcome } = learnInto(this.#store.get(conversation), mode, reading, context);
    observer.learnt(outcome);
    this.#store.set(conversation, knowledge);
    return outcome === 'learnt' || outcome === 'contradiction';
  }

  /** Upstream's "not there" and "not allowed" end what is known of the conversation: erased data is not served. */
  #heed(conversation: ConversationId, error: unknown): void {
    if (!(error instanceof BackscrollError)) return;
    if (error.code === 'not_found') this.#missing.add(conversation, this.#options.now());
    if (error.code === 'not_found' || error.code === 'upstream_forbidden' || error.code === 'upstream_credentials') {
      this.#store.delete(conversation);
    }
  }

  /** Decides what should be read behind this answer, and has it read. */
  #readBehind(conversation: ConversationId, query: Query, proof: Proof | null): void {
    const { mode } = this.#options;
    let knowledge = this.#store.get(conversation);
    if (proof === null && query.mode !== 'latest' && knowledge.walk.historyReads < SEAL_AFTER_READS) {
      knowledge = { ...knowledge, walk: { ...knowledge.walk, historyReads: knowledge.walk.historyReads + 1 } };
      this.#store.set(conversation, knowledge);
    }
    if (proof === null) return;
    const exact = modeOf(knowledge, mode) === 'exact';
    const { history, meta } = proof.refresh;
    if (!history && !meta && (exact || planSeal(knowledge.timeline, query, knowledge.walk, this.#planContext()) === null)) return;
    this.#behind.offer(conversationKey(conversation), async (signal) => {
      if (exact) await this.#read(conversation, query, 'refresh', undefined, signal).result;
      else {
        if (history) await this.#refresh(conversation, query, signal);
        else if (meta) await this.#refreshMeta(conversation, signal);
        await this.#seal(conversation, query, signal);
      }
    });
  }

  #planContext(): PlanContext {
    return { now: this.#options.now(), freshness: this.#options.freshness };
  }

  async #refresh(conversation: ConversationId, query: Query, signal: AbortSignal): Promise<void> {
    const { timeline } = this.#store.get(conversation);
    for (const read of planRefresh(timeline, idRange(query).hi, this.#options.now(), this.#options.freshness)) {
      await this.#read(conversation, read, 'refresh', undefined, signal).result;
    }
  }

  async #refreshMeta(conversation: ConversationId, signal: AbortSignal): Promise<void> {
    const after = Math.max(0, highestId(this.#store.get(conversation).timeline));
    await this.#read(conversation, { mode: 'after', after, publicOnly: false }, 'meta', undefined, signal).result;
  }

  async #seal(conversation: ConversationId, query: Query, signal: AbortSignal): Promise<void> {
    for (let step = 0; step < SEAL_STEPS_MAX; step++) {
      const { timeline, walk } = this.#store.get(conversation);
      const read = planSeal(timeline, query, walk, this.#planContext());
      if (read === null) return;
      const startedAt = this.#options.now();
      await this.#read(conversation, read, 'seal', undefined, signal).result;
      const knowledge = this.#store.get(conversation);
      if (read.mode === 'between') {
        const tookMs = this.#options.now() - startedAt;
        this.#store.set(conversation, { ...knowledge, walk: nextWalk(knowledge.walk, tookMs) });
      }
    }
  }
}
