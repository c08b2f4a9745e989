// What is known: what follows from it, what is to be read to know more, and what ends it. How it comes to be known is in
// upstream-reads.ts, learning.ts and, from other processes, taking.ts.

import type { Due } from '../timeline/changes.ts';
import { bothDue } from '../timeline/changes.ts';
import type { Freshness } from '../timeline/freshness.ts';
import { tailLifetime } from '../timeline/freshness.ts';
import type { PlanContext } from '../timeline/plan/planned.ts';
import { tellsMore } from '../timeline/plan/progress.ts';
import { planSeal } from '../timeline/plan/seal.ts';
import type { Walk } from '../timeline/plan/walk.ts';
import { nextWalk, restFromSeals } from '../timeline/plan/walk.ts';
import type { Gap, Proof } from '../timeline/prove.ts';
import { highestId, settledTop } from '../timeline/prove.ts';
import type { MessageId, Query } from '../timeline/query.ts';
import { idRange, takesNewest } from '../timeline/query.ts';
import type { ConversationId, TimestampQuery, Upstream } from '../upstream/upstream.ts';
import { DueMarks } from './due-marks.ts';
import { Dues } from './dues.ts';
import { extentTest, type Extent } from './extent.ts';
import type { HistoryMode, Knowledge } from './knowledge.ts';
import { exactly, modeOf, proveFrom } from './knowledge.ts';
import { MemoryStore } from './memory-store.ts';
import { holds, type Circumstances, type KeptProof } from './kept-proof.ts';
import { Learning } from './learning.ts';
import { MissingConversations } from './missing.ts';
import { NewestTurns } from './newest-turns.ts';
import type { CacheObserver } from './observer.ts';
import type { Outlook } from './outlook.ts';
import { nextRead } from './outlook.ts';
import { isTooLarge } from './read-errors.ts';
import type { Landed, ProveDemand, ReadOptions } from './reads.ts';
import { freshnessFor } from './reads.ts';
import type { AnnounceOptions, Announcement, Reach, SharedLevel } from './shared-level.ts';
import { Taking, type Took } from './taking.ts';
import { UpstreamReads } from './upstream-reads.ts';

export interface LibraryOptions {
  readonly upstream: Upstream;
  /** The engine's clock, ms. Must not step; only differences and comparisons with created_at matter. */
  readonly now: () => number;
  readonly freshness: Freshness;
  /** What all knowledge together may hold, bytes. */
  readonly memoryBytesMax: number;
  readonly mode: HistoryMode;
  readonly observer: CacheObserver;
  /** Since when (ms of the engine's clock) every change in the account is heard of; null while not. Absent without a feed. */
  readonly fedSince?: (accountId: number) => number | null;
  /** What other processes know. Absent where this is the only one. */
  readonly shared?: SharedLevel;
  /** Told what is forgotten as soon as it is, so that what others made of it goes too. */
  readonly onForgotten?: (extent: Extent) => void;
}

export class Library {
  readonly #options: LibraryOptions;
  readonly #store: MemoryStore;
  readonly #missing = new MissingConversations();
  #mode: HistoryMode;
  readonly #newestTurns: NewestTurns;
  readonly #dues: Dues;
  readonly #learning: Learning;
  readonly #reads: UpstreamReads;
  /** Null where this process is the only one. */
  readonly #taking: Taking | null;

  constructor(options: LibraryOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.#newestTurns = new NewestTurns(options.freshness.settleMs);
    const dueMarks = options.shared === undefined ? null : new DueMarks();
    this.#store = new MemoryStore(options.memoryBytesMax, (key, { due }) =>
      dueMarks?.mark(key, (marked) => bothDue(marked, due)),
    );
    this.#dues = new Dues(this.#store, dueMarks);
    this.#learning = new Learning({
      now: options.now,
      freshness: options.freshness,
      observer: options.observer,
      store: this.#store,
      dues: this.#dues,
      mode: () => this.#mode,
      mayComeLate: options.shared !== undefined,
      onRefuted: (marksFrom) => {
        this.forget({});
        void this.announce({ kind: 'purge', extent: {}, marksFrom });
      },
    });
    this.#reads = new UpstreamReads({
      upstream: options.upstream,
      now: options.now,
      freshness: options.freshness,
      observer: options.observer,
      shared: options.shared,
      store: this.#store,
      missing: this.#missing,
      dues: this.#dues,
      learning: this.#learning,
      onGone: (conversation) => {
        const isKnown = this.#store.has(conversation);
        this.forgetOne(conversation);
        void this.announce({ kind: 'gone', conversation }, { isKnown });
      },
    });
    const learn = this.#learning.learnOfOthers.bind(this.#learning);
    this.#taking =
      options.shared === undefined ? null : new Taking({ shared: options.shared, store: this.#store, now: options.now, learn });
  }

  get now(): number {
    return this.#options.now();
  }

  get planContext(): PlanContext {
    return { now: this.now, freshness: this.#options.freshness };
  }

  get size(): { bytes: number; conversations: number; inFlight: number } {
    return { bytes: this.#store.bytes, conversations: this.#store.conversations, inFlight: this.#reads.underWay };
  }

  get(conversation: ConversationId): Knowledge {
    return this.#store.get(conversation);
  }

  /** Notes how a conversation of which something is known is being read. */
  setWalk(conversation: ConversationId, walk: Walk): void {
    if (this.#store.has(conversation)) this.#store.set(conversation, { ...this.#store.get(conversation), walk });
  }

  /** Whether this conversation is answered by exact query only. */
  isExact(conversation: ConversationId): boolean {
    return modeOf(this.#store.get(conversation), this.#mode) === 'exact';
  }

  /** From now on every conversation is. */
  giveUpProofs(): void {
    this.#mode = 'exact';
  }

  /** From now on this conversation is. */
  giveUpProofsOf(conversation: ConversationId): void {
    this.#dues.keep(conversation, exactly({ ...this.#store.get(conversation), due: this.#dues.of(conversation) }));
  }

  /**
   * Decides whether the newest page is read as it is asked. No read in its place, of ids from some known row up, can show every
   * row that refutes the sequence (sequence.ts). So it is for who wants it as of now, and for anybody in turn. Where people walk,
   * only once in SETTLE or if it was read just now: much may be new, and what the page leaves out would have to be read besides.
   */
  isNewestDue(conversation: ConversationId, query: Query, asOf?: number): boolean {
    const knowledge = this.#store.get(conversation);
    if (asOf !== undefined) return takesNewest(query) && idRange(query).hi > highestId(knowledge.timeline);
    return this.#mayBeInTurn(knowledge, query) && this.#newestTurns.take(this.now, knowledge.newestAskedAt);
  }

  #mayBeInTurn({ timeline, walk, newestAskedAt }: Knowledge, query: Query): boolean {
    if (query.mode !== 'latest' || highestId(timeline) < 0) return false;
    const isOverdue = this.now - newestAskedAt >= this.#options.freshness.settleMs;
    const mayBeMuch = walk.historyReads > 0 && this.now - timeline.learntUpTo > 2 * this.#newestTurns.everyMs;
    return !mayBeMuch || isOverdue;
  }

  /** What a caller without demands of its own would meet now. Changes nothing, and does not count as asking. */
  outlook(conversation: ConversationId, query: Query): Outlook {
    const { now, planContext } = this;
    const knowledge = this.#store.peek(conversation);
    const mode = modeOf(knowledge, this.#mode);
    const fedSince = this.#fedSince(conversation);
    const context = { now, freshness: this.#options.freshness, ...(fedSince === undefined ? {} : { fedSince }) };
    const found = proveFrom(knowledge, this.#mode, query, context);
    const isNewestDue = this.#mayBeInTurn(knowledge, query) && this.#newestTurns.mayTake(now, knowledge.newestAskedAt);
    return {
      now,
      knowledge,
      mode,
      isMissing: this.isMissing(conversation),
      found,
      next: found.proved ? null : nextRead(knowledge, query, found, { ...planContext, due: knowledge.due, mode, isNewestDue }),
      isShownStale: proveFrom(knowledge, this.#mode, query, { ...context, stale: true }).proved,
      frontier: this.#learning.vouchedAt(now),
    };
  }

  /** True while upstream's word that the conversation is not there is young. */
  isMissing(conversation: ConversationId): boolean {
    return this.#missing.has(conversation, this.now);
  }

  prove(conversation: ConversationId, query: Query, demand: ProveDemand = {}): Proof | Gap {
    const { tail, asOf, stale = false } = demand;
    const { now } = this;
    const fedSince = this.#fedSince(conversation);
    const context = {
      now,
      freshness: freshnessFor(this.#options.freshness, tail),
      cameAt: tail?.cameAt ?? now,
      stale,
      ...(asOf === undefined ? {} : { asOf }),
      ...(fedSince === undefined ? {} : { fedSince }),
    };
    return proveFrom(this.#store.get(conversation), this.#mode, query, context);
  }

  /** What `prove` came to just now for callers with no other demand than this age of the tail, if it is kept and still the same. */
  keptProof(conversation: ConversationId, query: Query, tailMaxAgeMs?: number): KeptProof | null {
    return this.#store.keptProof(conversation, query, this.#circumstances(conversation, tailMaxAgeMs));
  }

  /** Whether such a one still is the same. */
  holds(conversation: ConversationId, kept: KeptProof, tailMaxAgeMs?: number): boolean {
    return holds(kept, this.#circumstances(conversation, tailMaxAgeMs));
  }

  /** Keeps what `prove` has just come to, for no other demand and with nothing to be read behind it. */
  keepProof(conversation: ConversationId, query: Query, proof: Proof, tailMax?: number): void {
    const { now, ...made } = this.#circumstances(conversation, tailMax);
    if (now > proof.freshUntil) return;
    this.#store.keepProof(conversation, { ...made, query, proof, provedAt: now, isVoid: false });
  }

  #circumstances(conversation: ConversationId, tailMaxAgeMs = this.#options.freshness.tailMaxAgeMs): Circumstances {
    return { mode: this.#mode, tailMaxAgeMs, fedSince: this.#fedSince(conversation), now: this.now };
  }

  #fedSince({ accountId }: ConversationId): number | undefined {
    return this.#options.fedSince?.(accountId) ?? undefined;
  }

  /** Whether every change of the conversation is heard of. */
  isFed(conversation: ConversationId): boolean {
    return this.#fedSince(conversation) !== undefined;
  }

  /** Parts of what is known are due, and of what is being read, as if it were known. */
  markDue(conversation: ConversationId, mark: (due: Due, knowledge: Knowledge) => Due): void {
    this.#missing.delete(conversation);
    this.#dues.mark(conversation, mark);
  }

  /** Parts are due of all conversations of the account of which nothing is known here. */
  markUnknownDue(accountId: number, mark: (due: Due) => Due): void {
    this.#dues.markUnknown(accountId, mark);
  }

  /** What became due until `at` (ms) of conversations of which nothing is known here has been lost. */
  loseDue(at: number): void {
    this.#dues.loseUnknown(at);
  }

  /** Another process found that ids do not rise: nothing that was seen vouches, nor do rows created before this second. */
  distrustMarks(marksFrom: number): void {
    this.#learning.distrustMarks(marksFrom);
  }

  /** An id has been handed out: whoever told of it had read it. */
  heardOf(id: MessageId): void {
    this.#learning.heardOf(id);
  }

  /** The conversations of an account, or of one of its contacts, of which something is known or being read. */
  concernedBy(accountId: number, contactId?: number): readonly ConversationId[] {
    return this.#dues.concernedBy(accountId, contactId);
  }

  /** Reads upstream, or joins one who does. `shared` is true for all but the one who caused it. */
  read(
    conversation: ConversationId,
    query: Query | TimestampQuery,
    options: ReadOptions,
  ): { result: Promise<Landed>; shared: boolean } {
    return this.#reads.read(conversation, query, options);
  }

  /** The end of a read of the same page that was sent too early to be shown as it comes; undefined without one. Never rejects. */
  endOfEarlierRead(conversation: ConversationId, query: Query, demand: ProveDemand): Promise<void> | undefined {
    return this.#reads.endOfEarlier(conversation, query, demand);
  }

  /**
   * Learns what others have read since the last time. @returns how many readings there were, and the lease that was wanted; null where
   * nothing can be had of others.
   */
  take(conversation: ConversationId, wants?: string): Promise<Took | null> {
    return this.#taking?.take(conversation, wants) ?? Promise.resolve(null);
  }

  /** Whether others may know what is missing here: not where only their latest word would do, and that is as good as none. */
  mayBeTaken(conversation: ConversationId, query: Query, gap: Gap, { tail, asOf }: ProveDemand): boolean {
    if (this.#taking === null || asOf !== undefined) return false;
    const lastTake = this.#taking.lastTake(conversation);
    if (lastTake === 'impossible') return false;
    if (lastTake === 'due') return true;
    if (this.isFed(conversation) || tailLifetime(freshnessFor(this.#options.freshness, tail)).usableMs > 0) return true;
    return gap.lacks !== 'ids' || gap.ids.lo < settledTop(this.#store.get(conversation).timeline, query.publicOnly);
  }

  /** Has all other processes hear of it, too. */
  announce(announcement: Announcement, options?: AnnounceOptions): Promise<Reach> | null {
    return this.#options.shared?.announce(announcement, options) ?? null;
  }

  /** The next read that seals history for readers like the one who asked `query`, or null when none is due. */
  nextSeal(conversation: ConversationId, query: Query): Query | null {
    const { timeline, walk } = this.#store.get(conversation);
    return planSeal(timeline, query, walk, this.planContext);
  }

  /**
   * Reads what `nextSeal` says. The size of the next such read follows upstream's pace. After one that is too much for upstream,
   * or that tells nothing, there is none for a while.
   */
  async seal(conversation: ConversationId, query: Query, options: Omit<ReadOptions, 'reason'>): Promise<void> {
    let sentAt = this.now;
    const before = this.#store.get(conversation).timeline;
    const onTurn = (exchange: Promise<unknown>): void => {
      sentAt = this.now;
      options.onTurn?.(exchange);
    };
    const { result, shared } = this.read(conversation, query, { ...options, onTurn, reason: 'seal' });
    try {
      const { stored } = await result;
      const { walk, timeline } = this.#store.get(conversation);
      if (!stored || !tellsMore(before, timeline, this.planContext)) this.setWalk(conversation, restFromSeals(walk, this.now));
      else if (!shared && query.mode === 'between') this.setWalk(conversation, nextWalk(walk, this.now - sentAt));
    } catch (error) {
      if (isTooLarge(error)) this.setWalk(conversation, restFromSeals(this.#store.get(conversation).walk, this.now));
      throw error;
    }
  }

  /** Forgets; reads under way bring nothing that is kept, and nobody new joins them. @returns how many were known. */
  forget(extent: Extent): number {
    const concerns = extentTest(extent);
    this.#reads.invalidate(concerns);
    this.#missing.clear();
    this.#taking?.forgot();
    this.#options.onForgotten?.(extent);
    return this.#store.deleteWhere(concerns);
  }

  /** Ends every read under way. */
  close(reason: Error): void {
    this.#reads.abortAll(reason);
  }

  /** Forgets one conversation and lets no read under way bring it back. */
  forgetOne(conversation: ConversationId): void {
    this.#reads.invalidate(extentTest(conversation));
    this.#store.delete(conversation);
    this.#taking?.forgot();
    this.#options.onForgotten?.(conversation);
  }
}
