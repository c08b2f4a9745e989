// How long looking for what others have read may take, and when a lease is had.

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Library } from '../../src/cache/library.ts';
import type { Lease } from '../../src/cache/shared-level.ts';
import { SharedReads } from '../../src/cache/shared-reads.ts';

afterEach(() => void vi.useRealTimers());

const CONVERSATION = { accountId: 1, conversationId: 2 };

interface Taken {
  readonly readings: number;
  readonly lease: Lease | 'held' | null;
}

/** Looks at what `take` finds, each time it is asked. */
function readsOver(take: (looks: number) => Taken | Promise<Taken>, waitMaxMs = 5_000) {
  let looks = 0;
  const library = { take: async () => take(++looks) };
  const reads = new SharedReads({ library: library as unknown as Library, waitMaxMs });
  const { signal } = new AbortController();
  return {
    reads,
    looks: () => looks,
    before: (isEnough = () => false, given = signal) => reads.before(CONVERSATION, 'a page', isEnough, given),
  };
}

class TestLease implements Lease {
  ended = 0;

  end(): void {
    this.ended++;
  }
}

describe('looking before a read', () => {
  test('a slow Redis is not asked again and again, although it has something new each time', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const startedAt = performance.now();
    const { before } = readsOver(() => {
      vi.advanceTimersByTime(60);
      return { readings: 1, lease: null };
    });
    await before();
    expect(performance.now() - startedAt).toBeLessThanOrEqual(150);
  });

  test('goes on while another process reads, until that has brought enough', async () => {
    const { before, looks } = readsOver((nth) => (nth < 4 ? { readings: 0, lease: 'held' } : { readings: 1, lease: null }));
    expect(await before(() => looks() === 4)).toBeNull();
    expect(looks()).toBe(4);
  });

  test('does not wait where nothing comes and no lease is to be had, as of a Redis that is full', async () => {
    const { before, looks } = readsOver(() => ({ readings: 0, lease: null }));
    expect(await before(() => looks() > 100)).toBeNull();
    expect(looks()).toBe(2);
  });

  test('looks once more where all that came was known', async () => {
    const lease = new TestLease();
    const { before } = readsOver((nth) => ({ readings: 0, lease: nth === 1 ? null : lease }));
    expect(await before()).toBe(lease);
  });

  test('ends when its time is over, although another process still reads', async () => {
    const { before, looks } = readsOver(() => ({ readings: 0, lease: 'held' }), 30);
    expect(await before(() => looks() > 100)).toBeNull();
    expect(looks()).toBeLessThan(10);
  });

  test('ends when its caller leaves', async () => {
    const caller = new AbortController();
    const { before, looks } = readsOver((nth) => {
      if (nth === 2) caller.abort();
      return { readings: 0, lease: 'held' };
    });
    expect(await before(() => looks() > 100, caller.signal)).toBeNull();
    expect(looks()).toBe(2);
  });

  test.each([
    ['is had', false, false],
    ['is let go where it is enough by then', true, false],
    ['is let go where its caller has left', false, true],
  ])('a lease that nobody has %s', async (_what, isEnough, hasLeft) => {
    const lease = new TestLease();
    const caller = new AbortController();
    const { before } = readsOver(() => {
      if (hasLeft) caller.abort();
      return { readings: 0, lease };
    });
    const isLetGo = isEnough || hasLeft;
    expect(await before(() => isEnough, caller.signal)).toBe(isLetGo ? null : lease);
    expect(lease.ended).toBe(isLetGo ? 1 : 0);
  });

  test('is done once for all who ask the same, and who leaves waits for nobody', async () => {
    const lease = new TestLease();
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const { before, looks } = readsOver(async () => {
      await answered;
      return { readings: 0, lease };
    });
    const caller = new AbortController();
    const [first, second, leaving] = [before(), before(), before(() => false, caller.signal)];
    caller.abort(new Error('left'));
    await expect(leaving).rejects.toThrow('left');
    answer();
    expect([await first, await second]).toEqual([lease, null]);
    expect(looks()).toBe(1);
    expect([await before(), looks()]).toEqual([lease, 2]);
  });
});

describe('looking behind an answer', () => {
  test.each<[string, readonly Taken[], boolean]>([
    ['reads where nobody else does', [{ readings: 0, lease: { end: () => undefined } }], true],
    ['leaves it to a process that does', [{ readings: 0, lease: 'held' }], false],
    [
      'sees who reads after it has taken what is new',
      [
        { readings: 3, lease: null },
        { readings: 0, lease: 'held' },
      ],
      false,
    ],
  ])('%s', async (_what, found, isRead) => {
    const { reads, looks } = readsOver((nth) => found[nth - 1]!);
    expect((await reads.behind(CONVERSATION)).reads).toBe(isRead);
    expect(looks()).toBe(found.length);
  });

  test('ends its lease when it is over', async () => {
    const lease = new TestLease();
    const { end } = await readsOver(() => ({ readings: 0, lease })).reads.behind(CONVERSATION);
    expect(lease.ended).toBe(0);
    end();
    expect(lease.ended).toBe(1);
  });
});
