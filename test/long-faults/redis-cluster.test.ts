// Over a cluster of three masters all is as over one server, and when a master goes, only slower.

import { describe, expect, test } from 'vitest';
import { messagesOf, readsOf } from '../support/backscroll.ts';
import { clusterOfTest, HAS_REDIS } from '../support/redis.ts';
import { levelOf, sampleChatwoot, settled, sharing } from '../shared/house.ts';
import { expectSharing, walkThrough } from '../shared/redis-fault.ts';

const CLUSTER = { REDIS_CLUSTER: 'true' };

describe.skipIf(!HAS_REDIS)('over a cluster of three masters', () => {
  test('what one has read is a hit in the other, on whichever master it is', async () => {
    const masters = await clusterOfTest();
    const chatwoot = await sampleChatwoot();
    const [one, other] = [await sharing(chatwoot, masters[0]!, CLUSTER), await sharing(chatwoot, masters[1]!, CLUSTER)];
    for (let id = 1; id <= 6; id++) {
      await one.get(messagesOf(id));
      await settled(one);
      const reads = readsOf(chatwoot).length;
      expect((await other.get(messagesOf(id))).headers['cache-status']).toMatch(/^backscroll; hit.*detail=shared$/);
      expect(readsOf(chatwoot)).toHaveLength(reads);
    }
    const logs = await Promise.all(masters.map(({ client }) => client.keys('*:{1/*')));
    expect(logs.flat()).toHaveLength(6);
    expect(logs.filter((keys) => keys.length > 0).length).toBeGreaterThan(1);
    expect(await levelOf(one).announce({ kind: 'purge', extent: {} }, { waits: 'long' })).toEqual({ processes: 2, reached: 2 });
    expect(other.app.readThrough.size.conversations).toBe(0);
  });

  test('whose masters go and come back, one after the other, answers are right and come in time', async () => {
    const masters = await clusterOfTest();
    const chatwoot = await sampleChatwoot();
    const options = { sharedTimes: undefined };
    const [faulty, other] = [
      await sharing(chatwoot, masters[0]!, CLUSTER, options),
      await sharing(chatwoot, masters[1]!, CLUSTER, options),
    ];
    const house = { chatwoot, faulty, other };
    await walkThrough(house);
    for (const master of masters) {
      await master.kill();
      await walkThrough(house);
      await master.restart();
      await expectSharing(house);
      await walkThrough(house);
    }
  });
});
