// Whoever has Redis reads no message, no token and no key.

import { spawn } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KEY, messagesOf } from '../support/backscroll.ts';
import { CANARY, findCanary } from '../support/canary.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { ADMIN_KEY, sampleChatwoot, settled, sharing } from './house.ts';

test.skipIf(!HAS_REDIS)('nothing of what was read is found in Redis, nor on the way to it', async () => {
  const redis = await redisOfTest();
  const chatwoot = await sampleChatwoot();
  const said = 'nobody but the two of us may read this';
  chatwoot.table.insert({ accountId: 1, conversationId: 2, content: said });
  const monitor = await monitorOf(redis.port);
  const [one, other] = [await sharing(chatwoot, redis), await sharing(chatwoot, redis)];
  const page = await one.get(messagesOf(2));
  expect(page.body.toString()).toContain(said);
  await settled(one);
  expect((await other.get(messagesOf(2))).headers['cache-status']).toContain('detail=shared');
  one.app.readThrough.announce({ kind: 'tail', conversation: { accountId: 1, conversationId: 2 } });
  await other.send({ method: 'DELETE', target: '/admin/cache?account=1', headers: [['api_access_token', ADMIN_KEY]] });
  await other.get(messagesOf(2));
  await settled(one, other);

  await redis.client.save();
  const [, folder = ''] = await redis.client.config('GET', 'dir');
  const dump = (await readdir(folder)).find((name) => name.endsWith('.rdb'))!;
  const everything = `${(await readFile(join(folder, dump))).toString('latin1')}\n${monitor()}`;
  expect(monitor()).toMatch(/"evalsha".*:\{1\/2\}:/i);
  expect(everything).toContain('backscroll:');
  for (const secret of [said, 'nobody but', CANARY, KEY, ADMIN_KEY, chatwoot.url, 'payload', 'content_type'])
    expect(everything.includes(secret), secret).toBe(false);
  expect(findCanary(everything)).toBeUndefined();
});

/** What MONITOR tells from now on. */
async function monitorOf(port: number): Promise<() => string> {
  const monitor = spawn('redis-cli', ['-p', String(port), 'MONITOR'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void monitor.kill());
  let told = '';
  await new Promise<void>((resolve) => {
    monitor.stdout.on('data', (chunk) => {
      told += String(chunk);
      if (told.startsWith('OK')) resolve();
    });
  });
  return () => told;
}
