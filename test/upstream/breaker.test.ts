import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackscrollError } from '../../src/errors.ts';
import { AnswerCut } from '../../src/upstream/map-broken-exchange.ts';
import { answered, broken, expectNoTimers, guarded, type Guarded, type HeldRead } from './held-upstream.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  expectNoTimers();
  vi.useRealTimers();
});

/** An upstream that a test breaks and mends. */
function mendable(options: Parameters<typeof guarded>[0] = {}): Guarded & { failure: BackscrollError | null } {
  const state: { failure: BackscrollError | null } = { failure: null };
  const house = guarded(options, (held) => (state.failure === null ? held.answer() : held.fail(state.failure)));
  return Object.assign(state, house);
}

/** Reads of that many conversations, one after the other, from conversation `from` up. */
async function reads(house: Guarded, count: number, from = 1): Promise<unknown[]> {
  const ends: unknown[] = [];
  for (let id = from; id < from + count; id++) {
    const end = house.read(id);
    await vi.advanceTimersByTimeAsync(300);
    ends.push(await end);
  }
  return ends;
}

/** Reads conversations from 1 up until the breaker opens, a moment ago. */
async function readUntilOpen(house: Guarded): Promise<void> {
  for (let id = 1; house.guard.stats().breaker === 'closed'; id++) {
    expect(id).toBeLessThanOrEqual(10);
    const end = house.read(id);
    await vi.advanceTimersByTimeAsync(3); // Two retries, which even without jitter take a turn of the timers.
    await end;
  }
}

/** Opens the breaker with reads of conversations 1 to 10. */
async function opened(
  failure = answered(503),
  options: Parameters<typeof guarded>[0] = {},
): Promise<ReturnType<typeof mendable>> {
  const house = mendable({ random: () => 0, ...options });
  house.failure = failure;
  await readUntilOpen(house);
  return house;
}

describe('the breaker', () => {
  const counts: [name: string, error: BackscrollError, opens: boolean][] = [
    ['unreachable', broken('upstream_unreachable'), true],
    ['deadline passed', broken('upstream_timeout'), true],
    ['an answer that cannot be used', broken('upstream_invalid'), true],
    ['500', answered(500), true],
    ['502', answered(502), true],
    ['503', answered(503), true],
    ['504', answered(504), true],
    ['400', answered(400), false],
    ['401', answered(401), false],
    ['404', answered(404), false],
    ['302', answered(302), false],
  ];
  it.each(counts)('with %s of many conversations', async (_name, error, opens) => {
    const house = mendable();
    house.failure = error;
    await reads(house, 12);
    expect(house.guard.stats().breaker).toBe(opens ? 'open' : 'closed');
  });

  it('opens when more than half of the last reads failed, not before', async () => {
    const house = mendable();
    await reads(house, 20);
    house.failure = answered(501);
    await reads(house, 10);
    expect(house.guard.stats().breaker).toBe('closed');
    await reads(house, 1);
    expect(house.guard.stats().breaker).toBe('open');
    expect(house.events.filter(({ kind }) => kind === 'opened')).toEqual([{ kind: 'opened', failure: 'upstream_error' }]);
  });

  const ownTroubles: [name: string, error: BackscrollError, sends: number][] = [
    ['500', answered(500), 1],
    ['an answer that cannot be used', broken('upstream_invalid'), 1],
    ['time that is up', broken('upstream_timeout'), 1],
    ['a statement that took too long', new BackscrollError('upstream_timeout', 'too long', { upstream: { status: 422 } }), 1],
    ['a proxy whose time is up', answered(504), 3],
    ['an answer that breaks off', new AnswerCut('ECONNRESET'), 3],
  ];
  it.each(ownTroubles)('stays closed for one conversation with %s each time', async (_name, error, sends) => {
    const house = guarded({ random: () => 0 }, (read) => (read.conversation === 7 ? read.fail(error) : read.answer()));
    await reads(house, 2, 7);
    for (let i = 0; i < 50; i++) await reads(house, 1, 7);
    expect(house.guard.stats().breaker).toBe('closed');
    expect(house.upstream.sent).toHaveLength(1 + 51 * sends);
  });

  it('stays closed for one conversation whose callers leave when they have waited for long', async () => {
    const house = guarded({ timeoutMs: 10_000 }, (read) => (read.conversation === 7 ? undefined : read.answer()));
    for (let i = 0; i < 30; i++) {
      const leaving = new AbortController();
      const end = house.read(7, 'caller', leaving.signal);
      await vi.advanceTimersByTimeAsync(2500);
      leaving.abort(new Error('left'));
      await end;
      if (i === 0) expect(await house.read(8)).toBe('ok');
    }
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('opens for one conversation with time that is up, where nothing else is heard of Chatwoot', async () => {
    const house = mendable();
    expect(await reads(house, 1, 8)).toEqual(['ok']);
    house.failure = broken('upstream_timeout');
    for (let i = 0; i < 11; i++) await reads(house, 1, 7);
    expect(house.guard.stats().breaker).toBe('open');
  });

  it('refuses at once while open, says when to come again, and sends nothing', async () => {
    const house = await opened(broken('upstream_unreachable'));
    const sent = house.upstream.sent.length;
    await vi.advanceTimersByTimeAsync(1000);
    expect(await house.read(99)).toMatchObject({ code: 'upstream_unreachable', status: 502, reason: 'open', retryAfter: 4 });
    expect(house.upstream.sent).toHaveLength(sent);
    expect(house.events.at(-1)).toEqual({ kind: 'refused', reason: 'open', priority: 'caller' });
  });

  it('says upstream_error while open for anything but an unreachable Chatwoot', async () => {
    const house = await opened(broken('upstream_timeout'));
    expect(await house.read(99)).toMatchObject({ code: 'upstream_error', status: 502, reason: 'open' });
  });

  it('closes when a probe is answered', async () => {
    const house = await opened();
    house.failure = null;
    await vi.advanceTimersByTimeAsync(5000);
    expect(await house.read(99)).toBe('ok');
    expect(house.guard.stats().breaker).toBe('closed');
    expect(house.events.at(-1)).toEqual({ kind: 'closed' });
    expect(await reads(house, 5)).toEqual(Array(5).fill('ok'));
  });

  it('forgets the failures from before when it closes', async () => {
    const house = await opened();
    house.failure = null;
    await vi.advanceTimersByTimeAsync(5000);
    await house.read(99);
    house.failure = answered(503);
    await reads(house, 2);
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('sends one probe every five seconds while they fail, without retries', async () => {
    const house = await opened();
    const before = house.upstream.sent.length;
    for (let s = 0; s < 60; s++) {
      await vi.advanceTimersByTimeAsync(1000);
      await Promise.all([house.read(200 + s), house.read(300 + s)]);
    }
    const probes = house.upstream.sent.slice(before);
    expect(probes.length).toBe(12);
    for (const [i, { at }] of probes.slice(1).entries()) expect(at - (probes[i]?.at ?? 0)).toBeGreaterThanOrEqual(5000);
    expect(house.events.filter(({ kind }) => kind === 'opened')).toHaveLength(1);
    expect(house.events.filter(({ kind }) => kind === 'probe-failed')).toHaveLength(12);
  });

  it('has one probe under way at most, in whatever order things happen', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), async (scheduler, fates) => {
        let probing = false;
        const house = guarded({ random: () => 0 }, (held) => {
          if (!probing) return held.fail(answered(503));
          const nth = held.conversation % fates.length;
          void scheduler.schedule(Promise.resolve(), `probe ${held.conversation}`).then(() => {
            return fates[nth] === true ? held.answer() : held.fail(answered(501));
          });
        });
        await readUntilOpen(house);
        probing = true;
        await vi.advanceTimersByTimeAsync(5000);
        const sentBefore = house.upstream.sent.length;
        const ends = Array.from({ length: 5 }, (_, i) =>
          scheduler.schedule(Promise.resolve(), `caller ${i}`).then(() => {
            const open = house.guard.stats().breaker !== 'closed';
            const end = house.read(100 + i);
            if (open) expect(house.upstream.held.length).toBeLessThanOrEqual(1);
            return end;
          }),
        );
        await scheduler.waitFor(Promise.all(ends));
        const probes = house.upstream.sent.slice(sentBefore);
        if (house.guard.stats().breaker === 'open') expect(probes).toHaveLength(1);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses others while a probe is under way', async () => {
    const held: HeldRead[] = [];
    let probing = false;
    const house = guarded({ random: () => 0 }, (read) => (probing ? held.push(read) : read.fail(answered(503))));
    await readUntilOpen(house);
    probing = true;
    await vi.advanceTimersByTimeAsync(5000);
    const probe = house.read(50);
    await vi.advanceTimersByTimeAsync(0);
    expect(house.guard.stats().breaker).toBe('half-open');
    expect(await house.read(51)).toMatchObject({ reason: 'open', retryAfter: 1 });
    held[0]?.answer();
    expect(await probe).toBe('ok');
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('does not close where the caller of the probe goes away, and probes again soon', async () => {
    let probing = false;
    const house = guarded({ random: () => 0 }, (read) => (probing ? undefined : read.fail(answered(503))));
    await readUntilOpen(house);
    probing = true;
    await vi.advanceTimersByTimeAsync(5000);
    const leaving = new AbortController();
    const probe = house.read(50, 'caller', leaving.signal);
    await vi.advanceTimersByTimeAsync(0);
    leaving.abort(new Error('left'));
    expect(await probe).toMatchObject({ message: 'left' });
    expect(house.guard.stats().breaker).toBe('open');
    await vi.advanceTimersByTimeAsync(990);
    expect(await house.read(51)).toMatchObject({ reason: 'open' });
    await vi.advanceTimersByTimeAsync(10);
    const next = house.read(51);
    await vi.advanceTimersByTimeAsync(0);
    expect(house.guard.stats().breaker).toBe('half-open');
    house.upstream.held[0]?.answer();
    expect(await next).toBe('ok');
  });

  it.each([new Error('left'), broken('upstream_timeout')])('does not count callers that go away with %s', async (reason) => {
    const house = guarded();
    for (let i = 0; i < 30; i++) {
      const leaving = new AbortController();
      const end = house.read(i, 'caller', leaving.signal);
      await vi.advanceTimersByTimeAsync(0);
      leaving.abort(reason);
      expect(await end).toBe(reason);
    }
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('counts callers that leave when Chatwoot has had a good part of the time to answer', async () => {
    const house = guarded({ timeoutMs: 10_000 });
    for (let i = 0; i < 10; i++) {
      expect(house.guard.stats().breaker).toBe('closed');
      const leaving = new AbortController();
      const end = house.read(i, 'caller', leaving.signal);
      await vi.advanceTimersByTimeAsync(2500);
      leaving.abort(new Error('left'));
      await end;
    }
    expect(house.guard.stats().breaker).toBe('open');
  });

  it('does not count what ran out of time because it waited here', async () => {
    const house = guarded({ connections: 1, timeoutMs: 10_000 });
    for (let i = 0; i < 15; i++) {
      const first = house.read(i);
      await vi.advanceTimersByTimeAsync(6000);
      const second = house.read(100 + i);
      await vi.advanceTimersByTimeAsync(3000);
      house.upstream.held[0]?.answer(); // The first, after 9 s; the second has 7 s left, which tell.
      await vi.advanceTimersByTimeAsync(1000);
      const third = house.read(200 + i); // Has under half of its time left when its turn comes.
      house.upstream.held[0]?.answer();
      await vi.advanceTimersByTimeAsync(0);
      house.upstream.held[0]?.answer();
      expect(await Promise.all([first, second, third])).toEqual(['ok', 'ok', 'ok']);
    }
    const slow: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      const leaving = [0, 1, 2].map(() => new AbortController());
      const ahead = leaving.map(({ signal }, n) => house.read(1000 * n + i, 'caller', signal));
      await vi.advanceTimersByTimeAsync(10);
      slow.push(house.read(100 + i));
      for (const each of leaving) {
        await vi.advanceTimersByTimeAsync(2400);
        each.abort(new Error('left')); // So soon that it counts neither way.
      }
      await Promise.all(ahead);
      await vi.advanceTimersByTimeAsync(2800);
    }
    for (const end of slow) expect(await end).toMatchObject({ code: 'upstream_timeout' });
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('refuses those who wait in line when it opens', async () => {
    const rate = { max: 10, windowMs: 5000 };
    const house = guarded({ connections: 1, rate }, (held) => held.fail(answered(501)));
    const ends = Array.from({ length: 15 }, (_, id) => house.read(id, id === 14 ? 'behind' : 'caller'));
    const errors = await Promise.all(ends);
    expect(house.upstream.sent).toHaveLength(10);
    for (const error of errors.slice(0, 10)) expect(error).toMatchObject({ upstream: { status: 501 } });
    for (const error of errors.slice(10)) expect(error).toMatchObject({ reason: 'open', retryAfter: 5 });
    expect(house.guard.stats()).toMatchObject({ breaker: 'open', running: 0, waiting: 0 });
  });

  it('does not count what was sent before it opened', async () => {
    let hold = true;
    const house = guarded({ random: () => 0 }, (read) => {
      if (read.conversation >= 1000) return hold ? undefined : read.fail(answered(501));
      if (read.conversation >= 100) read.answer();
      else read.fail(answered(501));
    });
    const stragglers = Array.from({ length: 16 }, (_, i) => house.read(1000 + i));
    await readUntilOpen(house);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await house.read(100)).toBe('ok');
    hold = false;
    for (const held of house.upstream.held) held.fail(broken('upstream_timeout'));
    await Promise.all(stragglers);
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('is not kept open by one conversation that fails for itself', async () => {
    let down = true;
    const house = guarded({ random: () => 0 }, (read) => {
      if (read.conversation === 7) read.fail(answered(500));
      else if (down) read.fail(answered(503));
      else read.answer();
    });
    await reads(house, 1, 7);
    await readUntilOpen(house);
    down = false;
    await vi.advanceTimersByTimeAsync(4000);
    for (let s = 0; s < 3; s++) {
      await vi.advanceTimersByTimeAsync(1000);
      expect(await house.read(7)).toMatchObject({ reason: 'open' });
    }
    expect(await house.read(8)).toBe('ok');
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('lets another conversation find out soon where the one in trouble was asked in vain', async () => {
    let down = true;
    const house = guarded({ random: () => 0 }, (read) => {
      if (read.conversation === 7) setTimeout(() => read.fail(broken('upstream_timeout')), 9000);
      else if (down) read.fail(answered(503));
      else read.answer();
    });
    const first = house.read(7);
    await vi.advanceTimersByTimeAsync(9000);
    await first;
    await readUntilOpen(house);
    down = false;
    await vi.advanceTimersByTimeAsync(10_000);
    const probe = house.read(7);
    await vi.advanceTimersByTimeAsync(9000);
    expect(await probe).toMatchObject({ code: 'upstream_timeout' });
    expect(house.events.at(-1)).toEqual({ kind: 'probe-failed', failure: 'upstream_timeout' });
    await vi.advanceTimersByTimeAsync(1000);
    expect(await house.read(7)).toMatchObject({ reason: 'open' });
    expect(await house.read(8)).toBe('ok');
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('asks that conversation too when nobody else comes', async () => {
    const house = await opened(answered(500));
    const before = house.upstream.sent.length;
    await vi.advanceTimersByTimeAsync(9000);
    expect(await house.read(1)).toMatchObject({ reason: 'open' });
    house.failure = null;
    await vi.advanceTimersByTimeAsync(1000);
    expect(await house.read(1)).toBe('ok');
    expect(house.upstream.sent).toHaveLength(before + 1);
  });

  it('keeps its time by the given clock, not by the wall', async () => {
    let now = 0;
    const house = mendable({ random: () => 0, now: () => now });
    house.failure = answered(501);
    await readUntilOpen(house);
    vi.setSystemTime(0); // The wall clock is set back by a quarter of an hour.
    expect(await house.read(50)).toMatchObject({ reason: 'open', retryAfter: 5 });
    now += 5000;
    house.failure = null;
    expect(await house.read(50)).toBe('ok');
  });
});

describe('readiness checks', () => {
  it('pass by the breaker, the pause and the budget', async () => {
    const house = await opened(answered(503), { rate: { max: 30, windowMs: 60_000 } });
    expect(await house.guard.check()).toBeNull();
    expect(house.upstream.checks).toBe(1);
    expect(house.guard.stats()).toMatchObject({ running: 0, breaker: 'open' });
  });
});
