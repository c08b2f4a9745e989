// What tests of the shared level have in common: processes over one Redis, before one Chatwoot.

import { onTestFinished } from 'vitest';
import type { RedisLevel } from '../../src/shared/level.ts';
import type { SharedObserver } from '../../src/shared/observer.ts';
import type { SharedTimes } from '../../src/shared/times.ts';
import { startBackscroll, type Backscroll, type BackscrollOptions } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import type { RedisServer } from '../support/redis.ts';

export const ADMIN_KEY = 'admin-key-of-the-tests';

/** Ages that last for a test, and `settle` below the age of the sample's messages. */
export const LONG_AGES = { TAIL_MAX_AGE: '1m', META_MAX_AGE: '1h' };

/** A sample Chatwoot for processes that share what they know. */
export async function sampleChatwoot(): Promise<FakeChatwoot> {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  return chatwoot;
}

/** Machines that tests run on are late. */
export const PATIENT: SharedTimes = {
  timeoutMs: 3_000,
  silentMs: 5_000,
  deafMs: 10_000,
  waitMs: { long: 5_000, short: 5_000 },
  leaseMs: 3_000,
};

/** Tells nobody. */
export const SILENT: SharedObserver = {
  exchanged() {},
  moved() {},
  refused() {},
  lease() {},
  heard() {},
  hit() {},
  learnt() {},
  cutOff() {},
  lost() {},
  back() {},
};

/** A process that shares over this Redis, ended with the test. */
export async function sharing(
  chatwoot: FakeChatwoot,
  { url }: Pick<RedisServer, 'url'>,
  env: Readonly<Record<string, string>> = {},
  options: Partial<BackscrollOptions> = {},
): Promise<Backscroll> {
  const backscroll = await startBackscroll({
    chatwoot,
    env: { REDIS_URL: url, ADMIN_KEYS: `ops=${ADMIN_KEY}`, ...LONG_AGES, ...env },
    sharedTimes: PATIENT,
    ...options,
  });
  onTestFinished(() => backscroll.close());
  await levelOf(backscroll).isSharing();
  return backscroll;
}

export function levelOf({ app }: Backscroll): RedisLevel {
  if (app.shared === null) throw new Error('it shares nothing');
  return app.shared;
}

/** When what they have read is with Redis. */
export async function settled(...processes: readonly Backscroll[]): Promise<void> {
  for (const each of processes) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await each.app.readThrough.idle();
    // oxlint-disable-next-line no-await-in-loop
    await levelOf(each).idle();
  }
}
