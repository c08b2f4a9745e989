// The log of a conversation whose tail is polled for an hour.

import { expect, test } from 'vitest';
import { ENTRIES_MAX } from '../../src/shared/log.ts';
import type { Query } from '../../src/timeline/query.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { CONVERSATION, levelOver, readingOf, rowsUpTo } from './level.ts';

test.skipIf(!HAS_REDIS)('a log stays short while a tail is polled for an hour', async () => {
  const redis = await redisOfTest();
  const { level } = await levelOver(redis);
  const epoch = level.epochOf(CONVERSATION)!;
  const rows = rowsUpTo(200);
  for (let poll = 0; poll < 1200; poll++) {
    const top = 20 + Math.floor(poll / 10);
    const query: Query = { mode: 'after', after: 1000 + top - 1, publicOnly: false };
    level.append(CONVERSATION, epoch, readingOf(rows.slice(top, top + (poll % 10 === 9 ? 1 : 0)), query));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (poll % 20 === 0) await level.idle();
  }
  await level.idle();
  const [key] = await redis.client.keys('*:{1/2}:*');
  expect(await redis.client.xlen(key!)).toBeLessThanOrEqual(ENTRIES_MAX);
  expect((await redis.client.memory('USAGE', key!, 'SAMPLES', 0)) as number).toBeLessThan(200_000);
  expect(await redis.client.pttl(key!)).toBeGreaterThan(1_800_000);
});
