// Before a Chatwoot whose web server compresses, callers get what they get before one that does not.

import { expect, test } from 'vitest';
import type { Compression } from '../support/fake-chatwoot/compression.ts';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

/** What callers are told of each, and how often Chatwoot was asked. */
async function walk(compression: Compression): Promise<unknown> {
  const { chatwoot, backscroll, clock } = await startHouse();
  chatwoot.compression = compression;
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const told: unknown[] = [];
  const targets = [
    '',
    `?before=${ids.at(-10)!}`,
    `?before=${ids.at(-10)!}`,
    `?after=${ids[3]!}`,
    '?filter_internal_messages=true',
  ];
  for (const target of [...targets.map((search) => messagesOf(1, search)), messagesOf(404)]) {
    const { status, headers, body } = await backscroll.get(target);
    await backscroll.app.readThrough.idle();
    told.push([target, status, headers['etag'], headers['cache-status'], body.toString()]);
    clock.advance(50);
  }
  const cacheBytes = /^backscroll_cache_bytes (\d+)/m.exec(await backscroll.metrics())?.[1];
  return { told, reads: readsOf(chatwoot), cacheBytes };
}

test.each(['asked', 'unasked'] as const)('%s', async (compression) => {
  expect(await walk(compression)).toEqual(await walk('off'));
});

test('an answer that is cut while it is compressed is read again', async () => {
  const { chatwoot, backscroll } = await startHouse();
  chatwoot.compression = 'asked';
  let cut = 0;
  chatwoot.fault = (_number, { path }) => (path === messagesOf(2) && cut++ === 0 ? { kind: 'reset-mid-body' } : undefined);
  expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  expect(readsOf(chatwoot)).toHaveLength(2);
});
