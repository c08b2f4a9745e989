// What a caller writes through one process, it finds in any, also where another hears late; and it waits no longer for that than it may.

import { describe, expect, onTestFinished, test } from 'vitest';
import { messagesOf, type Backscroll } from '../support/backscroll.ts';
import { JSON_TYPE, OWN } from '../pass-through/house.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { faultyRedis } from '../support/faulty-redis.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { sampleChatwoot, settled, sharing } from './house.ts';

const PASSING = { PASS_THROUGH: 'own-token' };

/** A sample Chatwoot with the one that writes. */
async function withAdministrator(): Promise<FakeChatwoot> {
  const chatwoot = await sampleChatwoot();
  const user = { id: 8, name: 'Ivy Admin', email: 'ivy@example.test', pubsubToken: 'pubsub-8' };
  chatwoot.directory.join(user, 1, { role: 'administrator' });
  chatwoot.directory.addToken(OWN, user);
  return chatwoot;
}

async function write(process: Backscroll, content: string): Promise<number> {
  const answer = await process.send({
    target: messagesOf(2),
    method: 'POST',
    headers: [['api_access_token', OWN], JSON_TYPE],
    body: JSON.stringify({ content }),
  });
  return (answer.json() as { id: number }).id;
}

async function newest(process: Backscroll): Promise<number> {
  const { payload } = (await process.get(messagesOf(2))).json() as { payload: { id: number }[] };
  return payload.at(-1)!.id;
}

describe.skipIf(!HAS_REDIS)('what a caller has written through one process', () => {
  test('is on the next page of any other, known there or only in Redis', async () => {
    const redis = await redisOfTest();
    const chatwoot = await withAdministrator();
    const way = await faultyRedis(redis.port);
    onTestFinished(() => way.close());
    const options = { ownTokens: [OWN] };
    const [one, other] = [await sharing(chatwoot, redis, PASSING, options), await sharing(chatwoot, way, PASSING, options)];
    way.slow(20);
    for (let n = 0; n < 5; n++) {
      await newest(other);
      const id = await write(one, `message ${n}`);
      expect(await newest(other)).toBe(id);
    }
    // What is known of it there goes; what Redis has of it is from before it was written.
    await settled(one, other);
    other.app.readThrough.purge({});
    const id = await write(one, 'the last one');
    expect(await newest(other)).toBe(id);
  });

  test('is answered soon where the others cannot be told', async () => {
    const redis = await redisOfTest();
    const chatwoot = await withAdministrator();
    const one = await sharing(chatwoot, redis, PASSING, { ownTokens: [OWN], sharedTimes: undefined });
    await sharing(chatwoot, redis, PASSING, { ownTokens: [OWN] });
    await newest(one);
    redis.signal('SIGSTOP');
    const startedAt = performance.now();
    const id = await write(one, 'nobody hears of it');
    const tookMs = performance.now() - startedAt;
    redis.signal('SIGCONT');
    // Machines that tests run on are late.
    expect(tookMs).toBeLessThan(150 + 850);
    expect(await newest(one)).toBe(id);
  });
});
