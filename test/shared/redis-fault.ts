// One scenario of two processes over one Redis, with a fault in the way of the one: what it answers is right and comes in time, and when all
// is well again it shares again.

import { expect, onTestFinished } from 'vitest';
import { messagesOf, type Backscroll, type Received } from '../support/backscroll.ts';
import { faultyRedis, type FaultyRedis, type RedisFault } from '../support/faulty-redis.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { SAMPLE_TOKEN } from '../support/fake-chatwoot/sample-account.ts';
import type { SharedTimes } from '../../src/shared/times.ts';
import type { RedisServer } from '../support/redis.ts';
import { ADMIN_KEY, levelOf, settled, sharing } from './house.ts';

/** What an answer may take beyond its time without Redis; a machine that tests run on is late besides. */
const LATE_MS_MAX = 150;
const MACHINE_MS = 850;
/** Within this all is as it was. */
const RECOVERED_MS_MAX = 10_000;

/** A turn that is waited for is no lateness of Redis. */
const NO_TURNS = { UPSTREAM_RATE: '1000000/1m' };

export interface FaultHouse {
  readonly chatwoot: FakeChatwoot;
  readonly way: FaultyRedis;
  readonly faulty: Backscroll;
  readonly other: Backscroll;
}

/** Two processes before one Chatwoot. */
type Pair = Omit<FaultHouse, 'way'>;

export async function faultHouse(chatwoot: FakeChatwoot, redis: RedisServer, sharedTimes?: SharedTimes): Promise<FaultHouse> {
  const way = await faultyRedis(redis.port);
  onTestFinished(() => way.close());
  const [faulty, other] = await Promise.all([way, redis].map((each) => sharing(chatwoot, each, NO_TURNS, { sharedTimes })));
  return { chatwoot, way, faulty: faulty!, other: other! };
}

/** Pages of conversation 1, the newest first. */
export function pagesOf(chatwoot: FakeChatwoot, count = 4): readonly string[] {
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  return [messagesOf(1), ...Array.from({ length: count - 1 }, (_, at) => messagesOf(1, `?before=${ids.at(-20 * (at + 1))!}`))];
}

async function payloadOf(answer: Pick<Received, 'body'>): Promise<string> {
  return JSON.stringify((JSON.parse(answer.body.toString()) as { payload: unknown }).payload);
}

/** The scenario: both walk, one writes behind their backs and has it forgotten, both walk again. */
export async function walkThrough({ chatwoot, faulty, other }: Pair): Promise<void> {
  const pages = pagesOf(chatwoot);
  const port = Number(new URL(chatwoot.url).port);
  const truths = new Map<string, string>();
  for (const page of pages) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await sendRaw(port, { method: 'GET', target: page, headers: [['api_access_token', SAMPLE_TOKEN]] });
    // oxlint-disable-next-line no-await-in-loop
    truths.set(page, await payloadOf(answer));
  }
  const check = async (process: Backscroll, page: string): Promise<void> => {
    const startedAt = performance.now();
    const answer = await process.get(page);
    expect(performance.now() - startedAt).toBeLessThan(LATE_MS_MAX + MACHINE_MS);
    expect(answer.status).toBe(200);
    expect(await payloadOf(answer)).toBe(truths.get(page));
  };
  for (const page of pages) {
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all([check(faulty, page), check(other, page)]);
  }
  const purge = await faulty.send({
    method: 'DELETE',
    target: '/admin/cache?account=1&conversation=1',
    headers: [['api_access_token', ADMIN_KEY]],
  });
  expect([200, 503]).toContain(purge.status);
  for (const page of pages) {
    // oxlint-disable-next-line no-await-in-loop
    await check(faulty, page);
    // oxlint-disable-next-line no-await-in-loop
    await check(other, page);
  }
}

/** When all is well, what one reads is soon known to the other, both ways, and a purge reaches both. */
export async function expectSharing(house: Pair): Promise<void> {
  const until = performance.now() + RECOVERED_MS_MAX;
  // oxlint-disable-next-line no-await-in-loop -- tries again
  while (!(await isSharing(house))) expect(performance.now()).toBeLessThan(until);
}

async function isSharing({ chatwoot, faulty, other }: Pair): Promise<boolean> {
  const purge = await other.send({ method: 'DELETE', target: '/admin/cache', headers: [['api_access_token', ADMIN_KEY]] });
  const { processes, reached } = purge.json() as { processes?: number; reached?: number };
  if (processes !== 2 || reached !== 2) return false;
  await Promise.all([levelOf(faulty).isSharing(), levelOf(other).isSharing()]);
  const [first, second] = pagesOf(chatwoot, 6).slice(4);
  await faulty.get(first!);
  await settled(faulty);
  const taken = await other.get(first!);
  await other.get(second!);
  await settled(other);
  const back = await faulty.get(second!);
  return /hit.*detail=shared$/.test(taken.headers['cache-status']!) && back.headers['cache-status']!.includes('hit');
}

export async function withFault(house: FaultHouse, nth: number, fault: RedisFault, forGood: boolean): Promise<void> {
  house.way.fail(nth, fault, forGood);
  await walkThrough(house);
  house.way.heal();
  await expectSharing(house);
  await house.faulty.app.readiness.recheck();
  expect((await house.faulty.send({ target: '/readyz' })).status).toBe(200);
}
