// What a user of Redis for this program must be allowed is what docs/more-than-one-machine.md lists, and no more.

import { describe, expect, test, vi } from 'vitest';
import type { Query } from '../../src/timeline/query.ts';
import { codeBlocks, textOf } from '../documents/markdown.ts';
import { messagesOf } from '../support/backscroll.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { ADMIN_KEY, levelOf, sampleChatwoot, settled, sharing } from './house.ts';

const USER = codeBlocks(textOf('docs/more-than-one-machine.md'))
  .map(({ text }) => /^user backscroll (.*)$/m.exec(text)?.[1])
  .find((rules) => rules !== undefined)!
  .split(' ');
const LISTED = USER.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1));

/** What has been called since the last time, scripts included. */
async function calledOf({ client }: RedisServer): Promise<readonly string[]> {
  return [...(await client.info('commandstats')).matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = '']) => name);
}

describe.skipIf(!HAS_REDIS)('the commands that the documents list', () => {
  test('are enough, and all of them are needed', async () => {
    const redis = await redisOfTest();
    await redis.client.call('ACL', 'SETUSER', 'backscroll', ...USER);
    const chatwoot = await sampleChatwoot();
    const own = { url: redis.url.replace('redis://', 'redis://backscroll:password@') + '/1' };
    await redis.client.select(1);
    await redis.client.config('RESETSTAT');
    const one = await sharing(chatwoot, own);
    const other = await sharing(chatwoot, own);

    // Read by the one, a hit of the other, forgotten by both.
    const { payload } = (await one.get(messagesOf(1))).json() as { payload: { id: number }[] };
    const page = messagesOf(1, `?before=${payload[0]!.id}`);
    await one.get(page);
    await settled(one);
    expect((await other.get(page)).headers['cache-status']).toMatch(/detail=shared$/);
    const purge = {
      method: 'DELETE',
      target: '/admin/cache?account=1&conversation=1',
      headers: [['authorization', `Bearer ${ADMIN_KEY}`] as const],
    };
    expect((await one.send(purge)).json()).toMatchObject({ processes: 2, reached: 2 });
    await settled(one, other);

    // A log that grows until it is folded.
    const conversation = { accountId: 1, conversationId: 2 };
    const query: Query = { mode: 'before', before: 1, publicOnly: false };
    const envelope = { head: '{"payload":[', tail: ']}' };
    const level = levelOf(one);
    for (let n = 0; n < 30; n++) {
      const askedAt = performance.timeOrigin + performance.now();
      level.append(conversation, level.epochOf(conversation)!, { vouched: 0, reading: { query, rows: [], envelope, askedAt } });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await level.idle();
    }

    // Rubbish in the place of changes, which is cleared away.
    const [stream] = await redis.client.keys('*:stream');
    await redis.client.set(stream!, 'rubbish');
    await vi.waitFor(async () => expect(await redis.client.type(stream!)).not.toBe('string'), { timeout: 5_000, interval: 50 });
    await level.isSharing();
    await other.close();

    // Anybody may say who it is.
    const mine = new Set(['config|resetstat', 'keys', 'type', 'auth']);
    const called = await calledOf(redis);
    expect(called.filter((name) => !mine.has(name)).toSorted()).toEqual(LISTED.toSorted());
    expect(await redis.client.call('ACL', 'LOG')).toEqual([]);
  });
});
