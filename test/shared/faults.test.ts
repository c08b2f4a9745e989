// Whatever Redis does, answers are right and come in time, and when it is well again what is known is shared again. Here three faults, each at
// one place; test/long-faults/redis.test.ts has the others, and moves each through all commands.

import { describe, expect, test } from 'vitest';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { PATIENT, sampleChatwoot } from './house.ts';
import { expectSharing, faultHouse, walkThrough, withFault } from './redis-fault.ts';

describe.skipIf(!HAS_REDIS)('with a fault on the way to Redis', () => {
  test.each([
    ['readonly', 3],
    ['garbage', 2],
    ['cut', 5],
  ] as const)('%s', async (fault, nth) => {
    const house = await faultHouse(await sampleChatwoot(), await redisOfTest());
    await withFault(house, nth, fault, true);
  });

  test('that starts again empty: one line when it is lost, one when it is back', async () => {
    const redis = await redisOfTest();
    const house = await faultHouse(await sampleChatwoot(), redis, PATIENT);
    await redis.kill();
    await walkThrough(house);
    await redis.restart();
    await expectSharing(house);
    const told = house.other.logs.filter((line) => line.includes('Redis can'));
    expect(told.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'Redis cannot be used: this process goes on alone',
      'Redis can be used again',
    ]);
  });
});
