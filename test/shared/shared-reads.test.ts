// How long looking for what others have read may take.

import { afterEach, expect, test, vi } from 'vitest';
import type { Library } from '../../src/cache/library.ts';
import { SharedReads } from '../../src/cache/shared-reads.ts';

afterEach(() => void vi.useRealTimers());

test('a slow Redis is not asked again and again, although it has something new each time', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const startedAt = performance.now();
  const library = {
    take: async () => {
      vi.advanceTimersByTime(60);
      return { readings: 1, lease: null };
    },
  };
  const reads = new SharedReads({ library: library as unknown as Library, waitMaxMs: 5_000 });
  await reads.before({ accountId: 1, conversationId: 2 }, 'a page', () => false, new AbortController().signal);
  expect(performance.now() - startedAt).toBeLessThanOrEqual(150);
});
