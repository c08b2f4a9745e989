// Whoever joins a read that waits for its turn waits no longer than for one of its own.

import { expect, test, vi } from 'vitest';
import { guarded, onFakeTime, settle } from '../upstream/held-upstream.ts';
import { libraryOver } from './library.ts';

onFakeTime(1_000_000);

/** One connection, of which `before` reads of a greedy reader want turns; `read` is a read of conversation `id`. */
async function house(before: number) {
  const { guard, upstream } = guarded({ connections: 1, timeoutMs: 1000 });
  const library = libraryOver(guard, Date.now);
  const read = (id: number, reader: string): Promise<unknown> =>
    library
      .read(
        { accountId: 1, conversationId: id },
        { mode: 'latest', publicOnly: false },
        { reason: 'forward', priority: 'caller', reader },
      )
      .result.then(
        () => 'ok',
        (error: unknown) => error,
      );
  const greedy = Array.from({ length: before }, (_, id) => read(id, 'greedy'));
  await settle();
  const answerNext = async (): Promise<number> => {
    const held = upstream.held[0]!;
    held.answer();
    await settle();
    return held.conversation;
  };
  return { upstream, read, greedy, answerNext };
}

test('its turn is that of the one who joined', async () => {
  const { read, greedy, answerNext } = await house(6);
  const seldom = read(5, 'seldom');
  await settle();
  const order: number[] = [];
  for (let n = 0; n < 6; n++) order.push(await answerNext());
  expect(order).toEqual([0, 5, 1, 2, 3, 4]);
  expect(await Promise.all([...greedy, seldom])).toEqual(Array(7).fill('ok'));
});

test('the time that the first had is not that of one who joins late', async () => {
  const { read, greedy, answerNext } = await house(2);
  await vi.advanceTimersByTimeAsync(950);
  const seldom = read(1, 'seldom');
  await vi.advanceTimersByTimeAsync(100);
  expect(await greedy[1]).toMatchObject({ reason: 'late' });
  expect(await greedy[0]).toMatchObject({ code: 'upstream_timeout' });
  expect(await answerNext()).toBe(1);
  expect(await seldom).toBe('ok');
});
