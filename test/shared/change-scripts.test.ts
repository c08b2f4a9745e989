// What Redis does for changes in one step: numbers without a gap, within bounds, for a time.

import { describe, expect, test } from 'vitest';
import { ANNOUNCE, BEAT, JOIN, MEMBERS, PRESENT } from '../../src/shared/change-scripts.ts';
import type { Script } from '../../src/shared/link.ts';
import { listOf, pairsOf } from '../../src/shared/replies.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';

const CHANGES_MAX = 100;
const FIELDS_MAX = 8;
const KEPT_MS = 60_000;

interface House {
  readonly redis: RedisServer;
  readonly run: (script: Script, keys: readonly string[], args: readonly (string | number)[]) => Promise<unknown>;
  /** @returns its number */
  readonly announce: (field?: string) => Promise<number>;
  readonly epochs: () => Promise<Readonly<Record<string, string>>>;
  /** @returns the fields that one who joins is told, and the id of the last change there is */
  readonly join: () => Promise<{ readonly fields: ReadonlyMap<string, string>; readonly last: string }>;
}

async function house(): Promise<House> {
  const redis = await redisOfTest();
  let epoch = 0;
  const run: House['run'] = (script, keys, args) => script.run(redis.client, keys, args);
  return {
    redis,
    run,
    announce: async (field = '') => {
      const args = ['sealed', 'w', field, `epoch-${++epoch}`, CHANGES_MAX, FIELDS_MAX, KEPT_MS];
      return Number(await run(ANNOUNCE, ['epochs', 'stream'], args));
    },
    epochs: () => redis.client.hgetall('epochs'),
    join: async () => {
      const [, , , fields, last] = listOf(await run(JOIN, ['epochs', 'stream'], [`epoch-${++epoch}`, KEPT_MS]));
      return { fields: pairsOf(fields), last: String(last) };
    },
  };
}

describe.skipIf(!HAS_REDIS)('changes', () => {
  test('are numbered one by one, and what has a new epoch has the number of its change', async () => {
    const { announce, epochs } = await house();
    const first = await announce('1/2');
    expect([await announce(), await announce('1/3'), await announce('1')]).toEqual([first + 1, first + 2, first + 3]);
    const { '1/2': one, '1/3': other, 1: account, n, all } = await epochs();
    expect([one, other, account, n].map(Number)).toEqual([first, first + 2, first + 3, first + 3]);
    expect(all).toBe('epoch-1');
  });

  test('that have all forgotten leave one epoch of all, before which no change can have been lost', async () => {
    const { announce, epochs, join } = await house();
    await announce('1/2');
    const number = await announce('all');
    expect(await epochs()).toEqual({ all: 'epoch-2', n: String(number), from: String(number) });
    expect((await join()).fields.get('from')).toBe(String(number));
  });

  test('have all forgotten where there would be too many epochs', async () => {
    const { announce, epochs } = await house();
    // Beside them are three others.
    for (let id = 1; id <= FIELDS_MAX - 3; id++) await announce(`1/${id}`); // oxlint-disable-line no-await-in-loop
    expect((await epochs())['all']).toBe('epoch-1');
    const number = await announce('1/100');
    expect(await epochs()).toMatchObject({ n: String(number), from: String(number), all: expect.not.stringMatching('epoch-1$') });
    expect(Object.keys(await epochs())).toHaveLength(3);
  });

  test('stay within the bound of their stream, the newest of them', async () => {
    const { redis, announce, join } = await house();
    let number = 0;
    for (let n = 0; n < 5 * CHANGES_MAX; n++) number = await announce(); // oxlint-disable-line no-await-in-loop
    // Redis drops a node of its list at once.
    expect(await redis.client.xlen('stream')).toBeLessThanOrEqual(2 * CHANGES_MAX);
    const [[id, fields]] = (await redis.client.xrevrange('stream', '+', '-', 'COUNT', 1)) as [[string, string[]]];
    expect([fields[1], (await join()).last]).toEqual([String(number), id]);
  });

  test('are kept for a time after the last of them, or the last look', async () => {
    const { redis, run, announce, join } = await house();
    const kept = async (): Promise<readonly boolean[]> => {
      const left = await Promise.all(['epochs', 'stream'].map((key) => redis.client.pttl(key)));
      await Promise.all(['epochs', 'stream'].map((key) => redis.client.pexpire(key, 1_000)));
      return left.map((ms) => ms > KEPT_MS / 2);
    };
    await join();
    expect(await kept()).toEqual([true, false]);
    await announce('1/2');
    expect(await kept()).toEqual([true, true]);
    await run(BEAT, ['epochs', 'stream'], [KEPT_MS]);
    expect(await kept()).toEqual([true, true]);
  });
});

describe.skipIf(!HAS_REDIS)('members', () => {
  test('are those that were there within the last seconds, for a time', async () => {
    const { redis, run } = await house();
    const now = Number((await redis.client.time())[0]);
    await run(PRESENT, ['members'], ['here', 7, KEPT_MS]);
    expect(await redis.client.pttl('members')).toBeGreaterThan(KEPT_MS / 2);
    await redis.client.hset('members', { 'just left': `8 ${now - 8}`, 'of a clock ahead': `9 ${now + 20}` });
    const present = pairsOf(await run(MEMBERS, ['members'], [3]));
    expect([...present.keys()]).toEqual(['here']);
    expect(Number.parseInt(present.get('here')!, 10)).toBe(7);
    expect(await redis.client.hkeys('members')).toEqual(['here']);
  });
});
