// The log of one conversation stays within its bounds, whatever is appended, and holds what is true.

import { randomBytes } from 'node:crypto';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { Lease } from '../../src/cache/shared-level.ts';
import { Clocks } from '../../src/shared/clocks.ts';
import type { RedisLevel } from '../../src/shared/level.ts';
import { APPENDING_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX, FOLD_ENTRIES, LOG_BYTES_MAX, SharedLogs } from '../../src/shared/log.ts';
import type { Link } from '../../src/shared/link.ts';
import { deriveSecrets } from '../../src/shared/secrets.ts';
import { learn } from '../../src/timeline/learn.ts';
import { prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { EMPTY_TIMELINE } from '../../src/timeline/timeline.ts';
import { FRESHNESS } from '../cache/library.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { PATIENT, SILENT } from './house.ts';
import { CONVERSATION, levelOver, readingOf, rowsUpTo } from './level.ts';

const before = (id: number): Query => ({ mode: 'before', before: id, publicOnly: false });

describe.skipIf(!HAS_REDIS)('the log of a conversation', () => {
  test('takes at most half of the bytes of a walk of 1,000 rows, and tells all of it', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    const rows = rowsUpTo(1000);
    for (let to = 1000; to > 0; to -= 20) {
      level.append(CONVERSATION, epoch, readingOf(rows.slice(to - 20, to), before(1000 + to)));
      // oxlint-disable-next-line no-await-in-loop -- as a walk goes
      await level.idle();
    }
    const [key] = await redis.client.keys('*:{1/2}:*');
    const bytes = (await redis.client.memory('USAGE', key!, 'SAMPLES', 0)) as number;
    const raw = rows.reduce((sum, row) => sum + row.raw.length, 0);
    expect(bytes / raw).toBeLessThan(0.5);
    expect(await redis.client.xlen(key!)).toBeLessThanOrEqual(FOLD_ENTRIES);

    const taken = await level.take(CONVERSATION, { epoch, cursor: '' });
    const now = performance.timeOrigin + performance.now();
    let timeline = EMPTY_TIMELINE;
    for (const { reading } of taken!.readings)
      ({ timeline } = learn(timeline, reading, { vouched: 0, settleMs: FRESHNESS.settleMs, expiredBefore: 0 }));
    for (const id of [1980, 1500, 1020]) {
      const proof = prove(timeline, before(id), { now, freshness: FRESHNESS });
      expect(proof.proved && proof.rows.map((row) => row.id)).toEqual(Array.from({ length: 20 }, (_, at) => id - 20 + at));
    }
  });

  test('never has more entries than it may, although nobody folds it', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    level.append(CONVERSATION, epoch, readingOf(rowsUpTo(1), before(2000)));
    await level.idle();
    const [key] = await redis.client.keys('*:{1/2}:*');
    // What does not open is never folded away by what does.
    for (let n = 0; n < 2 * ENTRIES_MAX; n++) await redis.client.xadd(key!, '*', 'e', 'x'.repeat(100), 'w', 'w', 't', '0');
    for (let n = 0; n < ENTRIES_MAX; n++) {
      level.append(CONVERSATION, epoch, readingOf([], before(1)));
      // oxlint-disable-next-line no-await-in-loop
      await level.idle();
    }
    expect(await redis.client.xlen(key!)).toBeLessThanOrEqual(ENTRIES_MAX);
  });

  test('is a miss, counted, where entries are those of another conversation, of nobody, or of a time to come', async () => {
    const redis = await redisOfTest();
    const { level, refused } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    level.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
    await level.idle();
    const [key = ''] = await redis.client.keys('*:{1/2}:*');
    const [[, fields]] = (await redis.client.xrangeBuffer(key, '-', '+')) as [[Buffer, Buffer[]]];
    const elsewhere = { accountId: 1, conversationId: 3 };
    await redis.client.xadd(key.replace('{1/2}', '{1/3}'), '*', ...fields);
    await redis.client.xadd(key.replace('{1/2}', '{1/3}'), '*', 'nothing', 'at all');
    expect((await level.take(elsewhere, { epoch: level.epochOf(elsewhere)!, cursor: '' }))?.readings).toEqual([]);
    expect(refused).toEqual(['sealed', 'sealed']);

    const ahead = readingOf([], before(1));
    level.append(CONVERSATION, epoch, { ...ahead, reading: { ...ahead.reading, askedAt: ahead.reading.askedAt + 60_000 } });
    await level.idle();
    expect((await level.take(CONVERSATION, { epoch, cursor: '' }))?.readings).toHaveLength(1);
    expect(refused.at(-1)).toBe('undated');
  });

  test('of one process is not taken back by it, but for what it has forgotten', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    level.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
    await level.idle();
    const first = await level.take(CONVERSATION, { epoch, cursor: '' });
    level.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(1004)));
    await level.idle();
    expect(first?.readings).toHaveLength(1);
    expect((await level.take(CONVERSATION, { epoch, cursor: first!.cursor }))?.readings).toEqual([]);
  });
});

/** A row that nothing makes smaller. */
function rowOfBytes(bytes: number): Row {
  const [row] = rowsUpTo(1);
  return { ...row!, raw: randomBytes(bytes).toString('latin1') };
}

describe.skipIf(!HAS_REDIS)('the bytes of a log', () => {
  test('are few again as soon as they are many', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    const row = rowOfBytes(LOG_BYTES_MAX / 8);
    for (let n = 0; n < 6; n++) {
      level.append(CONVERSATION, epoch, readingOf([row], before(2000 + n)));
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await level.idle();
    }
    const [key] = await redis.client.keys('*:{1/2}:*');
    expect(await redis.client.memory('USAGE', key!, 'SAMPLES', 0)).toBeLessThan(LOG_BYTES_MAX / 2);
    expect((await level.take(CONVERSATION, { epoch, cursor: '' }))?.readings.length).toBeGreaterThan(0);
  });

  test('are none of an entry that is too large, which is counted', async () => {
    const redis = await redisOfTest();
    const { level, refused, written } = await levelOver(redis);
    level.append(CONVERSATION, level.epochOf(CONVERSATION)!, readingOf([rowOfBytes(ENTRY_BYTES_MAX)], before(2000)));
    await level.idle();
    expect([refused, written()]).toEqual([['large'], 0]);
    expect(await redis.client.keys('*:{1/2}:*')).toEqual([]);
  });
});

describe.skipIf(!HAS_REDIS)('what is in the place of a log', () => {
  test('goes when it is found, so that the next reading finds its log', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    const append = async (): Promise<void> => {
      level.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
      await level.idle();
    };
    const take = () => level.take(CONVERSATION, { epoch, cursor: '' });
    await append();
    const [key = ''] = await redis.client.keys('*:{1/2}:*');
    for (const find of [append, take]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await redis.client.set(key, 'of somebody else');
      // oxlint-disable-next-line no-await-in-loop
      await find();
      // oxlint-disable-next-line no-await-in-loop
      await vi.waitFor(async () => expect(await redis.client.exists(key)).toBe(0), { interval: 5 });
    }
    await append();
    expect((await take())?.readings).toHaveLength(1);
  });
});

describe.skipIf(!HAS_REDIS)('what is on its way to the log', () => {
  test('is folded with what others wrote, which is then taken by who folded it, too', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    const epoch = one.epochOf(CONVERSATION)!;
    const rows = rowsUpTo(600);
    const append = async (level: RedisLevel, to: number): Promise<void> => {
      level.append(CONVERSATION, epoch, readingOf(rows.slice(to - 20, to), before(1000 + to)));
      await level.idle();
    };
    await append(one, 20);
    const { cursor } = (await one.take(CONVERSATION, { epoch, cursor: '' }))!;
    await append(other, 40);
    for (let n = 2; n < FOLD_ENTRIES; n++) await append(one, 20 * (n + 1)); // oxlint-disable-line no-await-in-loop
    const [key] = await redis.client.keys('*:{1/2}:*');
    expect(await redis.client.xlen(key!)).toBe(1);
    const taken = await one.take(CONVERSATION, { epoch, cursor });
    expect(taken?.readings.some(({ reading }) => reading.rows.at(-1)?.id === 1039)).toBe(true);
  });

  test('is folded once, although more of it comes meanwhile', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    let folds = 0;
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const run = level.link.run.bind(level.link);
    const runHeld: Link['run'] = async (exchange, send) => {
      if (exchange === 'compact') {
        folds++;
        await held;
      }
      return run(exchange, send);
    };
    Object.assign(level.link, { run: runHeld });
    const rows = rowsUpTo(20 * FOLD_ENTRIES + 60);
    for (let n = 0; n < FOLD_ENTRIES + 3; n++)
      level.append(CONVERSATION, epoch, readingOf(rows.slice(20 * n, 20 * n + 20), before(1020 + 20 * n)));
    const length = async (): Promise<number> => {
      const [key] = await redis.client.keys('*:{1/2}:*');
      return key === undefined ? 0 : redis.client.xlen(key);
    };
    await vi.waitFor(async () => expect(await length()).toBe(FOLD_ENTRIES + 3), { timeout: 5_000, interval: 5 });
    expect(folds).toBe(1);
    goOn();
    await level.idle();
    expect(await length()).toBeLessThan(FOLD_ENTRIES);
  });

  test('is folded without entries of a time to come, which are refused once', async () => {
    const { level, refused } = await levelOver(await redisOfTest());
    const epoch = level.epochOf(CONVERSATION)!;
    const rows = rowsUpTo(20 * FOLD_ENTRIES);
    for (let n = 0; n < FOLD_ENTRIES; n++) {
      const { reading, vouched } = readingOf(rows.slice(20 * n, 20 * n + 20), before(1020 + 20 * n));
      const askedAt = reading.askedAt + (n === 0 ? 60_000 : 0);
      level.append(CONVERSATION, epoch, { vouched, reading: { ...reading, askedAt } });
      await level.idle(); // oxlint-disable-line no-await-in-loop -- one after the other
    }
    expect(refused).toEqual(['undated']);
    expect((await level.take(CONVERSATION, { epoch, cursor: '' }))?.readings).toHaveLength(FOLD_ENTRIES - 1);
    expect(refused).toEqual(['undated']);
  });

  test('stays away where the clock of its server is not known', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const logs = new SharedLogs({
      link: level.link,
      prefix: 'p',
      secrets: deriveSecrets({ chatwootUrl: 'http://chatwoot', tokenOf: () => 'token', tokens: ['token'] }),
      clocks: new Clocks({ isCluster: true, onStep: () => undefined }),
      freshness: FRESHNESS,
      now: () => performance.timeOrigin + performance.now(),
      observer: SILENT,
      writer: 'w',
      times: PATIENT,
    });
    const append = async (): Promise<number> => {
      logs.append(CONVERSATION, 'epoch', readingOf(rowsUpTo(5), before(2000)));
      await logs.idle();
      return (await redis.client.keys('p:*')).length;
    };
    expect(await append()).toBe(0);
    await logs.take(CONVERSATION, { epoch: 'epoch', cursor: '' });
    expect(await append()).toBe(1);
  });

  test('is bounded, also of one conversation', async () => {
    const redis = await redisOfTest();
    const { level, written } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION)!;
    const reading = readingOf(rowsUpTo(1), before(2000));
    for (let n = 0; n < 2 * APPENDING_MAX; n++) level.append(CONVERSATION, epoch, reading);
    await level.idle();
    // And some that stand for those that were folded.
    expect(written()).toBeGreaterThan(APPENDING_MAX / 2);
    expect(written()).toBeLessThan(1.5 * APPENDING_MAX);
    level.append(CONVERSATION, epoch, reading);
    await level.idle();
  });
});

describe.skipIf(!HAS_REDIS)('where the clock of Redis', () => {
  /** A level whose own clock may be put, which is as if that of Redis were put the other way. */
  async function movable(redis: RedisServer): Promise<{ level: RedisLevel; put: (ms: number) => void }> {
    let aheadMs = 0;
    const now = (): number => performance.timeOrigin + performance.now() + aheadMs;
    const { level } = await levelOver(redis, { now });
    return { level, put: (ms) => void (aheadMs += ms) };
  }

  test('is set back, what was shared before is left by all', async () => {
    const redis = await redisOfTest();
    const [{ level, put }, { level: other }] = [await movable(redis), await levelOver(redis)];
    const epoch = other.epochOf(CONVERSATION)!;
    other.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
    await other.idle();
    put(60_000);
    if (level.epochOf(CONVERSATION) === epoch) expect(await level.take(CONVERSATION, { epoch, cursor: '' })).toBeNull();
    while ([epoch, null].includes(other.epochOf(CONVERSATION))) await setImmediate();
    while ([epoch, null].includes(level.epochOf(CONVERSATION))) await setImmediate();
    const next = { epoch: level.epochOf(CONVERSATION)!, cursor: '' };
    expect((await level.take(CONVERSATION, next))?.readings).toEqual([]);
  });

  test('is set forward, what was shared before is older than it was, never younger', async () => {
    const redis = await redisOfTest();
    const [{ level, put }, { level: other }] = [await movable(redis), await levelOver(redis)];
    const epoch = other.epochOf(CONVERSATION)!;
    const askedAt = performance.timeOrigin + performance.now();
    other.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
    await other.idle();
    put(-60_000);
    const taken = await level.take(CONVERSATION, { epoch, cursor: '' });
    expect(taken?.readings[0]?.reading.askedAt).toBeLessThan(askedAt - 59_000);
    expect(level.epochOf(CONVERSATION)).toBe(epoch);
  });
});

describe.skipIf(!HAS_REDIS)('a lease', () => {
  test('of a process that dies is another’s soon after', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [
      await levelOver(redis, { times: { ...PATIENT, leaseMs: 200 } }),
      await levelOver(redis),
    ];
    const epoch = one.epochOf(CONVERSATION)!;
    const take = (level: RedisLevel) => level.take(CONVERSATION, { epoch, cursor: '', wants: 'a page' });
    expect((await take(one))?.lease).toHaveProperty('end');
    expect((await take(other))?.lease).toBe('held');
    one.link.close();
    const startedAt = performance.now();
    while ((await take(other))?.lease === 'held') await setImmediate();
    expect(performance.now() - startedAt).toBeLessThan(200 + 850);
  });

  test('that ends is seen only with what it brought', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    const epoch = one.epochOf(CONVERSATION)!;
    const take = (level: RedisLevel) => level.take(CONVERSATION, { epoch, cursor: '', wants: 'a page' });
    const lease = (await take(one))?.lease as Lease;
    one.append(CONVERSATION, epoch, readingOf(rowsUpTo(1000), { mode: 'between', after: 1000, before: 2000, publicOnly: false }));
    lease.end();
    let next = await take(other);
    while (next?.lease === 'held') next = await take(other); // oxlint-disable-line no-await-in-loop -- waits for it
    expect([next?.readings.length, next?.lease]).toEqual([1, null]);
  });

  test('is over with its process', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    const epoch = one.epochOf(CONVERSATION)!;
    const take = (level: RedisLevel) => level.take(CONVERSATION, { epoch, cursor: '', wants: 'a page' });
    expect((await take(one))?.lease).toHaveProperty('end');
    await one.close();
    expect((await take(other))?.lease).toHaveProperty('end');
  });

  test('is one process’s at a time, lives as long as it, and is given where nothing is new', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [
      await levelOver(redis, { times: { ...PATIENT, leaseMs: 200 } }),
      await levelOver(redis),
    ];
    const epoch = one.epochOf(CONVERSATION)!;
    const take = (level: RedisLevel, cursor = '') => level.take(CONVERSATION, { epoch, cursor, wants: 'a page' });
    const taken = await take(one);
    const lease = taken?.lease;
    expect((await take(other))?.lease).toBe('held');
    await sleep(300); // Longer than it lives by itself.
    expect((await take(other))?.lease).toBe('held');
    one.append(CONVERSATION, epoch, readingOf(rowsUpTo(5), before(2000)));
    if (lease !== null && lease !== undefined && lease !== 'held') lease.end();
    await one.idle();
    const found = await take(other);
    expect([found?.readings.length, found?.lease]).toEqual([1, null]);
    let next = await take(other, found!.cursor);
    while (next?.lease === 'held') next = await take(other, found!.cursor);
    expect(next?.lease).toHaveProperty('end');
  });
});
