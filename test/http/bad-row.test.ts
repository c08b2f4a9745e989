// One row that Chatwoot cannot render makes every page with it fail (contract 2.2). All other pages are answered.

import { expect, test } from 'vitest';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const FAILS = { kind: 'status', status: 500, body: '{"error":"Something went wrong"}' } as const;

test('a page that does not have the bad row is answered, whatever is read around it', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const bad = ids.at(-3)!;
  chatwoot.fault = (_number, { search }) => (pageOf(search).includes(bad) ? FAILS : undefined);
  const pageOf = (search: string): number[] => {
    const asked = new URLSearchParams(search);
    const cursor = (name: string) => (asked.has(name) ? { [name]: Number(asked.get(name)) } : {});
    return chatwoot.table.find(1, 1, { ...cursor('before'), ...cursor('after') }).map(({ id }) => id);
  };
  let failed = 0;
  for (let round = 0; round < 3; round++) {
    for (let at = 1; at < 120; at += 7) {
      const search = `?before=${ids.at(-at)!}`;
      const has = pageOf(search).includes(bad);
      const { status, headers } = await backscroll.get(messagesOf(1, search));
      expect([search, status]).toEqual([search, has ? 502 : 200]);
      if (!has) expect(headers['cache-status']).not.toContain('fwd=stale');
      else failed++;
      clock.advance(11_000);
    }
    clock.advance(10 * 60_000);
  }
  expect(failed).toBeGreaterThan(0);
  expect(readsOf(chatwoot).length).toBeGreaterThan(0);
});

test.each([404, 401])(
  'what before_timestamp is told by a %i is heeded: nothing of the conversation is shown after it',
  async (status) => {
    const { backscroll, chatwoot, clock } = await startHouse();
    await backscroll.get(messagesOf(2));
    const error = status === 404 ? 'Resource could not be found' : 'You are not authorized to do this action';
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    chatwoot.fault = () => ({ kind: 'status', status, headers, body: JSON.stringify({ error }) });
    expect((await backscroll.get(messagesOf(2, '?before_timestamp=1700000000'))).status).not.toBe(200);
    chatwoot.fault = () => FAILS;
    clock.advance(120_000);
    expect((await backscroll.get(messagesOf(2))).status).toBe(502);
  },
);
