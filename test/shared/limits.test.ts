// What processes may send and take is counted over all of them; without Redis each has its part.

import { once } from 'node:events';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SharedBudget } from '../../src/shared/budget.ts';
import { SharedCounts, UNTOLD_MAX } from '../../src/shared/counts.ts';
import { Link } from '../../src/shared/link.ts';
import type { SharedObserver } from '../../src/shared/observer.ts';
import { deriveSecrets } from '../../src/shared/secrets.ts';
import { SHARED_TIMES } from '../../src/shared/times.ts';
import { behindShare } from '../../src/upstream/budget.ts';
import type { ReadPriority } from '../../src/upstream/upstream.ts';
import { messagesOf, readsOf, type Backscroll, type Received } from '../support/backscroll.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { levelOf, PATIENT, sampleChatwoot, settled, sharing, SILENT } from './house.ts';

/** What a failing Redis may cost, ms; a machine that tests run on is late besides. */
const LATE_MS_MAX = 150;
const MACHINE_MS = 850;

const secrets = deriveSecrets({ chatwootUrl: 'http://chatwoot', tokenOf: () => 'token', tokens: ['token'] });

async function linkTo({ url }: RedisServer, observer: SharedObserver = SILENT): Promise<Link> {
  const link = new Link({ urls: [url], isCluster: false, times: PATIENT, observer });
  onTestFinished(() => link.close());
  if (!link.isUp) await once(link.client, 'ready');
  return link;
}

/** When this process has told Redis so often what it has counted, or has asked it for reads. */
async function toldOften(process: Backscroll, times: number): Promise<void> {
  await vi.waitFor(async () => expect(await limitExchanges(process)).toBeGreaterThanOrEqual(times), {
    timeout: 5_000,
    interval: 20,
  });
}

async function limitExchanges(process: Backscroll): Promise<number> {
  const [, count] = /exchanges_total\{exchange="limit",end="ok"\} (\d+)/.exec(await process.metrics()) ?? [];
  return Number(count);
}

function remaining({ headers }: Received): number {
  return Number(headers['x-ratelimit-remaining']);
}

describe.skipIf(!HAS_REDIS)('the limit of a client', () => {
  /** Two processes over a page that both know. */
  async function bothKnowing(redis: RedisServer, env: Readonly<Record<string, string>>): Promise<[Backscroll, Backscroll]> {
    const chatwoot = await sampleChatwoot();
    const pair = [await sharing(chatwoot, redis, env), await sharing(chatwoot, redis, env)] as const;
    return [pair[0], pair[1]];
  }

  test('counts what it sends to any process, hits too', async () => {
    const redis = await redisOfTest();
    const [one, other] = await bothKnowing(redis, { RATE_LIMIT: '12/1m' });
    for (let n = 0; n < 6; n++) await one.get(messagesOf(1));
    const [name = ''] = await redis.client.keys('backscroll:{limit-*');
    expect(name).not.toContain('test');
    await vi.waitFor(async () => expect(await redis.client.get(name)).toBe('6'), { timeout: 5_000, interval: 20 });
    const before = await limitExchanges(other);
    expect(remaining(await other.get(messagesOf(1)))).toBe(11);
    await toldOften(other, before + 1);
    const next = await other.get(messagesOf(1));
    expect(next.headers['cache-status']).toMatch(/^backscroll; hit/);
    expect(remaining(next)).toBe(4);
    const statuses: number[] = [];
    for (let n = 0; n < 5; n++) statuses.push((await other.get(messagesOf(1))).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
  });

  test('is counted in each process with RATE_LIMIT_SHARED=false', async () => {
    const redis = await redisOfTest();
    const [one, other] = await bothKnowing(redis, { RATE_LIMIT: '10/1m', RATE_LIMIT_SHARED: 'false' });
    for (let n = 0; n < 6; n++) await one.get(messagesOf(1));
    await settled(one, other);
    expect(remaining(await other.get(messagesOf(1)))).toBe(9);
    expect(await redis.client.keys('backscroll:{limit-*')).toEqual([]);
  });

  test.each(['kill', 'stop'] as const)('holds in each process when Redis fails (%s)', async (how) => {
    const redis = await redisOfTest();
    const chatwoot = await sampleChatwoot();
    const one = await sharing(chatwoot, redis, { RATE_LIMIT: '8/1m' }, { sharedTimes: undefined });
    await one.get(messagesOf(1));
    await settled(one);
    if (how === 'kill') await redis.kill();
    else redis.signal('SIGSTOP');
    const statuses: number[] = [];
    for (let n = 0; n < 8; n++) {
      const startedAt = performance.now();
      statuses.push((await one.get(messagesOf(1))).status);
      expect(performance.now() - startedAt).toBeLessThan(LATE_MS_MAX + MACHINE_MS);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 429]);
  });

  test('is not lifted by what somebody else put under its name, nor by its loss', async () => {
    const redis = await redisOfTest();
    const link = await linkTo(redis);
    const heard: number[] = [];
    const counts = new SharedCounts({ link, prefix: 'p', secrets, onHeard: (_client, _rate, { count }) => heard.push(count) });
    const rate = { max: 10, windowMs: 60_000 };
    const count = async (): Promise<void> => {
      const times = heard.length;
      counts.counted('a', rate);
      await vi.waitFor(() => expect(heard.length).toBe(times + 1));
    };
    await count();
    await count();
    const [name] = await redis.client.keys('p:{limit-*');
    await redis.client.del(name!);
    await redis.client.hset(name!, 'a', 'hash');
    await count();
    await redis.client.set(name!, 'text');
    await count();
    await count();
    expect(heard).toEqual([1, 2, 1, 1, 2]);
    expect(await redis.client.pttl(name!)).toBeGreaterThan(50_000);
    await redis.client.pexpire(name!, 3_600_000);
    await count();
    expect(await redis.client.pttl(name!)).toBeLessThanOrEqual(60_000);
  });

  test('of a crowd is told within bounds', async () => {
    const heard = new Set<string>();
    const heardBefore: number[] = [];
    const link = await linkTo(await redisOfTest(), { ...SILENT, exchanged: () => void heardBefore.push(heard.size) });
    const counts = new SharedCounts({ link, prefix: 'p', secrets, onHeard: (client) => heard.add(client) });
    for (let n = 0; n < UNTOLD_MAX + 10; n++) counts.counted(`client ${n}`, { max: 10, windowMs: 60_000 });
    expect(counts.size).toBe(UNTOLD_MAX);
    await vi.waitFor(() => expect(heard.size).toBeGreaterThan(500), { timeout: 5_000 });
    expect(heardBefore.slice(0, 2)).toEqual([0, 500]);
  });

  test('holds what was counted here while others were told', async () => {
    const redis = await redisOfTest();
    const heard: number[] = [];
    const link = await linkTo(redis);
    const counts = new SharedCounts({ link, prefix: 'p', secrets, onHeard: (_client, _rate, { count }) => heard.push(count) });
    const count = (): void => counts.counted('a', { max: 10, windowMs: 60_000 });
    redis.signal('SIGSTOP');
    count();
    while (counts.size > 0) await setImmediate();
    count();
    count();
    redis.signal('SIGCONT');
    await vi.waitFor(() => expect(heard).toEqual([3, 3]), { timeout: 5_000 });
  });

  test('is not told later of what could not be told in time', async () => {
    const redis = await redisOfTest();
    const link = await linkTo(redis);
    const counts = new SharedCounts({ link, prefix: 'p', secrets, onHeard: () => undefined });
    await redis.kill();
    while (link.isUp) await setImmediate();
    for (let n = 0; n < 3_000; n++) counts.counted(`client ${n}`, { max: 10, windowMs: 60_000 });
    while (counts.size === 3_000) await setImmediate();
    expect(counts.size).toBe(0);
  });
});

describe.skipIf(!HAS_REDIS)('the budget of all processes', () => {
  /** Sends what it may, as soon as it may. */
  async function spendAll(budget: SharedBudget, priority: ReadPriority, untilAt: number): Promise<readonly number[]> {
    const sent: number[] = [];
    let wake = (): void => undefined;
    budget.onSooner(() => wake());
    while (performance.now() < untilAt) {
      const now = performance.now();
      const waitMs = budget.waitMs(priority, 0, now);
      if (waitMs > 0) {
        // oxlint-disable-next-line no-await-in-loop -- waits for its turn
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), sleep(waitMs)]);
        continue;
      }
      budget.spend(priority, now);
      sent.push(now);
    }
    return sent;
  }

  test('lets no more than its rate through in any window, of reads behind answers half, and never stands still', async () => {
    const redis = await redisOfTest();
    const priorities = ['behind', 'behind', 'behind', 'caller'] as const;
    const rate = { max: 120, windowMs: 1_000 };
    const untilAt = performance.now() + 1_900;
    const budgets = await Promise.all(
      priorities.map(async () => {
        const options = { key: 'b', rate, processes: () => 3, now: () => performance.now(), patienceMs: 1_000 };
        const budget = new SharedBudget({ ...options, link: await linkTo(redis) });
        // Asks for the first time, and hears that there is Redis.
        await new Promise<void>((resolve) => {
          budget.onSooner(resolve);
          budget.waitMs('caller', 0, performance.now());
        });
        return budget;
      }),
    );
    const sent = await Promise.all(budgets.map((budget, at) => spendAll(budget, priorities[at]!, untilAt)));
    const mostOf = (moments: readonly number[]): number =>
      Math.max(...moments.map((from) => moments.filter((at) => at >= from && at < from + rate.windowMs).length));
    const moments = sent.flat().toSorted((a, b) => a - b);
    expect(mostOf(moments)).toBeLessThanOrEqual(rate.max);
    expect(mostOf(sent.slice(0, 3).flat())).toBeLessThanOrEqual(behindShare(rate.max));
    expect(moments.length).toBeGreaterThan(0.9 * rate.max);
    const gaps = moments.slice(1).map((at, n) => at - moments[n]!);
    expect(Math.max(...gaps)).toBeLessThan(rate.windowMs / 2);
    // What nobody uses any more goes.
    expect(await redis.client.pttl('b')).toBeGreaterThan(0);
  });

  /** A budget of ten reads a minute, a clock for it, and when it has heard of Redis. */
  async function movable(redis: RedisServer, patienceMs = 3_000) {
    let aheadMs = 0;
    const now = (): number => performance.now() + aheadMs;
    const rate = { max: 10, windowMs: 60_000 };
    const link = await linkTo(redis);
    const budget = new SharedBudget({ link, key: 'b', rate, processes: () => 1, now, patienceMs });
    const ask = async (priority: ReadPriority, ahead = 0): Promise<number> => {
      const told = new Promise<void>((resolve) => budget.onSooner(resolve));
      const waitMs = budget.waitMs(priority, ahead, now());
      if (waitMs > 0) await told;
      return budget.waitMs(priority, ahead, now());
    };
    return { budget, now, advance: (ms: number) => void (aheadMs += ms), ask };
  }

  test('is asked for again where what it gave was not sent in time', async () => {
    const redis = await redisOfTest();
    const { budget, now, advance, ask } = await movable(redis);
    expect(await ask('caller')).toBe(0);
    // Another process has used the rest.
    await redis.client.hset('b', `a${Math.floor(Date.now() / 1_000)}`, 10);
    expect(budget.waitMs('caller', 0, now())).toBe(0);
    advance(1_001);
    expect(budget.waitMs('caller', 0, now())).toBeGreaterThan(0);
    expect(await ask('caller')).toBeGreaterThan(0);
  });

  test('gives no more time for what was left by being asked for more', async () => {
    const { budget, now, advance, ask } = await movable(await redisOfTest());
    expect(await ask('caller')).toBe(0);
    advance(800);
    expect(await ask('caller', 1)).toBe(0);
    advance(201);
    expect(budget.waitMs('caller', 0, now())).toBeGreaterThan(0);
  });

  test('is not told of what was sent longer ago than its window', async () => {
    const redis = await redisOfTest();
    const { budget, now, advance, ask } = await movable(redis, 50);
    redis.signal('SIGSTOP');
    expect(await ask('caller')).toBe(0);
    for (let nth = 0; nth < 5; nth++) budget.spend('caller', now());
    const answered = new Promise<void>((resolve) => budget.onSooner(resolve));
    redis.signal('SIGCONT');
    await answered;
    advance(60_001);
    expect(await ask('caller')).toBe(0);
    // Redis has given one read before, and one now.
    expect(budget.left(now())).toBe(8);
  });

  test('has callers take what was given for reads behind answers', async () => {
    const { budget, now, ask } = await movable(await redisOfTest());
    expect(await ask('behind')).toBe(0);
    expect(budget.waitMs('caller', 0, now())).toBe(0);
    budget.spend('caller', now());
    expect(budget.waitMs('behind', 0, now())).toBeGreaterThan(0);
  });

  test('goes on where something else was in its place', async () => {
    const redis = await redisOfTest();
    const { budget, now, advance, ask } = await movable(redis);
    await redis.client.set('b', 'of somebody else');
    expect(await ask('caller')).toBe(0);
    await vi.waitFor(async () => expect(await redis.client.exists('b')).toBe(0), { interval: 5 });
    advance(1_000);
    await vi.waitFor(
      async () => {
        budget.waitMs('caller', 3, now());
        expect(await redis.client.type('b')).toBe('hash');
      },
      { interval: 5 },
    );
  });

  test('is not waited for where Redis is slow: then each has its share, and what it sends is told later', async () => {
    const redis = await redisOfTest();
    const now = (): number => performance.now();
    const rate = { max: 10, windowMs: 60_000 };
    const budget = new SharedBudget({ link: await linkTo(redis), key: 'b', rate, processes: () => 2, now, patienceMs: 50 });
    const told = (): Promise<void> => new Promise((resolve) => budget.onSooner(resolve));
    redis.signal('SIGSTOP');
    const startedAt = now();
    expect(budget.waitMs('caller', 0, now())).toBeGreaterThan(0);
    await told();
    expect(now() - startedAt).toBeLessThan(1_000);
    for (let n = 0; n < 5; n++) {
      expect(budget.waitMs('caller', 0, now())).toBe(0);
      budget.spend('caller', now());
    }
    expect(budget.waitMs('caller', 0, now())).toBeGreaterThan(1_000);
    redis.signal('SIGCONT');
    // What was asked for before is answered; with what is asked for next it says what it has sent.
    await told();
    expect(budget.left(now())).toBe(9);
    expect(budget.waitMs('caller', 1, now())).toBeGreaterThan(0);
    await told();
    expect([2, 3]).toContain(budget.left(now()));
  });

  test('is asked for again after a while only where Redis refuses it, however many wait', async () => {
    const redis = await redisOfTest('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    const ends: string[] = [];
    const link = await linkTo(redis, { ...SILENT, exchanged: (_exchange, end) => void ends.push(end) });
    const now = (): number => performance.now();
    const rate = { max: 1, windowMs: 60_000 };
    const budget = new SharedBudget({ link, key: 'b', rate, processes: () => 1, now, patienceMs: 1_000 });
    budget.onSooner(() => void budget.waitMs('caller', 0, now()));
    budget.waitMs('caller', 0, now());
    await vi.waitFor(() => expect(ends[0]).toBe('refused'));
    await sleep(100);
    expect(ends.length).toBeLessThanOrEqual(2);
    expect(budget.waitMs('caller', 0, now())).toBe(0);
    await redis.client.config('SET', 'maxmemory', '0');
    await vi.waitFor(() => {
      budget.waitMs('caller', 0, now());
      expect(ends.at(-1)).toBe('ok');
    });
  });

  const ENV = { UPSTREAM_RATE: '10/1m', UPSTREAM_TIMEOUT: '1s', SHADOW_RATE: '0' };

  /** As many pages as that, none of which anybody has asked for. */
  async function askFor(processes: readonly Backscroll[], from: number, count: number): Promise<readonly Received[]> {
    const pages = Array.from({ length: count }, (_, n) => messagesOf(1, `?before_timestamp=${from + n}`));
    return Promise.all(pages.map((page, n) => processes[n % processes.length]!.get(page)));
  }

  test('is one for all processes of an installation', async () => {
    const redis = await redisOfTest();
    const [chatwoot, other] = [await sampleChatwoot(), await sampleChatwoot()];
    const [one, two] = [await sharing(chatwoot, redis, ENV), await sharing(chatwoot, redis, ENV)];
    const [three] = [await sharing(other, redis, ENV)];
    await askFor([one, two], 1_700_000_000, 30);
    expect(readsOf(chatwoot)).toHaveLength(10);
    // Another installation has its own.
    await askFor([three], 1_700_000_000, 4);
    expect(readsOf(other)).toHaveLength(4);
  });

  test.each(['kill', 'stop'] as const)(
    'is half of it for each of two when Redis is lost (%s), and no read waits for it',
    async (how) => {
      const redis = await redisOfTest();
      const chatwoot = await sampleChatwoot();
      const options = { sharedTimes: SHARED_TIMES };
      const pair = [await sharing(chatwoot, redis, ENV, options), await sharing(chatwoot, redis, ENV, options)];
      await vi.waitFor(() => expect(pair.map((each) => levelOf(each).processes)).toEqual([2, 2]), { timeout: 5_000 });
      await askFor(pair, 1_700_000_000, 2);
      if (how === 'kill') await redis.kill();
      else redis.signal('SIGSTOP');
      const startedAt = performance.now();
      expect((await askFor(pair, 1_700_000_100, 2)).map(({ status }) => status)).toEqual([200, 200]);
      expect(performance.now() - startedAt).toBeLessThan(LATE_MS_MAX + MACHINE_MS);
      await askFor(pair, 1_700_000_200, 30);
      expect(readsOf(chatwoot)).toHaveLength(10);
    },
  );
});
