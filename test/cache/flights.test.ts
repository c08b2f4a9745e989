// Single flight: who shares which read, and who ends it.

import { EventEmitter, once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Flight, Send } from '../../src/cache/flights.ts';
import { Flights } from '../../src/cache/flights.ts';
import { testClock } from '../support/backscroll.ts';

/** A read that a test answers by hand. */
interface Sent {
  readonly signal: AbortSignal;
  readonly flight: Flight<string>;
  land(answer: string): void;
  fail(error: Error): void;
}

/** Flights of one key, `k`, and the reads that they sent. */
function house() {
  const clock = testClock(1000);
  const flights = new Flights<string>();
  const sent: Sent[] = [];
  const events = new EventEmitter();
  const send: Send<string> = async (signal, flight) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      flight.sentAt = clock.now();
      sent.push({ signal, flight, land: resolve, fail: reject });
      events.emit('sent');
    });
  const join = (options: { asOf?: number; signal?: AbortSignal } = {}, key = 'k') => {
    const { result, shared } = flights.join(key, send, options);
    result.catch(() => undefined);
    return { result, shared };
  };
  /** The nth read, sent already or still to be. */
  const nth = async (n: number): Promise<Sent> => {
    while (sent.length < n) await once(events, 'sent');
    return sent[n - 1]!;
  };
  return { clock, flights, sent, join, nth };
}

describe('who may join', () => {
  test('a read that is under way is for those who came before it was sent, one that is not sent yet for all', async () => {
    const { clock, flights, join, nth } = house();
    expect(flights.canJoin('k')).toBe(false);
    const first = join();
    expect(flights.canJoin('k', clock.now() + 1)).toBe(true);
    const sent = await nth(1);
    expect([flights.canJoin('k'), flights.canJoin('k', clock.now())]).toEqual([true, true]);
    // Whoever joined for that all the same would have the next read sent.
    expect(flights.canJoin('k', clock.now() + 1)).toBe(false);
    sent.flight.invalidated = true;
    expect(flights.canJoin('k')).toBe(false);
    sent.land('page');
    await first.result;
  });
});

describe('sharing', () => {
  test('all who come while a read is under way share it', async () => {
    const { flights, sent, join, nth } = house();
    const first = join();
    const others = [join(), join(), join()];
    (await nth(1)).land('page');
    expect(first.shared).toBe(false);
    expect(others.map(({ shared }) => shared)).toEqual([true, true, true]);
    expect(await Promise.all([first, ...others].map(({ result }) => result))).toEqual(['page', 'page', 'page', 'page']);
    expect(sent).toHaveLength(1);
    expect(flights.size).toBe(0);
  });

  test('other keys have reads of their own', async () => {
    const { join, nth, flights } = house();
    const [a, b] = [join({}, 'a'), join({}, 'b')];
    expect(b.shared).toBe(false);
    expect(flights.size).toBe(2);
    (await nth(1)).land('A');
    (await nth(2)).land('B');
    expect([await a.result, await b.result]).toEqual(['A', 'B']);
  });

  test('who comes after a read has landed causes another', async () => {
    const { join, nth } = house();
    const early = join();
    (await nth(1)).land('old');
    await early.result;
    const late = join();
    expect(late.shared).toBe(false);
    (await nth(2)).land('new');
    expect(await late.result).toBe('new');
  });

  test('a failure is shared by all who wait and kept by nobody', async () => {
    const { join, nth, flights } = house();
    const waiting = [join(), join()];
    (await nth(1)).fail(new Error('down'));
    for (const { result } of waiting) await expect(result).rejects.toThrow('down');
    expect(flights.size).toBe(0);
    const next = join();
    (await nth(2)).land('up');
    expect(await next.result).toBe('up');
  });

  test('a read that waits for its turn is joined by all, and what comes before it is sent does not concern it', async () => {
    const { clock, flights, join, nth } = house();
    join();
    const read = await nth(1);
    read.flight.sentAt = null;
    clock.advance(5);
    flights.invalidate(() => true);
    expect(join({ asOf: clock.now() }).shared).toBe(true);
    expect(read.flight.invalidated).toBe(false);
    read.flight.sentAt = clock.now();
    flights.invalidate(() => true);
    expect(read.flight.invalidated).toBe(true);
    read.land('page');
  });

  test('a send that throws at once is a failure like any other', async () => {
    const flights = new Flights<string>();
    const { result } = flights.join('k', () => {
      throw new Error('at once');
    });
    await expect(result).rejects.toThrow('at once');
    expect(flights.size).toBe(0);
  });
});

describe('as of now', () => {
  test('who asks for as of now joins a read sent after, not one sent before', async () => {
    const { clock, join, nth, sent } = house();
    const early = join();
    const first = await nth(1);
    clock.advance(5);
    const [a, b] = [join({ asOf: clock.now() }), join({ asOf: clock.now() })];
    expect([a.shared, b.shared]).toEqual([false, true]);
    expect(sent).toHaveLength(1);
    first.land('before');
    expect(await early.result).toBe('before');
    const second = await nth(2);
    expect(second.flight.sentAt).toBe(clock.now());
    second.land('after');
    expect([await a.result, await b.result]).toEqual(['after', 'after']);
    expect(sent).toHaveLength(2);
  });

  test('the next read is sent also where the one before it fails', async () => {
    const { clock, join, nth } = house();
    const early = join();
    const first = await nth(1);
    clock.advance(5);
    const late = join({ asOf: clock.now() });
    first.fail(new Error('down'));
    await expect(early.result).rejects.toThrow('down');
    (await nth(2)).land('after');
    expect(await late.result).toBe('after');
  });

  test('who comes when the next read waits for its turn shares that one', async () => {
    const { clock, join, nth, sent } = house();
    join();
    const first = await nth(1);
    clock.advance(5);
    const a = join({ asOf: clock.now() });
    clock.advance(5);
    const b = join({ asOf: clock.now() });
    first.land('before');
    const second = await nth(2);
    clock.advance(5);
    const c = join({ asOf: clock.now() });
    second.land('after');
    (await nth(3)).land('last');
    expect([await a.result, await b.result, await c.result]).toEqual(['after', 'after', 'last']);
    expect(sent).toHaveLength(3);
  });

  test('a caller without a demand joins what is under way', async () => {
    const { clock, join, nth } = house();
    join();
    const first = await nth(1);
    clock.advance(5);
    const hurried = join({ asOf: clock.now() });
    const easy = join();
    expect(easy.shared).toBe(true);
    first.land('before');
    expect(await easy.result).toBe('before');
    (await nth(2)).land('after');
    await hurried.result;
  });
});

describe('leaving', () => {
  test('one who leaves does not take the read along', async () => {
    const { join, nth } = house();
    const leaver = new AbortController();
    const [gone, stays] = [join({ signal: leaver.signal }), join()];
    const read = await nth(1);
    leaver.abort(new Error('gone'));
    await expect(gone.result).rejects.toThrow('gone');
    expect(read.signal.aborted).toBe(false);
    read.land('page');
    expect(await stays.result).toBe('page');
  });

  test('one that has ended is not ended again by those who then leave', async () => {
    const { join, nth } = house();
    const landed = join();
    (await nth(1)).land('an answer');
    await landed.result;
    const failed = join();
    (await nth(2)).fail(new Error('no answer'));
    await expect(failed.result).rejects.toThrow('no answer');
    expect([(await nth(1)).signal.aborted, (await nth(2)).signal.aborted]).toEqual([false, false]);
  });

  test('the last one leaving ends it, and nobody can join it any more', async () => {
    const { join, nth, flights } = house();
    const leavers = [new AbortController(), new AbortController()];
    const results = leavers.map(({ signal }) => join({ signal }).result);
    const read = await nth(1);
    for (const leaver of leavers) leaver.abort(new Error('gone'));
    for (const result of results) await expect(result).rejects.toThrow('gone');
    expect(read.signal.aborted).toBe(true);
    expect(flights.size).toBe(0);
    const later = join();
    expect(later.shared).toBe(false);
    (await nth(2)).land('page');
    expect(await later.result).toBe('page');
  });

  test('the last one leaving a read that waits for its turn ends that one only', async () => {
    const { clock, join, nth, sent, flights } = house();
    const early = join();
    const first = await nth(1);
    clock.advance(5);
    const leaver = new AbortController();
    const late = join({ asOf: clock.now(), signal: leaver.signal });
    leaver.abort(new Error('gone'));
    await expect(late.result).rejects.toThrow('gone');
    first.land('page');
    expect(await early.result).toBe('page');
    expect(sent).toHaveLength(1);
    expect(flights.size).toBe(0);
  });

  test('one that has left before it joins causes nothing that stays', async () => {
    const { join, flights } = house();
    const { result } = join({ signal: AbortSignal.abort(new Error('gone')) });
    await expect(result).rejects.toThrow('gone');
    expect(flights.size).toBe(0);
  });

  test('when the first read is left by all, those who wait for the next still get it', async () => {
    const { clock, join, nth } = house();
    const leaver = new AbortController();
    const early = join({ signal: leaver.signal });
    const first = await nth(1);
    clock.advance(5);
    const late = join({ asOf: clock.now() });
    leaver.abort(new Error('gone'));
    await expect(early.result).rejects.toThrow('gone');
    expect(first.signal.aborted).toBe(true);
    (await nth(2)).land('after');
    expect(await late.result).toBe('after');
  });
});

describe('ends from outside', () => {
  test('an invalidation marks the reads under way of its keys, and they still answer their callers', async () => {
    const { flights, join, nth } = house();
    const { result } = join({}, 'a 1');
    const other = join({}, 'b 1');
    const [a, b] = [await nth(1), await nth(2)];
    flights.invalidate((key) => key.startsWith('a '));
    expect([a.flight.invalidated, b.flight.invalidated]).toEqual([true, false]);
    a.land('A');
    b.land('B');
    expect([await result, await other.result]).toEqual(['A', 'B']);
  });

  test('an invalidation does not concern a read that is not sent yet', async () => {
    const { clock, flights, join, nth } = house();
    join();
    const first = await nth(1);
    clock.advance(5);
    const late = join({ asOf: clock.now() });
    flights.invalidate(() => true);
    first.land('old');
    const second = await nth(2);
    expect([first.flight.invalidated, second.flight.invalidated]).toEqual([true, false]);
    second.land('new');
    expect(await late.result).toBe('new');
  });

  test('abortAll ends what is under way and what waits', async () => {
    const { clock, flights, join, nth } = house();
    const early = join();
    await nth(1);
    clock.advance(5);
    const late = join({ asOf: clock.now() });
    flights.abortAll(new Error('shutting down'));
    await expect(early.result).rejects.toThrow('shutting down');
    await expect(late.result).rejects.toThrow('shutting down');
    expect(flights.size).toBe(0);
  });
});
