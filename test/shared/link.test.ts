// What happens to exchanges with a Redis that fails, and what counts as a failure of it.

import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Link, NotHad, wordOf, type Client } from '../../src/shared/link.ts';
import { HAS_REDIS, redisOfTest, type RedisServer } from '../support/redis.ts';
import { PATIENT, SILENT } from './house.ts';

interface House {
  readonly redis: RedisServer;
  readonly link: Link;
  readonly told: readonly string[];
  /** How an exchange ends. */
  readonly ask: (send?: (client: Client) => Promise<unknown>) => Promise<string>;
}

/** A link to a Redis of its own, which has 60 ms to answer. Time stands still between exchanges. */
async function house(): Promise<House> {
  const redis = await redisOfTest();
  const told: string[] = [];
  const observer = { ...SILENT, lost: () => void told.push('lost'), back: () => void told.push('back') };
  const link = new Link({ urls: [redis.url], isCluster: false, times: { ...PATIENT, timeoutMs: 60 }, observer });
  onTestFinished(() => link.close());
  await once(link.client, 'ready');
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const ask: House['ask'] = (send = (client) => client.ping()) =>
    link.run('take', send).then(
      () => 'ok',
      (error: unknown) => (error instanceof NotHad ? error.end : String(error)),
    );
  return { redis, link, told, ask };
}

describe.skipIf(!HAS_REDIS)('a Redis that does not answer', () => {
  test('is left alone for longer each time, five seconds at most, until it answers', async () => {
    const { redis, link, told, ask } = await house();
    redis.signal('SIGSTOP');
    for (const pauseMs of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
      expect(await ask()).toBe('late');
      expect(link.isUp).toBe(false);
      vi.advanceTimersByTime(pauseMs - 1);
      expect(await ask()).toBe('paused');
      vi.advanceTimersByTime(1);
    }
    redis.signal('SIGCONT');
    // Machines that tests run on are late.
    while ((await ask()) !== 'ok') vi.advanceTimersByTime(5_000);
    expect(link.isUp).toBe(true);
    expect(told).toEqual(['lost', 'back']);
    // As if nothing had been.
    redis.signal('SIGSTOP');
    expect(await ask()).toBe('late');
    vi.advanceTimersByTime(250);
    expect(await ask()).toBe('late');
  });

  test('has failed once where many waited for it, and is tried by one of many', async () => {
    const { redis, ask } = await house();
    const many = (): Promise<readonly string[]> => Promise.all(Array.from({ length: 5 }, () => ask()));
    redis.signal('SIGSTOP');
    expect(await many()).toEqual(Array(5).fill('late'));
    vi.advanceTimersByTime(250);
    expect(await many()).toEqual(['late', ...Array<string>(4).fill('paused')]);
  });
});

describe.skipIf(!HAS_REDIS)('a Redis that refuses', () => {
  test('one command, or to touch one key, has not failed', async () => {
    const { redis, link, told, ask } = await house();
    await redis.client.set('text', 'text');
    expect(await ask((client) => client.lpush('text', 'more'))).toBe('refused');
    await redis.client.config('SET', 'maxmemory', '1');
    expect(await ask((client) => client.set('more', 'text'))).toBe('refused');
    expect([link.isUp, told]).toEqual([true, []]);
    expect(await ask()).toBe('ok');
  });

  test('whatever it is asked has', async () => {
    const { redis, link, told, ask } = await house();
    await redis.client.acl('SETUSER', 'default', '-ping');
    expect([await ask(), await ask()]).toEqual(['refused', 'paused']);
    expect([link.isUp, told]).toEqual([false, ['lost']]);
  });
});

test.skipIf(!HAS_REDIS)('a link that is closed is not told to be lost', async () => {
  const { link, told, ask } = await house();
  const ended = once(link.client, 'end');
  link.close();
  await ended;
  expect([await ask(), told]).toEqual(['paused', []]);
});

test.each([
  ['OOM command not allowed', 'OOM'],
  ['WRONGTYPE Operation against a key script: f_1, on @user_script:3.', 'WRONGTYPE'],
  ['ERR Error running script (call to f_1): @user_script:3: WRONGTYPE Operation against a key', 'WRONGTYPE'],
  ['ERR Error running script (call to f_1): @user_script:3: ERR hash value is not an integer', 'WRONGTYPE'],
  ['ERR unknown command', 'ERR'],
  ['nothing of the kind', 'ERR'],
])('%s: %s', (message, word) => {
  expect(wordOf(Object.assign(new Error(message), { name: 'ReplyError' }))).toBe(word);
  expect(wordOf(new Error(message))).toBe('');
});
