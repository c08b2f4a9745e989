import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Refused } from '../../src/upstream/refused.ts';
import { behindShare } from '../../src/upstream/budget.ts';
import { expectNoTimers, guarded, type HeldRead, onFakeTime, settle } from './held-upstream.ts';

onFakeTime(1_000_000);

describe('the line', () => {
  it('has no more reads under way than connections, and starts the next when one ends', async () => {
    const { upstream, guard, read } = guarded({ connections: 2 });
    const ends = [1, 2, 3, 4].map((id) => read(id));
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([1, 2]);
    expect(guard.stats()).toMatchObject({ running: 2, waiting: 2 });
    upstream.held[1]?.answer();
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([1, 3]);
    upstream.held[0]?.fail(new Error('a fault'));
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([3, 4]);
    for (const held of upstream.held) held.answer();
    expect(await Promise.all(ends)).toEqual([expect.objectContaining({ message: 'a fault' }), 'ok', 'ok', 'ok']);
    expect(guard.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('lets callers go before reads behind answers, each in the order in which they came', async () => {
    const { upstream, read } = guarded({ connections: 1 });
    const ends = [read(1), read(2, 'behind'), read(3), read(4, 'behind'), read(5)];
    for (let i = 0; i < 5; i++) {
      await settle();
      upstream.held[0]?.answer();
    }
    expect(await Promise.all(ends)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(upstream.sent.map(({ conversation }) => conversation)).toEqual([1, 3, 5, 2, 4]);
    expect(upstream.sent.map(({ priority }) => priority)).toEqual(['caller', 'caller', 'caller', 'behind', 'behind']);
  });

  it('gives reads behind answers half of the connections and half of the rate, and callers all of them', async () => {
    const { upstream, read } = guarded({ connections: 4, rate: { max: 6, windowMs: 1000 } });
    const behind = [1, 2, 3, 4].map((id) => read(id, 'behind'));
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([1, 2]);
    const callers = [5, 6].map((id) => read(id));
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([1, 2, 5, 6]);
    for (const held of upstream.held) held.answer();
    await settle();
    // The third is half of the rate; the fourth waits until the window is over although callers may still send.
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([3]);
    upstream.held[0]?.answer();
    await vi.advanceTimersByTimeAsync(999);
    expect(upstream.held).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([4]);
    upstream.held[0]?.answer();
    expect(await Promise.all([...behind, ...callers])).toEqual(Array(6).fill('ok'));
  });

  it('sends what waits for the rate as soon as the window is over', async () => {
    const { upstream, read } = guarded({ rate: { max: 2, windowMs: 1000 } }, (held) => held.answer());
    const ends = [1, 2, 3, 4, 5].map((id) => read(id));
    await vi.advanceTimersByTimeAsync(2000);
    expect(await Promise.all(ends)).toEqual(Array(5).fill('ok'));
    expect(upstream.sent.map(({ at }) => at - 1_000_000)).toEqual([0, 0, 1000, 1000, 2000]);
  });

  it('lets one that waits for the rate go before one that comes as soon as there is more of it', async () => {
    const { upstream, read } = guarded({ connections: 1, rate: { max: 2, windowMs: 1000 } }, (held) => held.answer());
    await Promise.all([read(1), read(2)]);
    const waits = read(3);
    await settle();
    vi.setSystemTime(1_001_000);
    await Promise.all([waits, read(4)]);
    expect(upstream.sent.map(({ conversation }) => conversation)).toEqual([1, 2, 3, 4]);
  });

  it('takes one whose turn comes at the last moment at which it is of use', async () => {
    const { upstream, read } = guarded({ rate: { max: 2, windowMs: 9000 }, timeoutMs: 10_000 }, (held) => held.answer());
    const ends = [1, 2, 3].map((id) => read(id));
    await vi.advanceTimersByTimeAsync(9000);
    expect(await Promise.all(ends)).toEqual(['ok', 'ok', 'ok']);
    expect(upstream.sent).toHaveLength(3);
  });

  it('is full at its bound and says when to come again', async () => {
    const { upstream, guard, read, events } = guarded({ connections: 1, waitingMax: 2, rate: { max: 2, windowMs: 8000 } });
    const ends = [read(1), read(2), read(3)];
    const refused = (await read(4)) as Refused;
    expect(refused).toMatchObject({ code: 'overloaded', status: 503, reason: 'full' });
    // Two of each window: it would be the fourth, 8 s after the first two.
    expect(refused.retryAfter).toBe(8);
    expect(guard.stats().waiting).toBe(2);
    expect(events).toEqual([{ kind: 'refused', reason: 'full', priority: 'caller' }]);
    for (const ms of [0, 8000, 0]) {
      upstream.held[0]?.answer();
      await vi.advanceTimersByTimeAsync(ms);
    }
    expect(await Promise.all(ends)).toEqual(['ok', 'ok', 'ok']);
  });

  it('gives the place of a read behind an answer to a caller when it is full', async () => {
    const { upstream, read } = guarded({ connections: 1, waitingMax: 2 });
    const running = read(1);
    const behind = [read(2, 'behind'), read(3, 'behind')];
    const caller = read(4);
    expect(await behind[1]).toMatchObject({ code: 'overloaded' });
    expect(await read(5, 'behind')).toMatchObject({ code: 'overloaded' });
    for (let i = 0; i < 3; i++) {
      upstream.held[0]?.answer();
      await settle();
    }
    expect(await Promise.all([running, caller, behind[0]])).toEqual(['ok', 'ok', 'ok']);
  });

  it('refuses at its deadline who did not get a turn, and lets time in line count', async () => {
    const { upstream, read } = guarded({ connections: 1, timeoutMs: 10_000 });
    const first = read(1);
    await vi.advanceTimersByTimeAsync(4000);
    const second = read(2);
    await vi.advanceTimersByTimeAsync(5000);
    const third = read(3);
    upstream.held[0]?.answer();
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([2]);
    await vi.advanceTimersByTimeAsync(4999);
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([2]);
    await vi.advanceTimersByTimeAsync(1);
    // Five of its ten seconds went by in line; the other five were not enough.
    expect(await second).toMatchObject({ code: 'upstream_timeout', status: 504 });
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([3]);
    const fourth = read(4);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await third).toMatchObject({ code: 'upstream_timeout' });
    expect(await first).toBe('ok');
    upstream.held[0]?.answer();
    expect(await fourth).toBe('ok');
  });

  it('says upstream_busy where its time went by in line', async () => {
    const { upstream, read, events } = guarded({ connections: 1, timeoutMs: 10_000 });
    const first = read(1);
    await vi.advanceTimersByTimeAsync(1000);
    const [second, third] = [read(2), read(3)];
    await vi.advanceTimersByTimeAsync(8000);
    upstream.held[0]?.answer();
    await vi.advanceTimersByTimeAsync(2000);
    expect(await first).toBe('ok');
    expect(await second).toMatchObject({ code: 'upstream_timeout' });
    expect(await third).toMatchObject({ code: 'upstream_busy', status: 429, reason: 'late' });
    expect(upstream.sent.map(({ conversation }) => conversation)).toEqual([1, 2]);
    expect(events.at(-1)).toEqual({ kind: 'refused', reason: 'late', priority: 'caller' });
  });

  it('sends nothing that would be given up as soon as it is sent', async () => {
    const { upstream, read } = guarded({ connections: 1, timeoutMs: 10_000 });
    const first = read(1);
    await vi.advanceTimersByTimeAsync(500);
    const second = read(2);
    await vi.advanceTimersByTimeAsync(9_300);
    upstream.held[0]?.answer();
    const refused = (await second) as Refused;
    expect(refused).toMatchObject({ code: 'upstream_busy', reason: 'late' });
    expect(upstream.sent).toHaveLength(1);
    expect(await first).toBe('ok');
  });

  it('says when to come again by the pace at which reads end', async () => {
    const { upstream, read } = guarded({ connections: 2, waitingMax: 5 });
    const first = read(0);
    await vi.advanceTimersByTimeAsync(4000);
    upstream.held[0]?.answer();
    await first;
    const ends = Array.from({ length: 7 }, (_, id) => read(id));
    // Two under way and five in line, two at a time and each for 4 s: its turn is after three of them.
    expect(await read(8)).toMatchObject({ code: 'overloaded', retryAfter: 12 });
    for (let i = 0; i < 7; i++) {
      await settle();
      upstream.held[0]?.answer();
    }
    await Promise.all(ends);
  });

  it('refuses at once whom the rate would keep past the deadline', async () => {
    const { read } = guarded({ rate: { max: 1, windowMs: 60_000 }, timeoutMs: 10_000 }, (held) => held.answer());
    expect(await read(1)).toBe('ok');
    await vi.advanceTimersByTimeAsync(20_000);
    const refused = (await read(2)) as Refused;
    expect(refused).toMatchObject({ code: 'upstream_busy', reason: 'late', retryAfter: 40 });
    await vi.advanceTimersByTimeAsync(40_000);
    expect(await read(3)).toBe('ok');
  });

  it('lets a caller that goes away out at once', async () => {
    const { upstream, guard, read } = guarded({ connections: 1 });
    const gone = new AbortController();
    const ends = [read(1), read(2, 'caller', gone.signal), read(3)];
    gone.abort(new Error('the caller went away'));
    expect(await ends[1]).toMatchObject({ message: 'the caller went away' });
    expect(guard.stats().waiting).toBe(1);
    upstream.held[0]?.answer();
    await settle();
    expect(upstream.held.map(({ conversation }) => conversation)).toEqual([3]);
    upstream.held[0]?.answer();
    expect(await ends[2]).toBe('ok');
    expect(upstream.sent).toHaveLength(2);
  });

  it('wakes for a read behind an answer when the caller before it has left', async () => {
    const { upstream, guard, read } = guarded({ rate: { max: 2, windowMs: 1000 } }, (held) => held.answer());
    await Promise.all([read(1, 'behind'), read(2)]);
    const gone = new AbortController();
    const ends = [read(3, 'caller', gone.signal), read(4, 'behind')];
    gone.abort(new Error('gone'));
    await settle();
    expect(guard.stats().waiting).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(upstream.sent.map(({ conversation }) => conversation)).toEqual([1, 2, 4]);
    await Promise.all(ends);
  });

  it('does not wake for the budget once it is closed', async () => {
    const { guard, read } = guarded({ rate: { max: 1, windowMs: 1000 } }, (held) => held.answer());
    await read(1);
    const end = read(2);
    await settle();
    await guard.close();
    expect(await end).toMatchObject({ code: 'draining' });
    expectNoTimers();
  });

  it('does not wake for one that has left', async () => {
    const { read } = guarded({ rate: { max: 1, windowMs: 1000 } }, (held) => held.answer());
    await read(1);
    const gone = new AbortController();
    const end = read(2, 'caller', gone.signal);
    await settle();
    gone.abort(new Error('gone'));
    await end;
    expectNoTimers();
  });

  it('takes nobody whose caller has left already', async () => {
    const { upstream, read } = guarded();
    expect(await read(1, 'caller', AbortSignal.abort(new Error('left before')))).toMatchObject({ message: 'left before' });
    expect(upstream.sent).toHaveLength(0);
  });

  it('ends those who wait when it is closed, and lets those under way end', async () => {
    const { upstream, guard, read } = guarded({ connections: 1 });
    const [running, waiting] = [read(1), read(2)];
    await settle();
    const closing = guard.close();
    expect(await waiting).toMatchObject({ code: 'draining', status: 503 });
    expect(await read(3)).toMatchObject({ code: 'draining' });
    upstream.held[0]?.answer();
    expect(await running).toBe('ok');
    await closing;
    expect(upstream.closed).toBe(true);
  });
});

describe('the line, whatever comes', () => {
  interface Step {
    readonly afterMs: number;
    readonly behind: boolean;
    readonly takesMs: number;
    readonly leavesAfterMs: number | null;
  }
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({
      afterMs: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(300)),
      behind: fc.boolean(),
      takesMs: fc.nat(150),
      leavesAfterMs: fc.option(fc.nat(200), { freq: 3 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  const bounds = fc.record({
    connections: fc.integer({ min: 1, max: 5 }),
    max: fc.integer({ min: 1, max: 10 }),
    windowMs: fc.integer({ min: 20, max: 400 }),
    waitingMax: fc.integer({ min: 1, max: 8 }),
    timeoutMs: fc.integer({ min: 20, max: 600 }),
  });

  it('keeps every bound, answers everybody in time, and leaves no timer', async () => {
    await fc.assert(
      fc.asyncProperty(bounds, steps, async ({ connections, max, windowMs, waitingMax, timeoutMs }, arrivals) => {
        let behindMax = 0;
        let waitingSeen = 0;
        const takes = new Map<number, number>();
        const settleRead = (held: HeldRead): void => {
          behindMax = Math.max(behindMax, upstream.held.filter(({ priority }) => priority === 'behind').length);
          setTimeout(() => held.answer(), takes.get(held.conversation) ?? 0);
        };
        const { upstream, guard, read } = guarded({ connections, rate: { max, windowMs }, waitingMax, timeoutMs }, settleRead);
        const ends: Promise<{ end: unknown; tookMs: number }>[] = [];
        for (const [id, { afterMs, behind, takesMs, leavesAfterMs }] of arrivals.entries()) {
          await vi.advanceTimersByTimeAsync(afterMs);
          takes.set(id, takesMs);
          const leaving = new AbortController();
          if (leavesAfterMs !== null) setTimeout(() => leaving.abort(new Error('left')), leavesAfterMs);
          const cameAt = Date.now();
          ends.push(
            read(id, behind ? 'behind' : 'caller', leaving.signal).then((end) => {
              return { end, tookMs: Date.now() - cameAt };
            }),
          );
          waitingSeen = Math.max(waitingSeen, guard.stats().waiting);
        }
        await vi.runAllTimersAsync();
        for (const { end, tookMs } of await Promise.all(ends)) {
          expect(tookMs).toBeLessThanOrEqual(timeoutMs);
          if (end === 'ok' || (end as Error).message === 'left') continue;
          // Where reads take longer than they may, the breaker opens.
          expect(['upstream_busy', 'overloaded', 'upstream_timeout', 'upstream_error']).toContain((end as Refused).code);
          if ((end as Refused).code !== 'upstream_timeout') expect((end as Refused).retryAfter).toBeGreaterThanOrEqual(1);
        }
        const sentAt = upstream.sent.map(({ at }) => at);
        for (const from of sentAt) {
          expect(sentAt.filter((at) => at >= from && at < from + windowMs).length).toBeLessThanOrEqual(max);
        }
        expect(upstream.runningMax).toBeLessThanOrEqual(connections);
        expect(behindMax).toBeLessThanOrEqual(behindShare(connections));
        expect(waitingSeen).toBeLessThanOrEqual(waitingMax);
        expect(guard.stats()).toMatchObject({ running: 0, waiting: 0 });
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('sends callers in the order in which they came, in whatever order reads end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, connections) => {
        const { upstream, read } = guarded({ connections }, (held) => {
          void scheduler.schedule(Promise.resolve(), `read ${held.conversation}`).then(() => held.answer());
        });
        const ends = Array.from({ length: 12 }, (_, id) => read(id));
        await scheduler.waitFor(Promise.all(ends));
        expect(upstream.sent.map(({ conversation }) => conversation)).toEqual(Array.from({ length: 12 }, (_, id) => id));
        expect(upstream.runningMax).toBeLessThanOrEqual(connections);
      }),
    );
  });
});
