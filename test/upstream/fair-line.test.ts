// Readers, and conversations, side by side: what one wants in plenty is not what another lacks.

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { burst } from '../../src/upstream/budget.ts';
import { Readers } from '../../src/upstream/readers.ts';
import { type Turn, Turns } from '../../src/upstream/turns.ts';
import { answered, guarded, type Guarded, onFakeTime, settle } from './held-upstream.ts';

onFakeTime(1_000_000);

/** Answers reads one after the other until none is left. @returns the conversations in the order in which they were sent. */
async function answerAll({ upstream }: Guarded): Promise<number[]> {
  await settle();
  for (let held = upstream.held[0]; held !== undefined; held = upstream.held[0]) {
    held.answer();
    await settle();
  }
  return upstream.sent.map(({ conversation }) => conversation);
}

function turnOf(reader: string): Turn {
  return { readers: new Readers(reader), again: false };
}

describe('turns', () => {
  it('go round by reader, to the one that had none for longest, and to its oldest read', async () => {
    const house = guarded({ connections: 1 });
    const { read } = house;
    const ends = [1, 2, 3, 4].map((id) => read(id, 'caller', undefined, 'greedy'));
    ends.push(
      read(5, 'caller', undefined, 'seldom'),
      read(6, 'caller', undefined, 'another'),
      read(7, 'caller', undefined, 'seldom'),
    );
    expect(await answerAll(house)).toEqual([1, 5, 6, 2, 7, 3, 4]);
    expect(await Promise.all(ends)).toEqual(Array(7).fill('ok'));
  });

  it('go to a read that is sent again before others of its reader, not before those of another', async () => {
    const house = guarded({ connections: 1 });
    const ends = [1, 2, 3].map((id) => house.read(id, 'caller', undefined, 'greedy'));
    await settle();
    house.upstream.held[0]?.fail(answered(503));
    ends.push(...[4, 5].map((id) => house.read(id, 'caller', undefined, 'another')));
    await vi.advanceTimersByTimeAsync(100);
    expect(await answerAll(house)).toEqual([1, 4, 1, 5, 2, 3]);
    await Promise.all(ends);
  });

  it('of a read that several want is that of the one who wanted it first, where none of them has had any', () => {
    const turns = new Turns<Turn>();
    const shared = turnOf('first');
    shared.readers.join('second');
    turns.took(shared);
    const [own, other] = [turnOf('first'), turnOf('second')];
    for (const read of [own, other]) turns.add(read);
    expect(turns.next(() => true)).toBe(other);
  });

  it('of a read that several want are those of all of them', () => {
    const turns = new Turns<Turn>();
    const [first, shared, third, seldom] = ['greedy', 'greedy', 'greedy', 'seldom'].map(turnOf) as [Turn, Turn, Turn, Turn];
    turns.took(first);
    for (const read of [first, shared, third, seldom]) turns.add(read);
    shared.readers.join('another');
    turns.join(shared, 'another');
    const order: (Turn | undefined)[] = [];
    while (turns.size > 0) {
      const next = turns.next(() => true)!;
      order.push(next);
      turns.delete(next);
      turns.took(next);
    }
    expect(order).toEqual([seldom, shared, first, third]);
    expect([...turns]).toEqual([]);
    // It was the turn of the other, who comes last now.
    for (const reader of ['another', 'greedy', 'seldom']) turns.add(turnOf(reader));
    expect([...turns.next(() => true)!.readers]).toEqual(['seldom']);
  });

  it('are kept by a read that others want, too, where the line is full', () => {
    const turns = new Turns<Turn>();
    const [first, second, third] = ['greedy', 'greedy', 'greedy'].map(turnOf) as [Turn, Turn, Turn];
    for (const read of [first, second, third]) turns.add(read);
    third.readers.join('another');
    turns.join(third, 'another');
    expect(turns.surplus(turnOf('newcomer'))).toBe(second);
  });

  it('are lost by the reader that waits for most where the line is full', async () => {
    const house = guarded({ connections: 1, waitingMax: 3 });
    const { read } = house;
    const greedy = [1, 2, 3, 4].map((id) => read(id, 'caller', undefined, 'greedy'));
    const another = read(5, 'caller', undefined, 'another');
    expect(await greedy[3]).toMatchObject({ code: 'overloaded', reason: 'full' });
    expect(await read(6, 'caller', undefined, 'greedy')).toMatchObject({ code: 'overloaded' });
    const third = read(7, 'caller', undefined, 'third');
    expect(await greedy[2]).toMatchObject({ code: 'overloaded' });
    // All have as many: who comes now leaves.
    expect(await read(8, 'caller', undefined, 'third')).toMatchObject({ code: 'overloaded' });
    expect(await answerAll(house)).toEqual([1, 5, 7, 2]);
    expect(await Promise.all([greedy[0], greedy[1], another, third])).toEqual(Array(4).fill('ok'));
  });

  it('are remembered of a thousand readers', () => {
    const turns = new Turns<Turn>();
    const first = turnOf('first');
    turns.took(first);
    turns.add(first);
    turns.add(turnOf('never'));
    expect([...turns.next(() => true)!.readers]).toEqual(['never']);
    for (let i = 0; i < 1000; i++) turns.took(turnOf(`reader ${i}`));
    expect(turns.next(() => true)).toBe(first);
  });

  it('are counted as they will come', () => {
    const reader = fc.constantFrom('a', 'b', 'c', 'd');
    const turn = fc.record({ readers: reader.map((name) => new Readers(name)), again: fc.boolean() });
    fc.assert(
      fc.property(fc.array(reader, { maxLength: 6 }), fc.array(turn, { maxLength: 15 }), turn, (before, waiting, latecomer) => {
        const turns = new Turns<Turn>();
        for (const name of before) turns.took(turnOf(name));
        for (const each of waiting) turns.add(each);
        const [latest] = latecomer.readers;
        fc.pre(!latecomer.again || before.some((name) => name === latest));
        const foretold = turns.ahead(latecomer);
        turns.add(latecomer);
        let ahead = 0;
        for (let next = turns.next(() => true); next !== latecomer && next !== undefined; next = turns.next(() => true)) {
          turns.delete(next);
          turns.took(next);
          ahead++;
        }
        expect(ahead).toBe(foretold);
      }),
    );
  });
});

describe('one conversation', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
    [8, 2],
    [16, 4],
  ])('has of %d connections %d, and others have the rest', async (connections, most) => {
    const house = guarded({ connections });
    const ends = Array.from({ length: connections + 1 }, (_, i) => house.read(7, i === 0 ? 'behind' : 'caller'));
    await settle();
    expect(house.upstream.held).toHaveLength(most);
    ends.push(house.read(8));
    await settle();
    expect(house.upstream.held).toHaveLength(Math.min(connections, most + 1));
    await answerAll(house);
    expect(await Promise.all(ends)).toEqual(Array(connections + 2).fill('ok'));
    expect(house.guard.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('on which Chatwoot hangs, asked six times a second, keeps no read of another from its answer', async () => {
    const house = guarded({ connections: 16, rate: { max: 2400, windowMs: 60_000 } }, (held) => {
      if (held.conversation !== 7) setTimeout(() => held.answer(), 50);
    });
    const others: Promise<unknown>[] = [];
    const hanging: Promise<unknown>[] = [];
    const hang = setInterval(() => hanging.push(house.read(7, 'caller', undefined, 'may read 7 only')), 60_000 / 367);
    const honest = setInterval(() => others.push(house.read(100 + others.length, 'caller', undefined, 'honest')), 700);
    await vi.advanceTimersByTimeAsync(120_000);
    clearInterval(hang);
    clearInterval(honest);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(new Set(await Promise.all(others))).toEqual(new Set(['ok']));
    expect(others.length).toBeGreaterThan(150);
    const codes = (await Promise.all(hanging)).map((end) => (end as { code: string }).code);
    expect(new Set(codes)).toEqual(new Set(['upstream_timeout', 'upstream_busy']));
    expect(house.guard.stats().breaker).toBe('closed');
  });

  it('that Chatwoot gives up on leaves others their answers', async () => {
    const house = guarded({ connections: 16, timeoutMs: 20_000 }, (held) => {
      if (held.conversation === 7) setTimeout(() => held.fail(answered(500)), 14_000);
      else held.answer();
    });
    const hanging = Array.from({ length: 40 }, () => house.read(7, 'caller', undefined, 'may read 7 only'));
    for (let s = 0; s < 40; s++) {
      await vi.advanceTimersByTimeAsync(1000);
      expect(await house.read(8, 'caller', undefined, 'honest')).toBe('ok');
    }
    await Promise.all(hanging);
  });
});

describe('the rate, among readers', () => {
  /** A reader that asks again as soon as it is answered, `inParallel` times over, and waits a while where it is refused. */
  function startGreedy({ read }: Guarded, name: string, inParallel: number, perMinuteMax = Infinity): () => void {
    const stopping = new AbortController();
    let asked = 0;
    const minute = setInterval(() => (asked = 0), 60_000);
    const ask = async (): Promise<void> => {
      while (!stopping.signal.aborted) {
        const end = asked++ < perMinuteMax ? await read(Math.floor(Math.random() * 1e9), 'caller', undefined, name) : 'limited';
        if (end !== 'ok') await new Promise((resolve) => setTimeout(resolve, 500));
      }
    };
    for (let i = 0; i < inParallel; i++) void ask();
    return () => {
      stopping.abort();
      clearInterval(minute);
    };
  }

  interface Waited {
    readonly end: unknown;
    readonly ms: number;
  }

  async function honestly({ read }: Guarded, everyMs: number, forMs: number): Promise<Waited[]> {
    const ends: Promise<Waited>[] = [];
    for (let ms = 0; ms < forMs; ms += everyMs) {
      const cameAt = Date.now();
      ends.push(read(ms, 'caller', undefined, 'honest').then((end) => ({ end, ms: Date.now() - cameAt })));
      await vi.advanceTimersByTimeAsync(everyMs);
    }
    await vi.advanceTimersByTimeAsync(10_000);
    return Promise.all(ends);
  }

  it('is there for a sixth reader while five use what they may', async () => {
    const takesMs = 40;
    const house = guarded({ connections: 16, rate: { max: 2400, windowMs: 60_000 } }, (held) => {
      setTimeout(() => held.answer(), takesMs);
    });
    const stops = [1, 2, 3, 4, 5].map((n) => startGreedy(house, `customer ${n}`, 8, 600));
    await vi.advanceTimersByTimeAsync(5000);
    const waited = await honestly(house, 600, 150_000);
    for (const stop of stops) stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(new Set(waited.map(({ end }) => end))).toEqual(new Set(['ok']));
    expect(Math.max(...waited.map(({ ms }) => ms))).toBeLessThanOrEqual(2 * takesMs + 100);
  });

  it('keeps whoever wants no more than its share from every refusal, and from all but a short wait', async () => {
    const cases = fc.record({
      greedy: fc.integer({ min: 1, max: 6 }),
      inParallel: fc.integer({ min: 1, max: 10 }),
      connections: fc.integer({ min: 1, max: 16 }),
      takesMs: fc.integer({ min: 1, max: 40 }),
      startsAfterMs: fc.nat(7000),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ greedy, inParallel, connections, takesMs, startsAfterMs }) => {
        const rate = { max: 120, windowMs: 6000 };
        const house = guarded({ connections, rate, timeoutMs: 1000 }, (held) => void setTimeout(() => held.answer(), takesMs));
        const stops = Array.from({ length: greedy }, (_, n) => startGreedy(house, `greedy ${n}`, inParallel));
        await vi.advanceTimersByTimeAsync(startsAfterMs);
        // A turn comes this often at the least; of those, one in a round is its own, at worst the last of it and one more.
        const turnMs = rate.windowMs / (rate.max - burst(rate.max));
        const waited = await honestly(house, Math.max(turnMs, takesMs) * (greedy + 1), 8000);
        for (const stop of stops) stop();
        await vi.advanceTimersByTimeAsync(2000);
        for (const { end, ms } of waited) {
          expect(end).toBe('ok');
          expect(ms).toBeLessThanOrEqual(2 * turnMs + 2 * takesMs + 10);
        }
        const sentAt = house.upstream.sent.map(({ at }) => at);
        for (const [n, at] of sentAt.entries()) {
          expect(at - (sentAt[n - rate.max] ?? -Infinity)).toBeGreaterThanOrEqual(rate.windowMs);
        }
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });

  it('is there for a newcomer at once where one reader has used all it could', async () => {
    const house = guarded({ connections: 16, rate: { max: 240, windowMs: 60_000 } }, (held) => held.answer());
    const stop = startGreedy(house, 'greedy', 16);
    await vi.advanceTimersByTimeAsync(10_000);
    const newcomer = house.read(1, 'caller', undefined, 'newcomer');
    await vi.advanceTimersByTimeAsync(500);
    expect(await Promise.race([newcomer, Promise.resolve('waits')])).toBe('ok');
    stop();
    await vi.advanceTimersByTimeAsync(20_000);
  });
});
