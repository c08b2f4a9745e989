// What one process announces holds for all, also for those that come later, and whatever becomes of what Redis holds of it.

import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Change } from '../../src/cache/changes.ts';
import type { Announcement } from '../../src/cache/shared-level.ts';
import type { RedisLevel } from '../../src/shared/level.ts';
import { Members } from '../../src/shared/members.ts';
import { UNHEARD_MAX, UNSENT_MAX } from '../../src/shared/changes.ts';
import { faultyRedis } from '../support/faulty-redis.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { PATIENT } from './house.ts';
import { CONVERSATION, levelOver, readingOf, rowsUpTo } from './level.ts';

const GONE = { kind: 'gone', conversation: CONVERSATION } as const;
const QUERY = { mode: 'before', before: 2000, publicOnly: false } as const;

async function keyOf(redis: RedisServer, name: string): Promise<string> {
  const [key = ''] = await redis.client.keys(`*:${name}`);
  return key;
}

/** From now on nobody hears of changes, the reads under way included. */
async function deafen({ client }: RedisServer): Promise<void> {
  await client.acl('SETUSER', 'default', '-xread');
  for (const [, id = ''] of String(await client.client('LIST')).matchAll(/^id=(\d+) .*\bcmd=xread\b/gm))
    await client.client('UNBLOCK', id); // oxlint-disable-line no-await-in-loop -- one after the other
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
    way.heal();
    const next = { epoch: await epochOf(other), cursor: '' };
    expect((await other.take(CONVERSATION, next))?.readings).toEqual([]);
  });
});

describe.skipIf(!HAS_REDIS)('what one announces', () => {
  const { conversation } = GONE;
  const CHANGES: readonly Change[] = [
    { kind: 'tail', conversation },
    { kind: 'tail', conversation, seenId: 7 },
    { kind: 'row', conversation, id: 7 },
    { kind: 'envelope', conversation },
    { kind: 'written', conversation },
    GONE,
    { kind: 'contact', accountId: 1, contactId: 3 },
    { kind: 'contact-gone', accountId: 1, contactId: 3 },
    { kind: 'envelopes', accountId: 1 },
  ];

  test('is heard by the others as it was said', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { told }] = [await levelOver(redis), await levelOver(redis)];
    told.length = 0;
    for (const change of CHANGES) await one.announce(change); // oxlint-disable-line no-await-in-loop -- in this order
    await heard(one, 2);
    expect(told.slice(0, -1)).toEqual(CHANGES.map((change) => ['hear', change]));
  });

  test('has what it concerns go on under another name, and nothing else, for all, and for who comes later', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    const all = [CONVERSATION, { accountId: 1, conversationId: 3 }, { accountId: 2, conversationId: 2 }];
    const namesIn = (level: RedisLevel): readonly (string | null)[] => all.map((each) => level.epochOf(each));
    const steps: readonly (readonly [Announcement, ...boolean[]])[] = [
      [GONE, true, false, false],
      [{ kind: 'purge', extent: CONVERSATION }, true, false, false],
      [{ kind: 'purge', extent: { accountId: 1 } }, true, true, false],
      [{ kind: 'contact-gone', accountId: 1, contactId: 3 }, true, true, false],
      [{ kind: 'written', conversation }, false, false, false],
      [{ kind: 'purge', extent: {} }, true, true, true],
      [{ kind: 'purge', extent: all[2]! }, false, false, true],
    ];
    for (const [announcement, ...moved] of steps) {
      const before = namesIn(one);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await one.announce(announcement, { waits: 'long' });
      const after = namesIn(one);
      expect(after.map((name, at) => name !== before[at])).toEqual(moved);
      expect(after).not.toContain(null);
      expect(namesIn(other)).toEqual(after);
    }
    expect(namesIn((await levelOver(redis)).level)).toEqual(namesIn(one));
  });

  test('is in force for itself from that moment on', async () => {
    const { level } = await levelOver(await redisOfTest());
    const elsewhere = { accountId: 1, conversationId: 3 };
    const before = level.epochOf(elsewhere);
    const announced = level.announce({ kind: 'purge', extent: CONVERSATION }, { waits: 'long' });
    expect([level.epochOf(CONVERSATION), level.epochOf(elsewhere)]).toEqual([null, before]);
    expect(await announced).toEqual({ processes: 1, reached: 1 });
    expect(level.epochOf(CONVERSATION)).not.toBeNull();
  });

  test('is sent when it can be; what is too much for that has all forget everything, once', async () => {
    const redis = await redisOfTest();
    const way = await faultyRedis(redis.port);
    onTestFinished(() => way.close());
    const [{ level: one }, { told }] = [await levelOver(way), await levelOver(redis)];
    told.length = 0;
    way.fail(1, 'oom', true);
    const ids = Array.from({ length: UNSENT_MAX + 1 }, (_, id) => id);
    await Promise.all(ids.map((id) => one.announce({ kind: 'purge', extent: { accountId: 1, conversationId: id } })));
    expect(one.epochOf({ accountId: 2, conversationId: 1 })).toBeNull();
    expect(told).toEqual([]);
    way.heal();
    while (one.unheard > 0) await setImmediate();
    await heard(one, 2);
    expect(told.slice(0, -1)).toEqual([['forget', {}, undefined]]);
  });

  test('as gone, unknown to it, is taken for known where Redis cannot say', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const epoch = level.epochOf(CONVERSATION);
    await redis.client.acl('SETUSER', 'default', '-unlink');
    await level.announce(GONE, { isKnown: false });
    while ([epoch, null].includes(level.epochOf(CONVERSATION))) await setImmediate();
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
      // What it knew before it came, nobody could tell it of.
      expect(told[0]).toEqual(['forget', {}, undefined]);
      expect(told.filter(([what]) => what === 'lose')).toHaveLength(lost === 'none of them' ? 0 : 1);
      expect(told.filter(([what]) => what === 'hear')).toHaveLength(kept);
    },
  );

  test.each([
    ['changes were lost at the end', { n: 1 }],
    ['it is another', { all: 'another' }],
  ])('has a process begin anew where %s', async (_what, { n = 0, all }: { readonly n?: number; readonly all?: string }) => {
    const redis = await redisOfTest();
    const { level, told, cutOffs } = await levelOver(redis);
    const epochs = await keyOf(redis, 'epochs');
    told.length = 0;
    if (all !== undefined) await redis.client.hset(epochs, { all });
    await redis.client.hincrby(epochs, 'n', n);
    while (told.length === 0) await setImmediate();
    await level.isSharing();
    expect(cutOffs()).toBe(1);
    expect(told.filter(([what]) => what === 'forget')).toEqual([
      ['forget', {}, undefined],
      ['forget', {}, undefined],
    ]);
  });

  test('has a process forget at once where something is missing, although it cannot begin anew', async () => {
    const redis = await redisOfTest();
    const { level, told } = await levelOver(redis);
    await redis.client.acl('SETUSER', 'default', '-xrevrange');
    told.length = 0;
    await redis.client.hincrby(await keyOf(redis, 'epochs'), 'n', 1);
    while (told.length === 0) await setImmediate();
    expect([told, level.epochOf(CONVERSATION)]).toEqual([[['forget', {}, undefined]], null]);
  });

  test('has a process begin anew where one is missing among them', async () => {
    const redis = await redisOfTest();
    const { level, told, cutOffs } = await levelOver(redis);
    await level.announce({ kind: 'written', conversation: CONVERSATION });
    await heard(level, 1);
    const [stream, epochs] = [await keyOf(redis, 'stream'), await keyOf(redis, 'epochs')];
    const [[, change]] = (await redis.client.xrangeBuffer(stream, '-', '+')) as [[Buffer, Buffer[]]];
    const number = Number(await redis.client.hget(epochs, 'n'));
    told.length = 0;
    const [, , ...rest] = change;
    await redis.client
      .multi()
      .hset(epochs, { n: number + 2 })
      .xadd(stream, '*', 'n', number + 2, ...rest.map((part, at) => (rest[at - 1]?.toString() === 'w' ? 'another' : part)))
      .exec();
    while (told.length === 0) await setImmediate();
    expect([told[0], cutOffs()]).toEqual([['forget', {}, undefined], 1]);
  });

  test('has a process forget everything where it cannot be read, and go on', async () => {
    const redis = await redisOfTest();
    const { level, told, refused, cutOffs } = await levelOver(redis);
    const epochs = await keyOf(redis, 'epochs');
    const { n = '', all = '' } = await redis.client.hgetall(epochs);
    told.length = 0;
    const number = Number(n) + 1;
    await redis.client
      .multi()
      .hset(epochs, { n: number })
      .xadd(epochs.replace(/epochs$/, 'stream'), '*', 'n', number, 'w', 'another', 'e', 'rubbish', 'f', '', 'a', all)
      .exec();
    while (told.length === 0) await setImmediate();
    expect(told).toEqual([['forget', {}, undefined]]);
    expect([refused, cutOffs()]).toEqual([['sealed'], 0]);
    await heard(level, 1);
  });

  test('names nobody who has ended', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { level: other }] = [await levelOver(redis), await levelOver(redis)];
    await heard(one, 2);
    await other.close();
    expect(await redis.client.hlen(await keyOf(redis, 'members'))).toBe(1);
  });

  test('names those that are there, and forgets those that are not', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const members = await keyOf(redis, 'members');
    await redis.client.hset(
      members,
      Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`left-${at}`, `${at} 1700000000`])),
    );
    const now = Number((await redis.client.time())[0]);
    await redis.client.hset(members, { rubbish: 'rubbish', ahead: '9 4000000000', late: `9 ${now - 5}` });
    await heard(level, 1);
    expect(await redis.client.hlen(members)).toBe(1);
  });

  test('is waited for by who announces it, until it has heard of it itself', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis);
    const members = new Members({ link: level.link, key: 'members', writer: 'one', keptMs: 60_000 });
    const now = Number((await redis.client.time())[0]);
    await redis.client.hset('members', { other: `9 ${now}` });
    const startedAt = performance.now();
    expect(await members.reach(9, startedAt + 40)).toEqual({ processes: 1, reached: 1 });
    expect(performance.now() - startedAt).toBeGreaterThan(40);
    await members.tell(9);
    expect(await members.reach(9, Infinity)).toEqual({ processes: 2, reached: 2 });
  });

  test('reaches who finds that ids do not rise, with what vouches no more', async () => {
    const redis = await redisOfTest();
    const [{ level: one }, { told }] = [await levelOver(redis), await levelOver(redis)];
    await one.announce({ kind: 'purge', extent: {}, marksFrom: 1_700_000_000 }, { waits: 'long' });
    expect(told.at(-1)).toEqual(['forget', {}, 1_700_000_000]);
  });
});

describe.skipIf(!HAS_REDIS)('what is shared is not looked at', () => {
  test('by a process that has not heard of changes for some time, though Redis answers', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis, { times: { ...PATIENT, deafMs: 500 } });
    await deafen(redis);
    while (level.epochOf(CONVERSATION) !== null) await setImmediate();
    expect(level.link.isUp).toBe(true);
  });

  test('while Redis fails: no caller is to find out whether it still does', async () => {
    const redis = await redisOfTest();
    const { level } = await levelOver(redis, { times: { ...PATIENT, timeoutMs: 60 } });
    const epoch = level.epochOf(CONVERSATION)!;
    redis.signal('SIGSTOP');
    expect(await level.take(CONVERSATION, { epoch, cursor: '' })).toBeNull();
    expect(level.epochOf(CONVERSATION)).toBeNull();
    redis.signal('SIGCONT');
  });
});

test.skipIf(!HAS_REDIS)('a process that may not listen keeps few of its own announcements, and shares nothing', async () => {
  const redis = await redisOfTest();
  const { level } = await levelOver(redis);
  await deafen(redis);
  for (let id = 0; id < UNHEARD_MAX + 50; id++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await level.announce({ kind: 'purge', extent: { accountId: 1, conversationId: id } });
  }
  expect(level.unheard).toBeLessThanOrEqual(UNHEARD_MAX);
  expect(level.epochOf(CONVERSATION)).toBeNull();
  await redis.client.acl('SETUSER', 'default', '+xread');
  await level.isSharing();
});

test.skipIf(!HAS_REDIS)('a process that begins anew waits for no announcement of its own that was lost', async () => {
  const redis = await redisOfTest();
  const { level } = await levelOver(redis);
  await deafen(redis);
  await level.announce({ kind: 'purge', extent: CONVERSATION });
  await redis.client.del(await keyOf(redis, 'stream'));
  expect([level.unheard, level.epochOf(CONVERSATION)]).toEqual([1, null]);
  await redis.client.acl('SETUSER', 'default', '+xread');
  while (level.epochOf(CONVERSATION) === null) await setImmediate();
  expect(level.unheard).toBe(0);
});
