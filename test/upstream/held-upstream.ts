// An upstream whose reads a test ends one by one, and what a test says of it.

import { afterEach, beforeEach, expect, vi } from 'vitest';
import { BackscrollError, type ErrorCode } from '../../src/errors.ts';
import {
  type ProtectedUpstream,
  type ProtectionEvent,
  type ProtectionOptions,
  protectUpstream,
} from '../../src/upstream/protected-upstream.ts';
import { Readers } from '../../src/upstream/readers.ts';
import type { ConversationId, ReadPriority, Upstream, UpstreamAnswer } from '../../src/upstream/upstream.ts';
import { LATEST } from './house.ts';

export const ANSWER: UpstreamAnswer = {
  kind: 'unlearnable',
  because: 'timestamp',
  answer: { rows: [], envelope: { meta: Buffer.from('{}') } as never, askedAt: 0 },
};

export interface HeldRead {
  readonly conversation: number;
  readonly at: number;
  readonly priority: ReadPriority | undefined;
  answer(): void;
  fail(error: Error): void;
}

export interface HeldUpstream extends Upstream {
  /** Under way now, in the order in which they were sent. */
  readonly held: readonly HeldRead[];
  /** All that were ever sent. */
  readonly sent: readonly HeldRead[];
  /** Reads under way at once, at most so far. */
  readonly runningMax: number;
  checks: number;
  closed: boolean;
}

/** `onRead` ends a read as it is sent; without it, or where it says nothing, the read is held. */
export function heldUpstream(now: () => number, onRead?: (read: HeldRead, nth: number) => void): HeldUpstream {
  const held: HeldRead[] = [];
  const sent: HeldRead[] = [];
  let runningMax = 0;
  const upstream = {
    get held() {
      return [...held];
    },
    sent,
    checks: 0,
    closed: false,
    get runningMax() {
      return runningMax;
    },
    read: (conversation: ConversationId, _query: unknown, signal?: AbortSignal, options?: { priority: ReadPriority }) =>
      new Promise<UpstreamAnswer>((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason as Error);
        const end = (settleNow: () => void): void => {
          if (!held.includes(read)) return;
          held.splice(held.indexOf(read), 1);
          signal?.removeEventListener('abort', onAbort);
          settleNow();
        };
        const read: HeldRead = {
          conversation: conversation.conversationId,
          at: now(),
          priority: options?.priority,
          answer: () => end(() => resolve(ANSWER)),
          fail: (error) => end(() => reject(error)),
        };
        const onAbort = (): void => end(() => reject(signal?.reason as Error));
        signal?.addEventListener('abort', onAbort, { once: true });
        held.push(read);
        sent.push(read);
        runningMax = Math.max(runningMax, held.length);
        onRead?.(read, sent.length);
      }),
    check: async () => {
      upstream.checks++;
      return null;
    },
    close: async () => {
      upstream.closed = true;
    },
  };
  return upstream;
}

/** With fake timers: nothing is left to happen. */
export function expectNoTimers(): void {
  expect(vi.getTimerCount()).toBe(0);
}

/** Has every test of a file run on a clock of its own, which stands at `now` (ms), and leave no timer on it. */
export function onFakeTime(now: number): void {
  beforeEach(() => {
    vi.useFakeTimers({ now });
  });
  afterEach(() => {
    expectNoTimers();
    vi.useRealTimers();
  });
}

/** Lets everything run that needs no time. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

export interface Guarded {
  readonly upstream: HeldUpstream;
  readonly guard: ProtectedUpstream;
  readonly events: ProtectionEvent[];
  /** Reads conversation `id`; the end is `'ok'`, or the error. */
  readonly read: (id: number, priority?: ReadPriority, signal?: AbortSignal, reader?: string) => Promise<unknown>;
}

/** A protected upstream on the clock of fake timers, with room for everything unless told. */
export function guarded(options: Partial<ProtectionOptions> = {}, onRead?: (read: HeldRead, nth: number) => void): Guarded {
  const now = options.now ?? Date.now;
  const upstream = heldUpstream(now, onRead);
  const events: ProtectionEvent[] = [];
  const guard = protectUpstream(upstream, {
    rate: { max: 1000, windowMs: 60_000 },
    connections: 100,
    timeoutMs: 10_000,
    now,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return {
    upstream,
    guard,
    events,
    read: (id, priority = 'caller', signal, reader = '') =>
      guard.read({ accountId: 1, conversationId: id }, LATEST, signal, { priority, readers: new Readers(reader) }).then(
        () => 'ok',
        (error: unknown) => error,
      ),
  };
}

/** An error as it comes of an answer of Chatwoot with this status. */
export function answered(status: number, retryAfter?: number): BackscrollError {
  const code: ErrorCode = status === 404 ? 'not_found' : status === 429 ? 'upstream_busy' : 'upstream_error';
  return new BackscrollError(code, `status ${status}`, { upstream: { status, retryAfter } });
}

/** An error without an answer. */
export function broken(code: 'upstream_unreachable' | 'upstream_timeout' | 'upstream_invalid'): BackscrollError {
  return new BackscrollError(code, code);
}
