import { describe, expect, it, vi } from 'vitest';
import type { Refused } from '../../src/upstream/refused.ts';
import { answered, expectNoTimers, guarded, onFakeTime, settle } from './held-upstream.ts';

const START = 1_000_000;

onFakeTime(START);

describe('a 429', () => {
  it('pauses all reads for its Retry-After, and no longer', async () => {
    const { upstream, guard, read, events } = guarded({}, (held, nth) =>
      nth === 1 ? held.fail(answered(429, 7)) : held.answer(),
    );
    expect(await read(1)).toMatchObject({ code: 'upstream_busy', status: 429, retryAfter: 7 });
    expect(guard.stats().pausedUntil).toBe(START + 7000);
    await vi.advanceTimersByTimeAsync(2500);
    expect(await read(2)).toMatchObject({ code: 'upstream_busy', status: 429, reason: 'paused', retryAfter: 5 });
    expect(await read(3, 'behind')).toMatchObject({ reason: 'paused' });
    expect(upstream.sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4500);
    expect(guard.stats().pausedUntil).toBeNull();
    expect(await read(4)).toBe('ok');
    expect(events).toEqual([
      { kind: 'paused', forMs: 7000 },
      { kind: 'refused', reason: 'paused', priority: 'caller' },
      { kind: 'refused', reason: 'paused', priority: 'behind' },
    ]);
  });

  it('without Retry-After pauses for 5 s, doubling to 60 s while they go on, and starts anew after a success', async () => {
    let throttling = true;
    const { read, events } = guarded({}, (held) => (throttling ? held.fail(answered(429)) : held.answer()));
    const pauses: (number | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      const { retryAfter } = (await read(i)) as Refused;
      pauses.push(retryAfter);
      await vi.advanceTimersByTimeAsync((retryAfter ?? 0) * 1000);
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
    throttling = false;
    expect(await read(7)).toBe('ok');
    throttling = true;
    expect(await read(8)).toMatchObject({ retryAfter: 5 });
    expect(events.map((event) => event.kind === 'paused' && event.forMs)).toEqual([
      5000, 10_000, 20_000, 40_000, 60_000, 60_000, 5000,
    ]);
  });

  it('that many met together is one pause, as long as the longest says', async () => {
    const { upstream, guard, read, events } = guarded();
    const ends = [1, 2, 3, 4].map((id) => read(id));
    await settle();
    const [first, second, third, fourth] = upstream.held;
    first?.fail(answered(429));
    await settle();
    second?.fail(answered(429));
    third?.fail(answered(429, 9));
    await settle();
    expect(guard.stats().pausedUntil).toBe(START + 9000);
    fourth?.answer(); // It was sent before: it does not say that the pause did its work.
    await Promise.all(ends);
    await vi.advanceTimersByTimeAsync(9000);
    const next = read(5);
    await settle();
    upstream.held[0]?.fail(answered(429));
    expect(await next).toMatchObject({ retryAfter: 10 });
    expect(events.filter(({ kind }) => kind === 'paused')).toHaveLength(2);
  });

  it('refuses at once those who wait in line and those who wait to be sent again', async () => {
    const { upstream, read } = guarded({ connections: 2 });
    const ends = [read(1), read(2), read(3), read(4, 'behind')];
    await settle();
    upstream.held[0]?.fail(answered(503)); // Is to be sent again in 100 ms.
    await vi.advanceTimersByTimeAsync(1);
    upstream.held[0]?.fail(answered(429));
    await settle();
    upstream.held[0]?.answer(); // The third was under way already.
    await vi.advanceTimersByTimeAsync(500);
    expect(await Promise.all(ends)).toEqual([
      expect.objectContaining({ upstream: { status: 503, retryAfter: undefined } }),
      expect.objectContaining({ code: 'upstream_busy', retryAfter: 5 }),
      'ok',
      expect.objectContaining({ reason: 'paused', retryAfter: 5 }),
    ]);
    expect(upstream.sent).toHaveLength(3);
  });

  it('leaves no timer for those who waited for the budget', async () => {
    const { upstream, read } = guarded({ rate: { max: 1, windowMs: 1000 } });
    const ends = [read(1), read(2)];
    upstream.held[0]?.fail(answered(429));
    await Promise.all(ends);
    expectNoTimers();
  });

  it('does not open the breaker', async () => {
    const { guard, read } = guarded({}, (held) => held.fail(answered(429, 1)));
    for (let i = 0; i < 30; i++) {
      await read(i);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(guard.stats().breaker).toBe('closed');
  });
});
