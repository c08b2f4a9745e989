// Two processes over one Redis know what either knows.

import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { messagesOf, readsOf, type Backscroll, type Received } from '../support/backscroll.ts';
import { faultyRedis } from '../support/faulty-redis.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { ADMIN_KEY, levelOf, sampleChatwoot, settled, sharing } from './house.ts';

/** The page before the newest one of conversation 1. */
async function historyPage(backscroll: Backscroll): Promise<string> {
  const { payload } = (await backscroll.get(messagesOf(1))).json() as { payload: { id: number }[] };
  return messagesOf(1, `?before=${payload[0]!.id}`);
}

describe.skipIf(!HAS_REDIS)('two processes over one Redis', () => {
  test('what one has read is a hit in the other, without a call to Chatwoot', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const page = await historyPage(one);
    const first = await one.get(page);
    await settled(one);
    const reads = readsOf(chatwoot).length;

    const second = await other.get(page);
    expect(second.headers['cache-status']).toMatch(/^backscroll; hit; ttl=-?\d+; detail=shared$/);
    expect(second.body.equals(first.body)).toBe(true);
    expect((await other.get(messagesOf(1))).headers['cache-status']).toMatch(/^backscroll; hit; ttl=\d+$/);
    expect(readsOf(chatwoot)).toHaveLength(reads);
    expect(await other.metrics()).toContain('backscroll_shared_hits_total 1\n');
  });

  test('tell in numbers what they share', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const numbersOf = async (process: Backscroll): Promise<Readonly<Record<string, number>>> => {
      const lines = (await process.metrics()).matchAll(/^backscroll_shared_(\S+) (\S+)$/gm);
      return Object.fromEntries([...lines].map(([, name = '', value]) => [name, Number(value)]));
    };
    await one.get(messagesOf(1));
    await settled(one);
    await other.get(messagesOf(1));
    const announcedAt = performance.now();
    await heard(one, other);
    const lagMsMax = performance.now() - announcedAt;
    const [written, read] = [await numbersOf(one), await numbersOf(other)];
    expect(written).toMatchObject({
      up: 1,
      processes: 2,
      'leases_total{event="taken"}': 1,
      'leases_total{event="held"}': 0,
      'exchanges_total{exchange="append",end="ok"}': 1,
      hits_total: 0,
      cut_off_total: 0,
    });
    expect(read).toMatchObject({
      up: 1,
      processes: 2,
      'leases_total{event="taken"}': 0,
      'bytes_total{direction="in"}': written['bytes_total{direction="out"}'],
      'readings_total{outcome="learnt"}': 1,
      hits_total: 1,
    });
    expect(written['bytes_total{direction="out"}']).toBeGreaterThan(100);
    expect(read['change_lag_seconds_count']).toBe(1);
    expect(read['change_lag_seconds_sum']).toBeLessThanOrEqual(lagMsMax / 1000);
    expect(read['duration_seconds_count']).toBeGreaterThan(3);

    const [key = ''] = await redis.client.keys('*:{1/1}:*');
    await redis.client.xadd(key, '*', 'e', 'rubbish');
    expect(
      (await levelOf(other).take({ accountId: 1, conversationId: 1 }, { epoch: key.slice(key.lastIndexOf(':') + 1), cursor: '' }))
        ?.readings,
    ).toHaveLength(1);
    await redis.client.hincrby((await redis.client.keys('*:epochs'))[0]!, 'n', 1);
    while ((await numbersOf(other))['cut_off_total'] === 0) await setImmediate();
    expect(await numbersOf(other)).toMatchObject({ 'refused_entries_total{reason="sealed"}': 1, cut_off_total: 1 });
    await redis.kill();
    while ((await numbersOf(other))['up'] === 1) await setImmediate();
  });

  test('200 equal cold requests over both cause one read of Chatwoot', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const page = messagesOf(1, `?before=${chatwoot.table.rows(1, 1).at(-30)!.id}`);
    const asked = Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? one : other).get(page));
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(readsOf(chatwoot).filter((read) => read === page)).toHaveLength(1);
  });

  test('a purge through one is in force in the other before it is answered', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const page = await historyPage(other);
    await other.get(page);
    await settled(one, other);
    expect((await other.get(page)).headers['cache-status']).toMatch(/^backscroll; hit/);

    const purged = await purge(one, '?account=1&conversation=1');
    expect(purged.json()).toEqual({ purged: 0, processes: 2, reached: 2 });
    const reads = readsOf(chatwoot).length;
    expect((await other.get(page)).headers['cache-status']).toMatch(/^backscroll; fwd=miss/);
    expect((await one.get(page)).headers['cache-status']).toMatch(/^backscroll; hit.*detail=shared$/);
    expect(readsOf(chatwoot).length).toBeGreaterThan(reads);
  });

  test('what was being read elsewhere when something was purged is known to nobody', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const page = messagesOf(2);
    const gate = chatwoot.hold('after-read');
    const early = other.get(page);
    await gate.arrived;
    await purge(one, '?account=1&conversation=2');
    gate.release();
    expect((await early).headers['cache-status']).toBe('backscroll; fwd=miss');
    await settled(one, other);
    for (const process of [one, other]) expect(process.app.readThrough.size.conversations).toBe(0);
    const reads = readsOf(chatwoot).length;
    await one.get(page);
    expect(readsOf(chatwoot)).toHaveLength(reads + 1);
  });

  test('what was appended under what has been purged since is found by nobody', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    const conversation = { accountId: 1, conversationId: 2 };
    const epoch = levelOf(one).epochOf(conversation)!;
    await purge(other, '');
    const reading = {
      query: { mode: 'latest' as const, publicOnly: false },
      rows: [],
      envelope: { head: '{"payload":[', tail: ']}' },
      askedAt: Date.now(),
    };
    levelOf(one).append(conversation, epoch, { reading, vouched: 0 });
    await settled(one);
    expect(await redis.client.keys('*:{1/2}:*')).toHaveLength(1);
    const next = levelOf(one).epochOf(conversation)!;
    expect(next).not.toBe(epoch);
    expect(await levelOf(other).take(conversation, { epoch: next, cursor: '' })).toMatchObject({ readings: [] });
    expect((await levelOf(other).take(conversation, { epoch, cursor: '' }))?.readings).toHaveLength(1);
  });

  test('a conversation that has gone for one is forgotten by all', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
    await one.get(messagesOf(2));
    await settled(one);
    expect((await other.get(messagesOf(2))).headers['cache-status']).toContain('hit');
    chatwoot.table.removeConversation(1, 2);
    expect((await one.get(messagesOf(2), { 'cache-control': 'no-cache' })).status).toBe(404);
    await heard(one, other);
    expect((await other.get(messagesOf(2))).status).toBe(404);
    expect(await redis.client.keys('*:{1/2}:*')).toEqual([]);
  });

  test('what one hears of by a webhook is due in all, known there or not', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const secret = 'a-secret-of-24-characters';
    const env = { FEED: 'webhook', WEBHOOK_SECRETS: JSON.stringify({ 1: secret }) };
    const [one, other] = [await sharing(chatwoot, redis, env), await sharing(chatwoot, redis)];
    for (const isKnown of [true, false]) {
      if (isKnown) await other.get(messagesOf(2));
      else await one.get(messagesOf(3));
      await settled(one, other);
      const id = isKnown ? 2 : 3;
      const row = chatwoot.table.insert({ accountId: 1, conversationId: id, content: 'it came just now' });
      const body = JSON.stringify({ event: 'message_created', id: row.id, conversation: { id } });
      const headers = [['content-type', 'application/json']] as const;
      const sent = await one.send({ method: 'POST', target: `/feed/webhooks/1/${secret}`, headers, body });
      expect(sent.status).toBe(204);
      await heard(one, other);
      expect((await other.get(messagesOf(id))).body.toString()).toContain(row.json);
    }
  });

  test('a walk of 1,000 rows outlives a restart of every process', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const conversation = 6;
    for (let n = 0; n < 1_000; n++) {
      const createdAtUs = (Date.now() - 3_600_000) * 1000 + n * 1_000_000;
      chatwoot.table.insert({ accountId: 1, conversationId: conversation, content: `message ${n}`, createdAtUs });
    }
    const first = await sharing(chatwoot, redis);
    const walk = async (process: Backscroll): Promise<number> => {
      let rows = 0;
      for (let page = messagesOf(conversation); ;) {
        const { payload } = (await process.get(page)).json() as { payload: { id: number }[] };
        rows += payload.length;
        if (payload.length < 20) return rows;
        page = messagesOf(conversation, `?before=${payload[0]!.id}`);
      }
    };
    const rows = await walk(first);
    expect(rows).toBe(1_000);
    await settled(first);
    await first.close();
    const reads = readsOf(chatwoot).length;
    expect(await walk(await sharing(chatwoot, redis))).toBe(rows);
    expect(readsOf(chatwoot).length - reads).toBeLessThanOrEqual(2);
  });

  test('need no more than the documents say', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const page = await readFile('docs/more-than-one-machine.md', 'utf8');
    const rules = /^user backscroll on >password (.*)$/m.exec(page)![1]!.split(' ');
    await redis.client.acl('SETUSER', 'backscroll', 'on', '>password', ...rules);
    const url = redis.url.replace('//', '//backscroll:password@');
    const [one, other] = [await sharing(chatwoot, { url }), await sharing(chatwoot, { url })];
    for (const row of chatwoot.table.rows(1, 1).slice(-30)) await one.get(messagesOf(1, `?before=${row.id}`));
    await settled(one);
    expect((await other.get(messagesOf(1))).headers['cache-status']).toContain('hit');
    await one.app.readThrough.purgeEverywhere({});
    chatwoot.table.removeConversation(1, 2);
    expect((await one.get(messagesOf(2))).status).toBe(404);
    await settled(one, other);
    expect(await redis.client.acl('LOG')).toEqual([]);
  });

  test('a purge says so where the others cannot be told, and they are told as soon as they can', async () => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const way = await faultyRedis(redis.port);
    onTestFinished(() => way.close());
    const [one, other] = [await sharing(chatwoot, way), await sharing(chatwoot, redis)];
    await other.get(messagesOf(2));
    way.fail(1, 'oom', true);
    const refused = await purge(one, '');
    expect([refused.status, refused.code]).toEqual([503, 'shared_level_unreachable']);
    expect(levelOf(one).epochOf({ accountId: 1, conversationId: 2 })).toBeNull();
    expect(other.app.readThrough.size.conversations).toBe(1);
    way.heal();
    await levelOf(one).isSharing();
    while (other.app.readThrough.size.conversations > 0) await setImmediate();
  });
});

async function purge(process: Backscroll, search: string): Promise<Received> {
  return process.send({ method: 'DELETE', target: `/admin/cache${search}`, headers: [['api_access_token', ADMIN_KEY]] });
}

/** When all have heard of what has been announced. */
async function heard(process: Backscroll, other: Backscroll): Promise<void> {
  // It announces one more, of a conversation that nobody reads.
  const gone = { kind: 'purge', extent: { accountId: 77, conversationId: 1 } } as const;
  expect(await levelOf(process).announce(gone, { waits: 'long' })).toEqual({ processes: 2, reached: 2 });
  expect(levelOf(other).processes).toBe(2);
}
