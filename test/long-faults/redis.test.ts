// Whatever Redis does, answers are right and come in time, and when it is well again what is known is shared again.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { REDIS_FAULTS, type RedisFault } from '../support/faulty-redis.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { sampleChatwoot } from '../shared/house.ts';
import { expectSharing, faultHouse, walkThrough, withFault } from '../shared/redis-fault.ts';

/** More than the commands that the scenario sends. */
const COMMANDS = 40;

/** Most of the time is spent waiting until Redis is tried again, so these run beside each other. */
const TOGETHER = 3;

describe.skipIf(!HAS_REDIS)('with a fault that moves through the commands to Redis', () => {
  const groups = Array.from({ length: REDIS_FAULTS.length / TOGETHER }, (_, at) =>
    REDIS_FAULTS.slice(at * TOGETHER, (at + 1) * TOGETHER),
  );
  const ways = groups.flatMap((faults) => [
    [faults.join(', '), 'once', faults, false] as const,
    [faults.join(', '), 'for good', faults, true] as const,
  ]);
  test('that is one of all', () => expect(groups.flat()).toEqual(REDIS_FAULTS));

  test.each(ways)('%s: %s', async (_names, _often, faults, forGood) => {
    const moveThrough = async (fault: RedisFault): Promise<void> => {
      const house = await faultHouse(await sampleChatwoot(), await redisOfTest());
      for (let nth = 1; nth <= COMMANDS; nth++) await withFault(house, nth, fault, forGood);
    };
    await Promise.all(faults.map(moveThrough));
  });
});

describe.skipIf(!HAS_REDIS)('with a Redis', () => {
  test('that stands still, and goes on', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    redis.signal('SIGSTOP');
    await walkThrough(house);
    redis.signal('SIGCONT');
    await expectSharing(house);
  });

  test('that stands still again and again under load', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    const over = new AbortController();
    let walks = 0;
    const walking = Array.from({ length: 3 }, async () => {
      while (!over.signal.aborted) {
        await walkThrough(house);
        walks++;
      }
    });
    for (let n = 0; n < 5; n++) {
      redis.signal('SIGSTOP');
      await sleep(1000);
      redis.signal('SIGCONT');
      await sleep(1000);
    }
    over.abort();
    await Promise.all(walking);
    expect(walks).toBeGreaterThan(10);
    await expectSharing(house);
  });

  test('that is killed under load, and starts again empty', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    const over = new AbortController();
    const walking = (async () => {
      while (!over.signal.aborted) await walkThrough(house);
    })();
    for (let n = 0; n < 3; n++) {
      await redis.kill();
      await sleep(500);
      await redis.restart();
      await sleep(1000);
    }
    over.abort();
    await walking;
    await expectSharing(house);
  });

  test('that is killed, and starts again empty', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    await walkThrough(house);
    await redis.kill();
    await walkThrough(house);
    await redis.restart();
    await expectSharing(house);
  });

  test('that is emptied', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    await walkThrough(house);
    await redis.client.flushall();
    await walkThrough(house);
    await sleep(500); // Until it is heard of.
    await expectSharing(house);
  });

  test.each(['allkeys-lru', 'noeviction'])('that is full, with %s', async (policy) => {
    const redis = await redisOfTest('--maxmemory-policy', policy);
    const house = await faultHouse(await sampleChatwoot(), redis);
    await walkThrough(house);
    await redis.client.config('SET', 'maxmemory', '1mb');
    for (let n = 0; n < 500; n++) redis.client.set(`other:${n}`, 'x'.repeat(2000)).catch(() => undefined);
    await walkThrough(house);
    await redis.client.config('SET', 'maxmemory', '100mb');
    await redis.client.flushall();
    await sleep(500);
    await expectSharing(house);
  });

  test('in which rubbish is where the program looks', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis);
    await walkThrough(house);
    const keys = await redis.client.keys('*');
    expect(keys.length).toBeGreaterThan(3);
    for (const [at, key] of keys.entries()) {
      // In one step: the program may write a key of its own type as soon as it is gone.
      const inPlace = redis.client.multi().del(key);
      if (at % 2 === 0) inPlace.set(key, 'rubbish');
      else inPlace.xadd(key, '*', 'e', 'rubbish', 'n', '99', 'w', 'x', 't', 'NaN');
      for (const [refused] of (await inPlace.exec()) ?? []) expect(refused).toBeNull();
    }
    await walkThrough(house);
    await sleep(1000);
    await expectSharing(house);
  });
});
