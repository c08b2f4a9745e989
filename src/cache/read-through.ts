// The walk of one read: prove → else fill, seal or forward → answer; while upstream fails, what can be proved at any age.

import type { OwnToken } from '../upstream/own-token.ts';
import { BackscrollError, notFound } from '../errors.ts';
import { planFill } from '../timeline/plan/fill.ts';
import { SEAL_AFTER_READS } from '../timeline/plan/walk.ts';
import { highestId, type Gap, type Proof } from '../timeline/prove.ts';
import type { Query } from '../timeline/query.ts';
import type { Envelope, Row } from '../timeline/reading.ts';
import { type Deadline, startDeadline } from '../upstream/deadline.ts';
import { Refused } from '../upstream/refused.ts';
import type { ConversationId, TimestampQuery, Unlearnable, UpstreamAnswer } from '../upstream/upstream.ts';
import { abortable } from '../upstream/abortable.ts';
import { applyChange } from './apply-change.ts';
import type { Change } from './changes.ts';
import type { Extent } from './extent.ts';
import type { KeptProof } from './kept-proof.ts';
import type { LibraryOptions } from './library.ts';
import { Library } from './library.ts';
import { conversationKey } from './memory-store.ts';
import type { Level, Outcome } from './outcome.ts';
import type { Outlook } from './outlook.ts';
import { Probes } from './probes.ts';
import { ReadBehind, SEAL_READS_MAX } from './read-behind.ts';
import { endsKnowledge } from './read-errors.ts';
import type { Landed, ReadOptions, TailDemand } from './reads.ts';
import { keyOf } from './reads.ts';
import type { Lease, Reach } from './shared-level.ts';
import { SharedReads } from './shared-reads.ts';

export interface ReadThroughOptions extends LibraryOptions {
  /** Share of proved answers that are compared with upstream's own, 0 to 1. */
  readonly shadowRate?: number;
  readonly random?: () => number;
  /** The longest that one caller waits, whatever has to be read for it, ms. */
  readonly answerTimeoutMs?: number;
}

/** What a caller demands beside the query. */
export interface Demand {
  /** Tail and meta as of now: `Cache-Control: no-cache` or `max-age=0`. */
  readonly asOfNow: boolean;
  /** Everything as of now: the same from a client that may bypass the cache. */
  readonly bypass: boolean;
  /** How old the newest rows may be, ms. Default: TAIL_MAX_AGE. */
  readonly tailMaxAgeMs?: number | undefined;
  /** When it asked, ms. Default: now. */
  readonly cameAt?: number;
  /** The token that it brought itself, and that let it see this conversation: what is checked is what Chatwoot shows with that. */
  readonly own?: OwnToken;
  /** Who asks, for Chatwoot to be shared fairly. Asked for only when something must be read. */
  readonly reader?: () => string;
  /** The trace that the caller's request is part of: what is read for it is told so. */
  readonly traceparent?: string | undefined;
  /** Aborts when the caller has gone away. Asked for only when something must be read. */
  readonly signal?: () => AbortSignal;
}

export interface Answer {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  /** The bytes that these were cut from, where they are at hand. */
  readonly body?: Buffer | undefined;
  readonly outcome: Outcome;
  /** Where a hit came from. Default: what this process knew. */
  readonly level?: Level;
  /** Age of the oldest part, ms. */
  readonly ageMs: number;
  /** How long the answer stays fresh, ms; negative for one that is past that; null where it was just read. */
  readonly ttlMs: number | null;
  /** Whether what was read for it is kept. */
  readonly stored: boolean;
}

/** Failures during which what is known is still shown (design: errors). */
const STALE_IF: ReadonlySet<string> = new Set([
  'upstream_error',
  'upstream_unreachable',
  'upstream_redirect',
  'upstream_invalid',
  'upstream_timeout',
  'upstream_busy',
  'overloaded',
]);

/** Of the time that a caller has, what may have gone before its page is forwarded rather than more of its surroundings read. */
const SEAL_SHARE = 1 / 3;

/** Of that time, when whatever is read in place of the page is left, so that the page can still be forwarded. */
const PLANNED_SHARE = 2 / 3;

const ANSWER_TIMEOUT_MS = 15_000;

/** How what is read for a caller is read. */
type ReadForCaller = Omit<ReadOptions, 'reason'> & When & { readonly signal: AbortSignal };

/** As of when a caller wants things. */
interface When {
  readonly tail: TailDemand;
  readonly asOf: AsOf;
}

/** The moment (ms) from which a caller that wants things as of now wants them; undefined for all others. */
type AsOf = number | undefined;

export class ReadThrough {
  readonly #options: ReadThroughOptions;
  readonly #library: Library;
  readonly #behind: ReadBehind;
  readonly #probes: Probes | null;
  readonly #sharedReads: SharedReads | null;

  constructor(options: ReadThroughOptions) {
    this.#options = options;
    this.#library = new Library(options);
    this.#probes = options.fedSince === undefined ? null : new Probes();
    this.#sharedReads =
      options.shared === undefined
        ? null
        : new SharedReads({ library: this.#library, waitMaxMs: this.#answerTimeoutMs * SEAL_SHARE });
    this.#behind = new ReadBehind({
      library: this.#library,
      shared: this.#sharedReads,
      observer: options.observer,
      shadowRate: options.shadowRate ?? 0,
      random: options.random ?? Math.random,
    });
  }

  /**
   * Answers one query.
   * @throws BackscrollError as upstream or the house rules have it.
   */
  async answer(conversation: ConversationId, query: Query | TimestampQuery, demand: Demand): Promise<Answer> {
    return this.answerSoon(conversation, query, demand);
  }

  /** The same, at once where nothing has to be read for it. @throws BackscrollError, or rejects with it */
  answerSoon(conversation: ConversationId, query: Query | TimestampQuery, demand: Demand): Answer | Promise<Answer> {
    const when = this.#whenOf(demand);
    const { tail, asOf } = when;
    if (asOf === undefined && this.#library.isMissing(conversation)) throw notFound();
    if (query.mode === 'before_timestamp') return this.#passThrough(conversation, query, demand, asOf);
    this.#probes?.wasRead(conversationKey(conversation), tail.cameAt);
    if (demand.bypass) return this.#readFor(conversation, query, demand, null, when);
    const kept = asOf === undefined ? this.#library.keptProof(conversation, query, tail.maxAgeMs) : null;
    const found = kept?.proof ?? this.#library.prove(conversation, query, when);
    if (!found.proved) return this.#readFor(conversation, query, demand, found, when);
    this.#behind.check(conversation, query, found, demand.own);
    if (kept !== null) return this.#shown(found, 'hit');
    const isDone = this.#behind.after(conversation, query, found);
    if (isDone && asOf === undefined) this.#library.keepProof(conversation, query, found, tail.maxAgeMs);
    return this.#shown(found, 'hit');
  }

  /**
   * Has one read sent with a token that a caller brought itself: the least after which its page may follow. What others read of the
   * conversation is told by its answer, too, but who may see it is not.
   * @returns when it was sent, ms, and the page, where it follows by now.
   * @throws BackscrollError, OwnTokenRefused
   */
  async readWith(
    own: OwnToken,
    conversation: ConversationId,
    query: Query | TimestampQuery,
    demand: Demand,
  ): Promise<{ readonly askedAt: number; readonly answer: Answer | null }> {
    const when = this.#whenOf(demand);
    const read = query.mode === 'before_timestamp' ? query : this.#leastFor(conversation, query, when);
    const { result } = this.#library.read(conversation, read, {
      reason: read === query ? 'forward' : 'fill',
      priority: 'caller',
      reader: demand.reader?.(),
      traceparent: demand.traceparent,
      signal: demand.signal?.(),
      own,
      ...when,
    });
    const landed = await result;
    const { askedAt } = partsOf(landed.answer);
    if (read === query) {
      const outcome = query.mode === 'before_timestamp' ? 'bypass' : 'miss';
      return { askedAt, answer: this.#asRead(landed, outcome) };
    }
    const found = query.mode === 'before_timestamp' ? null : this.#library.prove(conversation, query, when);
    return { askedAt, answer: found?.proved === true ? this.#shown(found, 'miss') : null };
  }

  #leastFor(conversation: ConversationId, query: Query, when: When): Query {
    const { timeline, due } = this.#library.get(conversation);
    const top = highestId(timeline);
    if (top < 0 || this.#library.isExact(conversation) || this.#library.isNewestDue(conversation, query, when.asOf)) return query;
    const found = this.#library.prove(conversation, query, when);
    if (found.proved) return { mode: 'after', after: top, publicOnly: false };
    return planFill(timeline, query, found, { ...this.#library.planContext, due, asOf: when.asOf }) ?? query;
  }

  /** What was answered just now, where it is still the same for whom the tail may be so old; null for anything else. */
  keptProof(conversation: ConversationId, query: Query | TimestampQuery, tailMaxAgeMs?: number): KeptProof | null {
    if (query.mode === 'before_timestamp' || this.#library.isMissing(conversation)) return null;
    return this.#library.keptProof(conversation, query, tailMaxAgeMs);
  }

  /** The answer again; null where it has to be found anew. */
  knownHit(conversation: ConversationId, kept: KeptProof, tailMaxAgeMs?: number): Answer | null {
    if (!this.#library.holds(conversation, kept, tailMaxAgeMs)) return null;
    this.#probes?.wasRead(conversationKey(conversation), this.#library.now);
    this.#behind.check(conversation, kept.query, kept.proof);
    return this.#shown(kept.proof, 'hit');
  }

  #whenOf({ cameAt = this.#library.now, tailMaxAgeMs, asOfNow, bypass }: Demand): When {
    return { tail: { cameAt, maxAgeMs: tailMaxAgeMs }, asOf: asOfNow || bypass ? cameAt : undefined };
  }

  async #readFor(conversation: ConversationId, query: Query, demand: Demand, gap: Gap | null, when: When): Promise<Answer> {
    const { tail } = when;
    const deadline = startDeadline(this.#answerTimeoutMs, demand.signal?.());
    try {
      return await this.#read(conversation, query, demand, gap, { ...when, signal: deadline.signal });
    } catch (error) {
      if (demand.bypass || !(error instanceof BackscrollError) || !STALE_IF.has(error.code)) throw error;
      const found = this.#library.prove(conversation, query, { tail, stale: true });
      if (!found.proved) throw error;
      return this.#shown(found, 'stale');
    } finally {
      deadline.clear();
    }
  }

  get #answerTimeoutMs(): number {
    return this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
  }

  /** What a caller would meet who asked this now; changes nothing, and counts as no read. */
  outlook(conversation: ConversationId, query: Query): Outlook {
    return this.#library.outlook(conversation, query);
  }

  /**
   * Forgets what is known; what is being read is not kept. Other processes do not hear of it.
   * @param marksFrom where another process found that ids do not rise, the second before which rows vouch for nothing
   * @returns how many conversations were known
   */
  purge(extent: Extent, marksFrom?: number): number {
    if (marksFrom !== undefined) this.#library.distrustMarks(marksFrom);
    return this.#library.forget(extent);
  }

  /** Forgets in all processes. @returns how many of them have heard of it; undefined where this is the only one, null where nobody could be told */
  async purgeEverywhere(extent: Extent): Promise<{ readonly purged: number; readonly reach: Reach | undefined }> {
    const purged = this.#library.forget(extent);
    const reach = await this.#library.announce({ kind: 'purge', extent }, { waits: 'long' });
    return { purged, reach: this.#sharedReads === null ? undefined : reach };
  }

  /**
   * What changed at Chatwoot just now: what was asked before is not shown as fresh any more, be it on its way here. Other processes hear
   * of it by themselves, or by `announce`; of what is to be forgotten they hear in any case.
   */
  apply(change: Change): void {
    this.hear(change, this.#library.now);
    if (change.kind === 'gone' || change.kind === 'contact-gone') void this.#library.announce(change);
  }

  /** The same for what only this process has heard of. */
  announce(change: Change): void {
    this.hear(change, this.#library.now);
    void this.#library.announce(change);
  }

  /** The same for what a caller wrote. @returns when all others have heard of it, so that it finds it wherever it asks; or soon, where they do not */
  async announceWritten(change: Change): Promise<void> {
    this.hear(change, this.#library.now);
    await this.#library.announce(change, { waits: 'short' });
  }

  /** What became due until `at` (ms) of what is taken from others has been lost. */
  loseDue(at: number): void {
    this.#library.loseDue(at);
  }

  /** The same for what another process has announced: it changed at `at` (ms) or before. */
  hear(change: Change, at: number): void {
    for (const conversation of applyChange(this.#library, change, at)) {
      if (!this.#library.isFed(conversation)) continue;
      if (this.#probes?.take(conversationKey(conversation), this.#library.now) === true) this.#behind.probe(conversation);
    }
  }

  get size(): { bytes: number; conversations: number; inFlight: number } {
    const { bytes, conversations, inFlight } = this.#library.size;
    return { bytes, conversations, inFlight: inFlight + this.#behind.size };
  }

  /** Resolves when no read behind an answer is under way. */
  idle(): Promise<void> {
    return this.#behind.idle();
  }

  /** Ends the reads behind answers; callers go on. */
  drain(): Promise<void> {
    return this.#behind.close();
  }

  async close(): Promise<void> {
    await this.#behind.close();
    this.#library.close(new BackscrollError('draining', 'Shutting down', { retryAfter: 5 }));
  }

  #show(conversation: ConversationId, query: Query, proof: Proof, outcome: Outcome, level?: Level): Answer {
    this.#behind.after(conversation, query, proof);
    return this.#shown(proof, outcome, level);
  }

  #shown({ rows, envelope, asOf, freshUntil }: Proof, outcome: Outcome, level: Level = 'memory'): Answer {
    const { now } = this.#library;
    return { rows, envelope, outcome, level, ageMs: now - asOf, ttlMs: freshUntil - now, stored: true };
  }

  /** Reads, but for what others have read or are about to. */
  async #read(
    conversation: ConversationId,
    query: Query,
    demand: Demand,
    gap: Gap | null,
    when: When & { readonly signal: AbortSignal },
  ): Promise<Answer> {
    const shared = this.#sharedReads;
    if (shared === null || gap === null || !this.#library.mayBeTaken(conversation, query, gap, when))
      return this.#readHere(conversation, query, demand, gap, when);
    let lease: Lease | null = null;
    try {
      const prove = (): Proof | Gap => this.#library.prove(conversation, query, when);
      lease = await shared.before(conversation, keyOf(query), () => prove().proved, when.signal);
      const found = prove();
      if (found.proved) {
        this.#options.observer.hitOfOthers?.();
        return this.#show(conversation, query, found, 'hit', 'shared');
      }
      return await this.#readHere(conversation, query, demand, found, when);
    } finally {
      lease?.end();
    }
  }

  async #readHere(
    conversation: ConversationId,
    query: Query,
    demand: Demand,
    gap: Gap | null,
    when: When & { readonly signal: AbortSignal },
  ): Promise<Answer> {
    const asAsked = gap === null || this.#library.isNewestDue(conversation, query, when.asOf);
    const by = { ...when, priority: 'caller', reader: demand.reader?.(), traceparent: demand.traceparent } as const;
    const filled = asAsked ? null : await this.#asPlanned(conversation, query, gap, by);
    if (filled !== null) return this.#show(conversation, query, filled, 'miss');
    const { result, shared } = this.#library.read(conversation, query, { ...by, reason: 'forward' });
    const landed = await result;
    this.#noteForwarded(conversation, query);
    if (landed.stored) this.#behind.afterForwarded(conversation, query);
    return this.#asRead(landed, demand.bypass ? 'bypass' : shared ? 'coalesced' : 'miss');
  }

  #asRead({ answer, stored }: Landed, outcome: Outcome): Answer {
    const { rows, envelope, askedAt } = partsOf(answer);
    return { rows, envelope, body: answer.body, outcome, ageMs: this.#library.now - askedAt, ttlMs: null, stored };
  }

  /** What follows from reads in place of the page. Null: forward it, as can be done whatever goes wrong with those, mistakes of ours included. */
  async #asPlanned(conversation: ConversationId, query: Query, gap: Gap, by: ReadForCaller): Promise<Proof | null> {
    // Most often nothing is read in place of it.
    let deadline = null as Deadline | null;
    const inTime = (): ReadForCaller => {
      deadline ??= startDeadline(PLANNED_SHARE * this.#answerTimeoutMs, by.signal);
      return { ...by, signal: deadline.signal };
    };
    try {
      return await this.#fill(conversation, query, gap, by, inTime);
    } catch (error) {
      if (by.signal.aborted || error instanceof Refused || endsKnowledge(error)) throw error;
      this.#options.observer.behindFailed(error);
      return null;
    } finally {
      deadline?.clear();
    }
  }

  /** Waits for what Chatwoot is answering already, or has something read that is better than the query itself. Null: forward. */
  async #fill(
    conversation: ConversationId,
    query: Query,
    gap: Gap,
    by: ReadForCaller,
    inTime: () => ReadForCaller,
  ): Promise<Proof | null> {
    if (this.#library.isExact(conversation)) return null;
    let missing = gap;
    // What an earlier caller has read may turn out to be settled.
    const underWay =
      query.mode === 'latest'
        ? undefined
        : (this.#behind.reading(conversation) ?? this.#library.endOfEarlierRead(conversation, query, by));
    if (underWay !== undefined) {
      await abortable(underWay, inTime().signal);
      const found = this.#library.prove(conversation, query, by);
      if (found.proved) return found;
      missing = found;
    }
    const { timeline, due } = this.#library.get(conversation);
    const fill = planFill(timeline, query, missing, {
      ...this.#library.planContext,
      due,
      isFed: this.#library.isFed(conversation),
      asOf: by.asOf,
    });
    if (fill === null) return this.#seal(conversation, query, inTime);
    await this.#library.read(conversation, fill, { ...inTime(), reason: 'fill' }).result;
    const found = this.#library.prove(conversation, query, by);
    return found.proved ? found : null;
  }

  /** Seals until the query is proved. Null where it is not to be, or takes long. */
  async #seal(conversation: ConversationId, query: Query, inTime: () => ReadForCaller): Promise<Proof | null> {
    const until = this.#library.now + SEAL_SHARE * this.#answerTimeoutMs;
    for (let reads = 0; reads < SEAL_READS_MAX && this.#library.now <= until; reads++) {
      const read = this.#library.nextSeal(conversation, query);
      if (read === null) return null;
      const by = inTime();
      await this.#library.seal(conversation, read, by);
      const found = this.#library.prove(conversation, query, by);
      if (found.proved) return found;
    }
    return null;
  }

  #noteForwarded(conversation: ConversationId, query: Query): void {
    const { walk } = this.#library.get(conversation);
    if (query.mode === 'latest' || walk.historyReads >= SEAL_AFTER_READS) return;
    this.#library.setWalk(conversation, { ...walk, historyReads: walk.historyReads + 1 });
  }

  /** Forwards what nothing is learnt from; that the conversation is not there, or not to be shown, is. */
  async #passThrough(conversation: ConversationId, query: TimestampQuery, demand: Demand, asOf: AsOf): Promise<Answer> {
    const options = {
      reason: 'forward',
      priority: 'caller',
      reader: demand.reader?.(),
      traceparent: demand.traceparent,
      asOf,
      signal: demand.signal?.(),
    } as const;
    const landed = await this.#library.read(conversation, query, options).result;
    return this.#asRead(landed, 'bypass');
  }
}

function partsOf(answer: UpstreamAnswer): Unlearnable {
  return answer.kind === 'reading' ? answer.reading : answer.answer;
}
