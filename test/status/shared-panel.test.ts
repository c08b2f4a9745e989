// Operators see whether Redis can be used, and what sharing over it brings.

import { expect, test } from 'vitest';
import { messagesOf, startHouse, type Backscroll } from '../support/backscroll.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { ADMIN_KEY, levelOf, sampleChatwoot, settled, sharing } from '../shared/house.ts';

async function panelOf(backscroll: Backscroll): Promise<{ readonly state: string; readonly rows: unknown } | undefined> {
  const headers = [['authorization', `Basic ${btoa(`ops:${ADMIN_KEY}`)}`]] as const;
  const { panels } = (await backscroll.send({ target: '/status/data', headers })).json() as {
    panels: { name: string; state: string; rows: unknown }[];
  };
  return panels.find(({ name }) => name === 'Shared over Redis');
}

test.skipIf(!HAS_REDIS)('with Redis it tells whether it answers, of how many processes, and what that brings', async () => {
  const redis = await redisOfTest();
  const chatwoot = await sampleChatwoot();
  const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
  await one.get(messagesOf(2));
  await settled(one);
  await other.get(messagesOf(2));
  await levelOf(other).announce({ kind: 'purge', extent: { accountId: 77 } }, { waits: 'long' });
  expect(await panelOf(other)).toMatchObject({
    state: 'good',
    rows: [
      ['Redis', 'answers'],
      ['Processes', '2'],
      ['Hits by what others had read', '1'],
      ['Everything forgotten', '0 times, for changes that were missed'],
    ],
  });
  await redis.kill();
  while ((await panelOf(other))?.state !== 'warn');
});

test('without Redis there is no panel of it', async () => {
  const { backscroll } = await startHouse({ env: { ADMIN_KEYS: `ops=${ADMIN_KEY}` } });
  expect(await panelOf(backscroll)).toBeUndefined();
});
