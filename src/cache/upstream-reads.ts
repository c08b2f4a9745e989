// Reads of Chatwoot: every one goes through here, is shared by all who want it, and is learnt in the same turn in which its answer
// arrives.

import { BackscrollError } from '../errors.ts';
import { lastDueAt } from '../timeline/changes.ts';
import type { Freshness } from '../timeline/freshness.ts';
import { metaLifetime, tailLifetime } from '../timeline/freshness.ts';
import { settledTop } from '../timeline/prove.ts';
import type { Query } from '../timeline/query.ts';
import { idRange } from '../timeline/query.ts';
import type { Reading } from '../timeline/reading.ts';
import type { ConversationId, TimestampQuery, Upstream } from '../upstream/upstream.ts';
import type { Dues } from './dues.ts';
import type { Flight } from './flights.ts';
import { Flights } from './flights.ts';
import type { Learning } from './learning.ts';
import { conversationKey, type MemoryStore } from './memory-store.ts';
import type { MissingConversations } from './missing.ts';
import type { CacheObserver } from './observer.ts';
import { endsKnowledge, hadNoTurn } from './read-errors.ts';
import type { Landed, ProveDemand, ReadOptions, TailDemand } from './reads.ts';
import { freshnessFor, keyOf } from './reads.ts';
import type { SharedLevel } from './shared-level.ts';

export interface UpstreamReadsOptions {
  readonly upstream: Upstream;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly freshness: Freshness;
  readonly observer: CacheObserver;
  /** Who else is given what is learnt. */
  readonly shared: SharedLevel | undefined;
  readonly store: MemoryStore;
  readonly missing: MissingConversations;
  readonly dues: Dues;
  readonly learning: Learning;
  /** Upstream's word ends what is known of the conversation, here and elsewhere. */
  readonly onGone: (conversation: ConversationId) => void;
}

export class UpstreamReads {
  readonly #options: UpstreamReadsOptions;
  readonly #flights = new Flights<Landed>();

  constructor(options: UpstreamReadsOptions) {
    this.#options = options;
  }

  /** How many are under way. */
  get underWay(): number {
    return this.#flights.size;
  }

  /** Reads upstream, or joins one who does. `shared` is true for all but the one who caused it. */
  read(
    conversation: ConversationId,
    query: Query | TimestampQuery,
    options: ReadOptions,
  ): { result: Promise<Landed>; shared: boolean } {
    const {
      reason,
      priority,
      reader,
      traceparent,
      own,
      onTurn,
      tail,
      asOf = this.#oldestOfUse(conversation, query, tail),
      signal,
    } = options;
    let epoch: string | null = null;
    const send = async (abort: AbortSignal, flight: Flight<Landed>): Promise<Landed> => {
      this.#options.observer.upstreamRead(reason, conversation, reader);
      const end = this.#options.dues.beginRead(conversation);
      try {
        const answer = await this.#options.upstream.read(conversation, query, abort, {
          priority,
          readers: flight.readers,
          traceparent,
          own,
          onTurn: (exchange) => {
            flight.sentAt = this.#options.now();
            epoch = this.#options.shared?.epochOf(conversation) ?? null;
            onTurn?.(exchange);
          },
        });
        // What this server may not read itself must not come to those who read with its keys.
        if (own !== undefined && !this.#options.store.has(conversation)) return { answer, stored: false };
        if (answer.kind === 'unlearnable' && answer.because === 'order')
          this.#options.learning.distrust(conversation, !flight.invalidated);
        return { answer, stored: answer.kind === 'reading' && this.#learn(conversation, answer.reading, flight, epoch) };
      } catch (error) {
        if (own === undefined) this.#heed(conversation, error, flight);
        throw error;
      } finally {
        end();
      }
    };
    // Reads behind answers join callers' reads, and never the other way round: they may wait for long. Nor do they wait in their line.
    // What a token may read is told to nobody else who asks the same.
    const byWhom = own === undefined ? '' : ` with ${own.name}`;
    const forCallers = `${conversationKey(conversation)} ${keyOf(query)}${byWhom}`;
    const key = priority === 'behind' && !this.#flights.canJoin(forCallers, asOf) ? `${forCallers} behind` : forCallers;
    const join = () => this.#flights.join(key, send, { asOf, signal, reader });
    const joined = join();
    if (priority === 'behind' || !joined.shared) return joined;
    // The time of one who came before may have run out just after this one joined.
    const result = joined.result.catch((error: unknown) => {
      if (!hadNoTurn(error)) throw error;
      return join().result;
    });
    return { result, shared: true };
  }

  /** The end of a read of the same page that was sent too early to be shown as it comes; undefined without one. Never rejects. */
  endOfEarlier(conversation: ConversationId, query: Query, { tail, asOf }: ProveDemand): Promise<void> | undefined {
    const key = `${conversationKey(conversation)} ${keyOf(query)}`;
    return this.#flights.endOfEarlier(key, asOf ?? this.#oldestOfUse(conversation, query, tail));
  }

  /** Reads under way bring nothing that is kept, and nobody new joins them. @param concerns for the keys of `conversationKey` */
  invalidate(concerns: (key: string) => boolean): void {
    this.#flights.invalidate((key) => concerns(key.slice(0, key.indexOf(' '))));
  }

  /** Ends every read under way. */
  abortAll(reason: Error): void {
    this.#flights.abortAll(reason);
  }

  /** When a read must have been sent, ms, so that a page with this query may still be shown: time under way counts (RFC 9111 4.2.3). */
  #oldestOfUse(conversation: ConversationId, query: Query | TimestampQuery, tail: TailDemand | undefined): number {
    const freshness = freshnessFor(this.#options.freshness, tail);
    const top = settledTop(this.#options.store.get(conversation).timeline, query.publicOnly);
    const isSettled = query.mode !== 'before_timestamp' && idRange(query).hi <= top;
    const cameAt = tail?.cameAt ?? this.#options.now();
    const oldestMeta = this.#options.now() - metaLifetime(freshness, !isSettled).usableMs;
    const oldest = isSettled ? oldestMeta : Math.max(oldestMeta, cameAt - tailLifetime(freshness).usableMs);
    return Math.max(oldest, Math.min(cameAt, lastDueAt(this.#options.dues.of(conversation))));
  }

  #learn(conversation: ConversationId, reading: Reading, flight: Flight<Landed>, epoch: string | null): boolean {
    // What refutes the sequence invalidates every flight, this one too, and is kept itself.
    const { invalidated } = flight;
    this.#options.learning.see(reading);
    if (invalidated) return false;
    this.#options.missing.delete(conversation);
    const learnt = this.#options.learning.learn(conversation, reading);
    if (learnt !== null && epoch !== null) this.#options.shared?.append(conversation, epoch, learnt);
    return learnt !== null;
  }

  /** Upstream's "not there" and "not allowed" end what is known of the conversation: erased data is not served, stale or not. */
  #heed(conversation: ConversationId, error: unknown, flight: Flight<Landed>): void {
    if (!(error instanceof BackscrollError)) return;
    if (error.code === 'not_found' && !flight.invalidated) this.#options.missing.add(conversation, this.#options.now());
    if (endsKnowledge(error)) this.#options.onGone(conversation);
  }
}
