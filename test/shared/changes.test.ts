// What one process announces holds for all, also for those that come later, and whatever becomes of what Redis holds of it.

import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisLevel } from '../../src/shared/level.ts';
import { UNHEARD_MAX } from '../../src/shared/changes.ts';
import { faultyRedis } from '../support/faulty-redis.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { CONVERSATION, levelOver, readingOf, rowsUpTo } from './level.ts';

const GONE = { kind: 'gone', conversation: CONVERSATION } as const;
const QUERY = { mode: 'before', before: 2000, publicOnly: false } as const;

async function keyOf(redis: RedisServer, name: string): Promise<string> {
  const [key = ''] = await redis.client.keys(`*:${name}`);
  return key;
}

/** Waits until all have heard of one more change. */
async function heard(level: RedisLevel, processes: number): Promise<void> {
  const elsewhere = { kind: 'purge', extent: { accountId: 77, conversationId: 1 } } as const;
  expect(await level.announce(elsewhere, { waits: 'long' })).toEqual({ processes, reached: processes });
}

describe.skipIf(!HAS_REDIS)('a conversation that has gone, of which its finder knows nothing', () => {
  test('is under another name from then on where others have read it, and under the same where nobody has', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    const epoch = one.epochOf(CONVERSATION)!;
    await one.announce(GONE, { isKnown: false });
    await heard(one, 2);
    expect(one.epochOf(CONVERSATION)).toBe(epoch);
    other.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), QUERY));
    await other.idle();
    await other.close();
    await one.announce(GONE, { isKnown: false });
    await heard(one, 1);
    expect(one.epochOf(CONVERSATION)).not.toBe(epoch);
  });

  test('is known to nobody although it is appended when that is announced', async () => {
    const redis = await redisOfTest();
    const way = await faultyRedis(redis.port);
    onTestFinished(() => way.close());
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(way)];
    const epoch = one.epochOf(CONVERSATION)!;
    way.slow(300);
    // The log was found to be empty, and the other has not heard of it.
    await one.announce(GONE, { isKnown: false });
    other.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), QUERY));
    while (other.epochOf(CONVERSATION) === epoch) await setImmediate();
    const next = { epoch: await epochOf(other), cursor: '' };
    expect((await other.take(CONVERSATION, next))?.readings).toEqual([]);
  });
});

async function epochOf(level: RedisLevel): Promise<string> {
  for (;;) {
    const epoch = level.epochOf(CONVERSATION);
    if (epoch !== null) return epoch;
    // oxlint-disable-next-line no-await-in-loop -- until it has heard
    await setImmediate();
  }
}

describe.skipIf(!HAS_REDIS)('what Redis holds of changes', () => {
  test('when it is as it was before a purge, brings nothing back', async () => {
    const redis = await redisOfTest();
    const { level: one } = await levelOver(redis);
    const epoch = one.epochOf(CONVERSATION)!;
    one.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), QUERY));
    await one.announce({ kind: 'envelope', conversation: CONVERSATION });
    await one.idle();
    const names = [await keyOf(redis, 'epochs'), await keyOf(redis, 'stream')];
    const before = await Promise.all(names.map((name) => redis.client.dumpBuffer(name)));
    await one.announce({ kind: 'purge', extent: CONVERSATION }, { waits: 'long' });
    await Promise.all(names.map((name, at) => redis.client.restore(name, 0, before[at]!, 'REPLACE')));

    const all = await redis.client.hget(names[0]!, 'all');
    while ((await redis.client.hget(names[0]!, 'all')) === all) await setImmediate();
    const { level: other } = await levelOver(redis);
    const next = other.epochOf(CONVERSATION)!;
    expect(next).not.toBe(epoch);
    expect((await other.take(CONVERSATION, { epoch: next, cursor: '' }))?.readings).toEqual([]);
  });

  test('when it is dropped, begins with higher numbers, so that nobody seems to have heard of them', async () => {
    const redis = await redisOfTest();
    const { level, told } = await levelOver(redis);
    await heard(level, 1);
    const epochs = await keyOf(redis, 'epochs');
    const before = Number(await redis.client.hget(epochs, 'n'));
    await redis.client.del(epochs);
    told.length = 0;
    while (told.length === 0) await setImmediate();
    expect(told[0]).toEqual(['forget', {}, undefined]);
    await level.isSharing();
    expect(Number(await redis.client.hget(epochs, 'n'))).toBeGreaterThan(before);
  });

  test.each(['all of them', 'the first of them', 'none of them'])(
    'is told of where whoever comes finds %s lost',
    async (lost) => {
      const redis = await redisOfTest();
      const { level } = await levelOver(redis);
      await level.announce({ kind: 'written', conversation: CONVERSATION });
      await level.announce({ kind: 'envelope', conversation: CONVERSATION });
      const kept = { 'all of them': 0, 'the first of them': 1, 'none of them': 2 }[lost]!;
      await redis.client.xtrim(await keyOf(redis, 'stream'), 'MAXLEN', kept);
      const { told } = await levelOver(redis);
      expect(told.filter(([what]) => what === 'lose')).toHaveLength(lost === 'none of them' ? 0 : 1);
      expect(told.filter(([what]) => what === 'hear')).toHaveLength(kept);
    },
  );

  test('names those that are there, and forgets those that are not', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const members = await keyOf(redis, 'members');
    await redis.client.hset(
      members,
      Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`left-${at}`, `${at} 1700000000`])),
    );
    await redis.client.hset(members, { rubbish: 'rubbish', ahead: '9 4000000000' });
    await heard(level, 1);
    expect(await redis.client.hlen(members)).toBe(1);
  });

  test('reaches who finds that ids do not rise, with what vouches no more', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { told }] = [await levelOver(redis), await levelOver(redis)];
    await one.announce({ kind: 'purge', extent: {}, marksFrom: 1_700_000_000 }, { waits: 'long' });
    expect(told.at(-1)).toEqual(['forget', {}, 1_700_000_000]);
  });
});

test.skipIf(!HAS_REDIS)('a process that may not listen keeps few of its own announcements, and shares nothing', async () => {
  const redis = await redisOfTest();
  const { level } = await levelOver(redis);
  await redis.client.acl('SETUSER', 'default', '-xread');
  await sleep(500); // For the read that is under way.
  for (let id = 0; id < UNHEARD_MAX + 50; id++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await level.announce({ kind: 'purge', extent: { accountId: 1, conversationId: id } });
  }
  expect(level.unheard).toBeLessThanOrEqual(UNHEARD_MAX);
  expect(level.epochOf(CONVERSATION)).toBeNull();
  await redis.client.acl('SETUSER', 'default', '+xread');
  await level.isSharing();
});
