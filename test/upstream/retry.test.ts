import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BackscrollError } from '../../src/errors.ts';
import { retryDelayMs } from '../../src/upstream/retry.ts';
import { answered, broken, expectNoTimers, guarded } from './held-upstream.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  expectNoTimers();
  vi.useRealTimers();
});

describe('a failed read', () => {
  const table: [name: string, error: BackscrollError, sends: number][] = [
    ['unreachable', broken('upstream_unreachable'), 3],
    ['502', answered(502), 3],
    ['503', answered(503), 3],
    ['504', answered(504), 3],
    ['500, which repeats (contract 2.2)', answered(500), 1],
    ['501', answered(501), 1],
    ['deadline passed', broken('upstream_timeout'), 1],
    ['an answer that cannot be used', broken('upstream_invalid'), 1],
    ['400', answered(400), 1],
    ['401', answered(401), 1],
    ['404', answered(404), 1],
    ['429', answered(429), 1],
    ['302', answered(302), 1],
  ];
  it.each(table)('with %s', async (_name, error, sends) => {
    const { upstream, read } = guarded({}, (held) => held.fail(error));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(await end).toMatchObject({ code: error.code });
    expect(upstream.sent).toHaveLength(sends);
  });

  it('is answered by the retry', async () => {
    const { read, events } = guarded({}, (held, nth) => (nth === 2 ? held.answer() : held.fail(answered(503))));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await end).toBe('ok');
    expect(events).toEqual([{ kind: 'retried', failure: 'upstream_error', priority: 'caller' }]);
  });

  it('waits with full jitter: from nothing to 200 ms, then to 400 ms', () => {
    const failure = answered(503);
    expect(retryDelayMs(failure, 0, 0)).toBe(0);
    expect(retryDelayMs(failure, 0, 1)).toBe(200);
    expect(retryDelayMs(failure, 1, 0)).toBe(0);
    expect(retryDelayMs(failure, 1, 0.25)).toBe(100);
    expect(retryDelayMs(failure, 1, 1)).toBe(400);
    expect(retryDelayMs(answered(503, 3), 1, 1)).toBe(3000);
  });

  it('is sent again after the jitter', async () => {
    const { upstream, read } = guarded({ random: () => 0.5 }, (held) => held.fail(broken('upstream_unreachable')));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(1000);
    await end;
    expect(upstream.sent.map(({ at }) => at - 1_000_000)).toEqual([0, 100, 300]);
  });

  it('is not sent again before Retry-After', async () => {
    const { upstream, read } = guarded({}, (held, nth) => (nth === 2 ? held.answer() : held.fail(answered(503, 2))));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(1999);
    expect(upstream.sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await end).toBe('ok');
  });

  it.each([10, 3600])('is not sent again where Retry-After (%d s) is past its deadline', async (retryAfter) => {
    const { upstream, read } = guarded({ timeoutMs: 10_000 }, (held) => held.fail(answered(503, retryAfter)));
    expect(await read(1)).toMatchObject({ upstream: { status: 503, retryAfter } });
    expect(upstream.sent).toHaveLength(1);
  });

  it('holds no connection while it waits, and goes before those that came after it', async () => {
    const { upstream, guard, read } = guarded({ connections: 1 });
    const ends = [read(1), read(2), read(3), read(4)];
    await vi.advanceTimersByTimeAsync(0);
    upstream.held[0]?.fail(answered(503));
    await vi.advanceTimersByTimeAsync(99);
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([2]);
    expect(guard.stats()).toMatchObject({ running: 1, waiting: 2 });
    await vi.advanceTimersByTimeAsync(1);
    for (let i = 0; i < 4; i++) {
      upstream.held[0]?.answer();
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(await Promise.all(ends)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(upstream.sent.map(({ conversation }) => conversation)).toEqual([1, 2, 1, 3, 4]);
  });

  it('spends of the budget each time, and ends with its own failure where none is left', async () => {
    const { upstream, read, events } = guarded({ rate: { max: 2, windowMs: 60_000 } }, (held) => held.fail(answered(502)));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await end).toMatchObject({ code: 'upstream_error', upstream: { status: 502 } });
    expect(upstream.sent).toHaveLength(2);
    expect(events.map(({ kind }) => kind)).toEqual(['retried']);
  });

  it('for which time ran out ends with its own failure', async () => {
    const { upstream, read } = guarded({ timeoutMs: 10_000 }, (held, nth) => (nth === 1 ? held.fail(answered(502)) : undefined));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await end).toMatchObject({ code: 'upstream_error', upstream: { status: 502 } });
    expect(upstream.sent).toHaveLength(2);
  });

  it('is not sent again when its caller has left meanwhile', async () => {
    const { upstream, read } = guarded({}, (held) => held.fail(answered(502)));
    const leaving = new AbortController();
    const end = read(1, 'caller', leaving.signal);
    await vi.advanceTimersByTimeAsync(50);
    leaving.abort(new Error('left'));
    expect(await end).toMatchObject({ message: 'left' });
    expect(vi.getTimerCount()).toBe(0);
    expect(upstream.sent).toHaveLength(1);
  });

  it('is not sent again once this server closes', async () => {
    const { upstream, guard, read } = guarded({}, (held) => held.fail(answered(503, 5)));
    const end = read(1);
    await vi.advanceTimersByTimeAsync(50);
    await guard.close();
    expect(await end).toMatchObject({ upstream: { status: 503 } });
    expect(upstream.sent).toHaveLength(1);
  });
});
