// Something before Chatwoot answers otherwise than its finder would. That ends proofs for the conversation: pages that fitted their
// query came from the same hand.

import { expect, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const env = { TAIL_MAX_AGE: '1m' };

const told = (backscroll: Backscroll) => backscroll.logs.filter((line) => line.includes('does not fit its question'));

/** From now on conversation 1 is answered with what `body` makes, whatever is asked. */
function ignoreQueries(chatwoot: FakeChatwoot, body = () => chatwoot.table.body(1, 1, {})): void {
  chatwoot.fault = (_number, { path }) =>
    path.includes('/conversations/1/') ? { kind: 'status', status: 200, headers: JSON_TYPE, body: body() } : undefined;
}

test('a front that ignores the query: no page is proved from what it sent', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env });
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const [older, old, page] = [ids.at(-60)!, ids.at(-50)!, ids.at(-30)!];
  ignoreQueries(chatwoot);
  // Twenty rows above its cursor, fewer than the limit of a hundred: it fits, and says that there are no others.
  await backscroll.get(messagesOf(1, `?after=${older}`));
  // Rows that are not below its cursor do not.
  const odd = await backscroll.get(messagesOf(1, `?before=${page}`));
  expect([odd.status, odd.headers['cache-status']]).toEqual([200, 'backscroll; fwd=miss']);
  chatwoot.fault = undefined;
  const next = await backscroll.get(messagesOf(1, `?after=${old}`));
  expect(next.headers['cache-status']).toMatch(/^backscroll; fwd=miss/);
  expect(next.body.toString()).toBe(chatwoot.table.body(1, 1, { after: old }));

  // It goes on: each is counted, one line is logged, and nothing but the same query is answered from it.
  ignoreQueries(chatwoot);
  const counted = async (): Promise<number> =>
    Number(/backscroll_readings_total\{outcome="foreign"\} (\d+)/.exec(await backscroll.metrics())![1]);
  const before = await counted();
  for (let n = 0; n < 5; n++) {
    clock.advance(1000);
    const { headers } = await backscroll.get(messagesOf(1, `?before=${page - n}`));
    expect(headers['cache-status']).toBe('backscroll; fwd=miss');
  }
  expect((await counted()) - before).toBe(5);
  expect(told(backscroll).map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 50, conversation: { accountId: 1, conversationId: 1 }, unlogged: 0 }),
  ]);
});

test('rows out of order end proofs too', async () => {
  const { backscroll, chatwoot } = await startHouse({ env });
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const page = messagesOf(1, `?before=${ids.at(-40)!}`);
  await backscroll.get(page);
  expect((await backscroll.get(page)).headers['cache-status']).toMatch(/^backscroll; hit/);
  ignoreQueries(chatwoot, () => {
    const body = JSON.parse(chatwoot.table.body(1, 1, {})) as { payload: unknown[] };
    return JSON.stringify({ ...body, payload: body.payload.toReversed() });
  });
  await backscroll.get(messagesOf(1), { 'cache-control': 'no-cache' });
  chatwoot.fault = undefined;
  expect((await backscroll.get(page)).headers['cache-status']).toMatch(/^backscroll; fwd=miss/);
  expect(told(backscroll)).toHaveLength(1);
});

test('other conversations are proved as before, and a purge begins anew', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { ...env, ADMIN_KEYS: 'boss=key-of-the-admin-of-tests' } });
  ignoreQueries(chatwoot);
  await backscroll.get(messagesOf(1, '?before=1100'));
  chatwoot.fault = undefined;
  const isProved = async (conversation: number): Promise<boolean> => {
    const ids = chatwoot.table.rows(1, conversation).map(({ id }) => id);
    await backscroll.get(messagesOf(conversation, `?after=${ids.at(-50)!}&before=${ids.at(-10)!}`));
    // Nobody has asked for this one.
    const { headers } = await backscroll.get(messagesOf(conversation, `?after=${ids.at(-40)!}&before=${ids.at(-20)!}`));
    return headers['cache-status']!.startsWith('backscroll; hit');
  };
  expect([await isProved(1), await isProved(2)]).toEqual([false, true]);
  const headers = [['api_access_token', 'key-of-the-admin-of-tests']] as const;
  await backscroll.send({ method: 'DELETE', target: '/admin/cache?account=1&conversation=1', headers });
  expect(await isProved(1)).toBe(true);
});
