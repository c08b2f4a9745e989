// What Redis does for a log in one step, where several processes are at it, and within which bounds.

import { describe, expect, test } from 'vitest';
import type { Script } from '../../src/shared/link.ts';
import { APPEND, COMPACT, END_LEASE, KEEP_LEASE, TAKE } from '../../src/shared/log-scripts.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';

const ENTRIES_MAX = 5;
const BYTES_MAX = 100;
const LOG_MS = 60_000;

interface Log {
  readonly redis: RedisServer;
  readonly run: (script: Script, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;
  readonly append: (text: string, writer?: string) => Promise<unknown>;
  /** What is sealed in each entry, and the bytes up to it. */
  readonly entries: () => Promise<readonly (readonly [id: string, text: string, bytes: number])[]>;
}

async function logOfTest(): Promise<Log> {
  const redis = await redisOfTest();
  const run: Log['run'] = (script, keys, args) => script.run(redis.client, keys, args);
  return {
    redis,
    run,
    append: (text, writer = 'w') => run(APPEND, ['log'], [text, writer, ENTRIES_MAX, BYTES_MAX, LOG_MS]),
    entries: async () => {
      const all = await redis.client.xrange('log', '-', '+');
      return all.map(([id, [, text, , , , bytes]]) => [id, text!, Number(bytes)] as const);
    },
  };
}

describe.skipIf(!HAS_REDIS)('an entry that is appended', () => {
  test('takes the place of the oldest where there are too many entries or bytes', async () => {
    const { append, entries } = await logOfTest();
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) await append(text); // oxlint-disable-line no-await-in-loop
    expect((await entries()).map(([, text]) => text)).toEqual(['b', 'c', 'd', 'e', 'f']);
    expect(await append('x'.repeat(97))).toEqual([4, 100]);
    expect((await entries()).map(([, text]) => text.length)).toEqual([1, 1, 1, 97]);
    expect(await append('y'.repeat(99))).toEqual([1, 99]);
  });

  test('takes the place of all where somebody else has filled the log', async () => {
    const { redis, append, entries } = await logOfTest();
    for (let n = 0; n <= 4 * ENTRIES_MAX; n++) await redis.client.xadd('log', '*', 'of', 'others'); // oxlint-disable-line no-await-in-loop
    expect(await append('a')).toEqual([1, 1]);
    expect(await entries()).toHaveLength(1);
  });

  test('keeps the log for its time, as does who takes something from it', async () => {
    const { redis, run, append } = await logOfTest();
    await append('a');
    expect(await redis.client.pttl('log')).toBeGreaterThan(LOG_MS / 2);
    const take = (cursor: string) => run(TAKE, ['log', 'lease'], [cursor, ENTRIES_MAX, '', 0, LOG_MS]);
    await redis.client.pexpire('log', 1_000);
    await take('9999999999999-0');
    expect(await redis.client.pttl('log')).toBeLessThanOrEqual(1_000);
    await take('');
    expect(await redis.client.pttl('log')).toBeGreaterThan(LOG_MS / 2);
  });
});

describe.skipIf(!HAS_REDIS)('entries that are folded', () => {
  test('are replaced once, and what came since stays, counted', async () => {
    const { redis, run, append, entries } = await logOfTest();
    for (const text of ['aa', 'bb', 'cc']) await append(text); // oxlint-disable-line no-await-in-loop
    const [first, second] = (await entries()).map(([id]) => id);
    const fold = () => run(COMPACT, ['log'], [first!, second!, 'aabb']);
    // Two processes have folded the same.
    expect([await fold(), await fold()]).toEqual([1, 0]);
    const folded = (await entries()).map(([, text, bytes]) => [text, bytes]);
    expect(folded).toEqual([
      ['cc', 6],
      ['aabb', 6],
    ]);
    expect(await redis.client.pttl('log')).toBeGreaterThan(LOG_MS / 2);
  });
});

describe.skipIf(!HAS_REDIS)('a lease that is another’s by now', () => {
  test('is neither ended nor prolonged by who had it before', async () => {
    const { redis, run } = await logOfTest();
    const take = (token: string) => run(TAKE, ['log', 'lease'], ['', ENTRIES_MAX, token, 1_000, LOG_MS]);
    const leaseOf = async (token: string): Promise<unknown> => ((await take(token)) as unknown[])[3];
    expect(await leaseOf('one')).toBe(1);
    await redis.client.del('lease');
    expect(await leaseOf('other')).toBe(1);
    expect(await run(KEEP_LEASE, ['lease'], ['one', LOG_MS])).toBe(0);
    expect(await redis.client.pttl('lease')).toBeLessThanOrEqual(1_000);
    expect(await run(END_LEASE, ['lease'], ['one'])).toBe(0);
    expect(await leaseOf('third')).toBe(0);

    expect(await run(KEEP_LEASE, ['lease'], ['other', LOG_MS])).toBe(1);
    expect(await redis.client.pttl('lease')).toBeGreaterThan(1_000);
    expect(await run(END_LEASE, ['lease'], ['other'])).toBe(1);
    expect(await redis.client.exists('lease')).toBe(0);
  });
});
