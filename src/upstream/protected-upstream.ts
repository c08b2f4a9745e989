// Between the engine and Chatwoot: nothing waits without a deadline, nothing retries without end, and Chatwoot gets no more
// than it can take.
//
//   read ─► pause, breaker: refused at once while Chatwoot is to be left alone
//        ─► retry: up to twice more, in the time that is left
//        ─► line: its turn in the budget and among the connections
//        ─► breaker: counts how it ends, and lets one probe through
//        ─► exchange
//
// The retry stands before the line, so that each attempt spends of the budget and none holds a connection while it waits to be
// sent again. The breaker is asked before the line, so that nobody waits in vain, and after it, so that what waited when it
// closed the way is not sent: then the whole line is refused.

import type { Rate } from '../rate.ts';
import { BackscrollError, type ErrorCode } from '../errors.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Budget, type ReadBudget } from './budget.ts';
import { startDeadline } from './deadline.ts';
import { Line } from './line.ts';
import { Pause } from './pause.ts';
import { Readers } from './readers.ts';
import { Refused, type RefusalReason } from './refused.ts';
import { Sleeper, withRetries } from './retry.ts';
import type { ConversationId, ReadPriority, Upstream } from './upstream.ts';

export interface ProtectionOptions {
  /** Of all reads, retries included. */
  readonly rate: Rate;
  /** Of that rate, where others spend of it too. */
  readonly budget?: ReadBudget | undefined;
  /** Reads under way at once. */
  readonly connections: number;
  /** For one read as a whole: waiting for its turn, every attempt, and the time between them. */
  readonly timeoutMs: number;
  /** Reads that may wait for their turn. */
  readonly waitingMax?: number;
  /** Must not step, ms. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random?: () => number;
  readonly onEvent?: (event: ProtectionEvent) => void;
  /** A read had its turn after so long in line, ms. */
  readonly onTurn?: (waitedMs: number, priority: ReadPriority) => void;
}

/**
 * What happened, for metrics and logs.
 * - `opened`, `closed`: the breaker; `probe-failed`: it stays open.
 * - `paused`: Chatwoot answered 429.
 * - `retried`: a read is sent again after it failed with this code.
 * - `refused`: a read got an answer of ours in place of Chatwoot's.
 */
export type ProtectionEvent =
  | { readonly kind: 'opened'; readonly failure: ErrorCode }
  | { readonly kind: 'probe-failed'; readonly failure: ErrorCode }
  | { readonly kind: 'closed' }
  | { readonly kind: 'paused'; readonly forMs: number }
  | { readonly kind: 'retried'; readonly failure: ErrorCode; readonly priority: ReadPriority }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly priority: ReadPriority };

export interface ProtectionStats {
  /** Reads under way. */
  readonly running: number;
  /** Reads that wait for their turn. */
  readonly waiting: number;
  readonly breaker: BreakerState;
  /** Until when Chatwoot is not asked after a 429, ms of the engine's clock; null where it may be asked. */
  readonly pausedUntil: number | null;
  /** Reads that `rate` still allows. */
  readonly budgetLeft: number;
  /** Reads that may wait. */
  readonly waitingMax: number;
}

export interface ProtectedUpstream extends Upstream {
  stats(): ProtectionStats;
}

const WAITING_MAX = 1000;
const HALF_OPEN_AFTER_MS = 5_000;
const PAUSE_DEFAULT_MS = 5_000;
const PAUSE_MAX_MS = 60_000;
/** Of its time, what a read must have left when its turn comes. */
const USEFUL_SHARE = 1 / 10;
/** Of its time, what a read must have left for running out of it to say something of Chatwoot. */
const TELLING_SHARE = 1 / 2;

/** Of its time, how long a read must have been under way for it to say something of Chatwoot that its caller has left. */
const PATIENCE_SHARE = 1 / 4;

/** The same upstream, protected. Its `check`, which is rare, heeds the pause only and counts nowhere. */
export function protectUpstream(upstream: Upstream, options: ProtectionOptions): ProtectedUpstream {
  const { timeoutMs, now, random = Math.random, onEvent = () => {} } = options;
  const pause = new Pause({ defaultMs: PAUSE_DEFAULT_MS, maxMs: PAUSE_MAX_MS, now });
  const sleeper = new Sleeper();
  const { waitingMax = WAITING_MAX } = options;
  const budget: ReadBudget = options.budget ?? new Budget(options.rate);
  const line = new Line({ budget, connections: options.connections, waitingMax, now });
  const breaker = new Breaker({
    halfOpenAfterMs: HALF_OPEN_AFTER_MS,
    now,
    onOpen(failure, probe) {
      onEvent({ kind: probe ? 'probe-failed' : 'opened', failure });
      line.refuseWaiting((key) => breaker.refusal(key));
    },
    onClose: () => onEvent({ kind: 'closed' }),
  });

  function refusal(key: string): Refused | null {
    return pause.leftMs > 0 ? paused(pause.leftMs) : breaker.refusal(key);
  }

  /** Sends one read, and takes a 429 as one for all. */
  async function exchange<T>(send: () => Promise<T>): Promise<T> {
    const { era } = pause;
    try {
      const answer = await send();
      pause.answered(era);
      return answer;
    } catch (error) {
      if (!(error instanceof BackscrollError) || error.upstream?.status !== 429) throw error;
      if (pause.throttled(era, error.upstream.retryAfter)) {
        onEvent({ kind: 'paused', forMs: pause.leftMs });
        line.refuseWaiting(() => paused(pause.leftMs));
      }
      // Its own Retry-After is a guess where Chatwoot named none; how long it is left alone is known.
      const retryAfter = Math.max(1, Math.ceil(pause.leftMs / 1000));
      throw new BackscrollError(error.code, error.message, { retryAfter, upstream: error.upstream });
    }
  }

  return {
    async read(
      conversation,
      query,
      caller,
      { priority, readers = new Readers(''), traceparent, own, onTurn } = { priority: 'caller' },
    ) {
      caller?.throwIfAborted();
      const key = keyOf(conversation);
      const deadline = startDeadline(timeoutMs, caller);
      const { signal } = deadline;
      const deadlineAt = now() + timeoutMs;
      const turnBy = deadlineAt - timeoutMs * USEFUL_SHARE;
      const leftMs = (): number => deadlineAt - now();
      const attempt = async (failure: BackscrollError | undefined) => {
        const refused = refusal(key);
        if (refused !== null) throw refused;
        const cameAt = now();
        const send = () => {
          options.onTurn?.(now() - cameAt, priority);
          if (failure !== undefined) onEvent({ kind: 'retried', failure: failure.code, priority });
          const answer = upstream.read(conversation, query, signal, {
            priority,
            traceparent,
            own,
            hasDeadline: true,
            again: failure,
          });
          onTurn?.(answer);
          return answer;
        };
        return line.run({ key, readers, priority, again: failure !== undefined, signal, turnBy }, () =>
          breaker.run(
            { key, hasTime: leftMs() >= timeoutMs * TELLING_SHARE, patienceMs: timeoutMs * PATIENCE_SHARE, caller },
            () => exchange(send),
          ),
        );
      };
      try {
        return await withRetries(attempt, { random, leftMs, maySend: () => refusal(key) === null, signal, sleep: sleeper.sleep });
      } catch (error) {
        if (error instanceof Refused) onEvent({ kind: 'refused', reason: error.reason, priority });
        throw error;
      } finally {
        deadline.clear();
      }
    },

    check: async (signal) => (pause.leftMs > 0 ? paused(pause.leftMs).message : upstream.check(signal)),

    async close() {
      sleeper.wake();
      line.close(new Refused('closed', 'draining', 'This server is shutting down; try again', 0));
      await upstream.close();
    },

    stats: () => ({
      running: line.running,
      waiting: line.waiting,
      breaker: breaker.state,
      pausedUntil: pause.until,
      budgetLeft: budget.left(now()),
      waitingMax,
    }),
  };
}

function keyOf({ accountId, conversationId }: ConversationId): string {
  return `${accountId}/${conversationId}`;
}

function paused(leftMs: number): Refused {
  return new Refused('paused', 'upstream_busy', 'Chatwoot receives too many requests and is left alone for a moment', leftMs);
}
