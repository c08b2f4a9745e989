// Chatwoot as the policies read it: in this process, in virtual time, every read counted by what it was for.

import { AsyncLocalStorage } from 'node:async_hooks';

import type { Query } from '../../src/timeline/query.ts';
import type { ConversationId, ReadOptions, TimestampQuery, Upstream, UpstreamAnswer } from '../../src/upstream/upstream.ts';
import type { ReadReason } from '../../src/cache/observer.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { World } from './world.ts';

/** What the caller asked for whom a read is sent. What runs behind answers runs under some caller, too, and is told by its reason. */
export const asking = new AsyncLocalStorage<Query['mode']>();

export const LATENCY = { perReadMs: 50, perRowMs: 0.3 } as const;

/** `newest` is what is read for callers of the newest page; the rest are reads for history, `seal`, `refresh` and `meta` behind answers. */
export type Cause = 'newest' | Exclude<ReadReason, 'forward'> | 'history';

export const CAUSES: readonly Cause[] = ['newest', 'history', 'fill', 'seal', 'refresh', 'meta', 'probe', 'shadow'];
export const BACKGROUND: readonly Cause[] = ['seal', 'refresh', 'meta', 'probe', 'shadow'];

export interface Tally {
  calls: number;
  rows: number;
  /** Rows that this reader had read before, and of the others those that a hit has shown later. */
  rowsKnown: number;
  rowsUsed: number;
  /** Calls by mode. */
  readonly modes: Map<string, number>;
}

export class CountingUpstream implements Upstream {
  readonly tallies = new Map<Cause, Tally>(
    CAUSES.map((cause) => [cause, { calls: 0, rows: 0, rowsKnown: 0, rowsUsed: 0, modes: new Map<string, number>() }]),
  );
  /** What brought each row first, until a hit shows it. */
  readonly #unused = new Map<number, Cause>();
  readonly #known = new Set<number>();
  readonly #world: World;
  readonly #time: VirtualTime;
  #reason: ReadReason = 'forward';

  constructor(world: World, time: VirtualTime) {
    this.#world = world;
    this.#time = time;
  }

  /** Says what the next read is for; the engine tells its observer right before it reads. */
  expect(reason: ReadReason): void {
    this.#reason = reason;
  }

  read(
    conversation: ConversationId,
    query: Query | TimestampQuery,
    _signal?: AbortSignal,
    options?: ReadOptions,
  ): Promise<UpstreamAnswer> {
    const answer = this.#answer(conversation, query);
    options?.onTurn?.(answer);
    return answer;
  }

  async #answer({ conversationId }: ConversationId, query: Query | TimestampQuery): Promise<UpstreamAnswer> {
    if (query.mode === 'before_timestamp') throw new Error('nobody in the trace asks by timestamp');
    const cause = causeOf(this.#reason, asking.getStore() ?? query.mode);
    this.#reason = 'forward';
    const askedAt = this.#time.now;
    await this.#time.sleep(LATENCY.perReadMs / 2);
    const rows = this.#world.find(conversationId, query);
    const tally = this.tallies.get(cause)!;
    tally.calls++;
    tally.rows += rows.length;
    tally.modes.set(query.mode, (tally.modes.get(query.mode) ?? 0) + 1);
    for (const { id } of rows) {
      if (this.#known.has(id)) tally.rowsKnown++;
      else {
        this.#known.add(id);
        this.#unused.set(id, cause);
      }
    }
    await this.#time.sleep(LATENCY.perReadMs / 2 + rows.length * LATENCY.perRowMs);
    return { kind: 'reading', reading: { query, rows, envelope: this.#world.envelope, askedAt } };
  }

  /** A hit showed these rows. */
  used(rows: readonly { readonly id: number }[]): void {
    for (const { id } of rows) {
      const cause = this.#unused.get(id);
      if (cause === undefined) continue;
      this.#unused.delete(id);
      this.tallies.get(cause)!.rowsUsed++;
    }
  }

  total(field: 'calls' | 'rows', causes: readonly Cause[] = CAUSES): number {
    return causes.reduce((sum, cause) => sum + this.tallies.get(cause)![field], 0);
  }

  check(): Promise<null> {
    return Promise.resolve(null);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function causeOf(reason: ReadReason, asked: Query['mode']): Cause {
  if (reason !== 'forward' && reason !== 'fill') return reason;
  if (asked === 'latest') return 'newest';
  return reason === 'fill' ? 'fill' : 'history';
}
