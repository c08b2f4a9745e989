// Operators may forget: what was read before is not shown again, also not by a read that was under way.

import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { Backscroll, Received } from '../support/backscroll.ts';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const ADMIN_KEY = 'admin-key-of-the-tests';
const ENV = { ADMIN_KEYS: `ops=${ADMIN_KEY}` };

async function purge(backscroll: Backscroll, search = '', key = ADMIN_KEY): Promise<Received> {
  return backscroll.send({ method: 'DELETE', target: `/admin/cache${search}`, headers: [['api_access_token', key]] });
}

async function outcomes(backscroll: Backscroll, ...conversations: number[]): Promise<(string | undefined)[]> {
  const answers = await Promise.all(conversations.map(async (id) => backscroll.get(messagesOf(id))));
  return answers.map(({ headers }) => /hit|miss/.exec(headers['cache-status'] ?? '')?.[0]);
}

test('a purge forgets a conversation, an account, or everything, and says how many it were', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  await outcomes(backscroll, 2, 3, 4);
  expect(await outcomes(backscroll, 2, 3, 4)).toEqual(['hit', 'hit', 'hit']);

  const one = await purge(backscroll, '?account=1&conversation=2');
  expect([one.status, one.json()]).toEqual([200, { purged: 1 }]);
  expect(await outcomes(backscroll, 2, 3, 4)).toEqual(['miss', 'hit', 'hit']);

  expect((await purge(backscroll, '?account=1?conversation=2')).status).toBe(400);
  expect((await purge(backscroll, '?account=2')).json()).toEqual({ purged: 0 });
  expect((await purge(backscroll, '?account=11')).json()).toEqual({ purged: 0 });
  expect(await outcomes(backscroll, 2, 3, 4)).toEqual(['hit', 'hit', 'hit']);
  expect((await purge(backscroll, '?account=1')).json()).toEqual({ purged: 3 });
  expect(await outcomes(backscroll, 2, 3, 4)).toEqual(['miss', 'miss', 'miss']);

  expect((await purge(backscroll)).json()).toEqual({ purged: 3 });
  expect(backscroll.app.readThrough.size).toMatchObject({ conversations: 0, bytes: 0 });
  expect(await outcomes(backscroll, 2, 3, 4)).toEqual(['miss', 'miss', 'miss']);
});

test('a purge forgets that a conversation was not there', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  expect((await backscroll.get(messagesOf(99))).code).toBe('not_found');
  chatwoot.table.addConversation(1, 99);
  expect((await backscroll.get(messagesOf(99))).code).toBe('not_found');
  await purge(backscroll, '?account=1&conversation=99');
  expect((await backscroll.get(messagesOf(99))).status).toBe(200);
});

test('nothing purged is shown stale', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: ENV });
  await backscroll.get(messagesOf(2));
  clock.advance(2000);
  chatwoot.fault = () => ({ kind: 'status', status: 500 });
  expect((await backscroll.get(messagesOf(2))).headers['cache-status']).toMatch(/fwd=stale/);
  await purge(backscroll);
  expect((await backscroll.get(messagesOf(2))).code).toBe('upstream_error');
});

test('without ADMIN_KEYS there is no such route', async () => {
  const { backscroll } = await startHouse();
  const refused = await purge(backscroll, '', KEY);
  expect([refused.status, refused.code]).toEqual([404, 'not_served']);
});

test('no other key purges, and the admin key reads nothing', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  await backscroll.get(messagesOf(2));
  for (const key of ['a-wrong-key-of-enough-length', KEY]) {
    const refused = await purge(backscroll, '', key);
    expect([refused.status, refused.code]).toEqual([401, 'unauthenticated']);
  }
  const keyless = await backscroll.send({ method: 'DELETE', target: '/admin/cache' });
  expect([keyless.status, keyless.code]).toEqual([401, 'unauthenticated']);
  expect(await outcomes(backscroll, 2)).toEqual(['hit']);
  const read = await backscroll.send({ target: messagesOf(2), headers: [['api_access_token', ADMIN_KEY]] });
  expect([read.status, read.code]).toEqual([401, 'unauthenticated']);
});

test.each([
  '?conversation=2',
  '?account=1&conversation=x',
  '?account=0',
  '?account=',
  '?account=1&account=2',
  '?accounts=1',
  '?account=1&conversations=2',
])('%s is refused and forgets nothing', async (search) => {
  const { backscroll } = await startHouse({ env: ENV });
  await backscroll.get(messagesOf(2));
  const refused = await purge(backscroll, search);
  expect([refused.status, refused.code]).toEqual([400, 'invalid_parameter']);
  expect(await outcomes(backscroll, 2)).toEqual(['hit']);
});

test('a GET of the admin path is not served', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  const refused = await backscroll.send({ target: '/admin/cache', headers: [['api_access_token', ADMIN_KEY]] });
  expect([refused.status, refused.code]).toEqual([404, 'not_served']);
});

test.each(['', '?account=1', '?account=1&conversation=2'])(
  'a purge (%s) wins over a read under way: its callers are answered, nothing of it is kept, later callers have it read anew',
  async (extent) => {
    const { backscroll, chatwoot, clock } = await startHouse({ env: ENV });
    const [first, second] = [chatwoot.hold('after-read'), chatwoot.hold('after-read')];
    const early = [backscroll.get(messagesOf(2))];
    await first.arrived;
    const joins = once(backscroll.app.http.server, 'request');
    early.push(backscroll.get(messagesOf(2)));
    await joins;
    const before = chatwoot.table.body(1, 2, {});
    clock.advance(1);
    chatwoot.table.insert({ accountId: 1, conversationId: 2, content: 'written before the purge' });
    const after = chatwoot.table.body(1, 2, {});
    expect((await purge(backscroll, extent)).status).toBe(200);

    const comes = once(backscroll.app.http.server, 'request');
    const late = backscroll.get(messagesOf(2));
    await comes;
    first.release();
    for (const answer of await Promise.all(early)) {
      expect([answer.status, answer.body.toString()]).toEqual([200, before]);
      expect(answer.headers['cache-status']).not.toContain('stored');
    }
    expect(backscroll.app.readThrough.size.conversations).toBe(0);
    await second.arrived;
    second.release();
    expect((await late).body.toString()).toBe(after);
    expect(readsOf(chatwoot)).toEqual([messagesOf(2), messagesOf(2)]);
    const answer = await backscroll.get(messagesOf(2));
    expect([answer.body.toString(), answer.headers['cache-status']]).toEqual([after, expect.stringContaining('hit')]);
  },
);

test('a purge of another conversation lets a read under way be kept', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  const gate = chatwoot.hold();
  const asking = backscroll.get(messagesOf(2));
  await gate.arrived;
  for (const extent of ['?account=1&conversation=22', '?account=1&conversation=3', '?account=12'])
    await purge(backscroll, extent);
  gate.release();
  expect((await asking).headers['cache-status']).toContain('stored');
});

test('what a seal was reading when the purge came is not kept', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const history = (fromTop: number): string => messagesOf(1, `?before=${ids.at(-fromTop)}`);
  await backscroll.get(history(20));
  const gate = chatwoot.hold('after-read', ({ search }) => search.includes('after=') && search.includes('before='));
  const sealing = backscroll.get(history(60));
  await gate.arrived;
  const edited = chatwoot.table.edit(ids.at(-61)!, { content: 'edited before the purge' });
  expect((await purge(backscroll)).json()).toEqual({ purged: 1 });
  gate.release();
  await sealing;
  await backscroll.app.readThrough.idle();
  expect((await backscroll.get(history(60))).body.toString()).toContain(edited.json);
});
