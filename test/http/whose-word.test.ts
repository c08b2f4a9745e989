// An answer belongs to its question, and a refusal to who says it: what comes from somewhere else is not shown as Chatwoot's word,
// not kept, and ends nothing that is known.

import { describe, expect, test } from 'vitest';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { FOREIGN_REFUSALS } from '../support/fake-chatwoot/in-between.ts';
import { SAMPLE_ACCOUNT_ID } from '../support/fake-chatwoot/sample-account.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const CUSTOMER = {
  name: 'customer',
  key: KEY,
  scope: [{ account: SAMPLE_ACCOUNT_ID, conversations: [2] }],
  view: 'customer',
} as const;

test('the page of another conversation is shown to nobody and not kept', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: [CUSTOMER] });
  const body = chatwoot.table.body(SAMPLE_ACCOUNT_ID, 1, {});
  chatwoot.fault = () => ({ kind: 'status', status: 200, headers: JSON_TYPE, body });
  for (let n = 0; n < 3; n++) {
    const answer = await backscroll.get(messagesOf(2));
    expect([answer.status, answer.code]).toEqual([502, 'upstream_invalid']);
    expect(answer.body.toString()).not.toContain('payload');
  }
  expect(await backscroll.metrics()).toContain('backscroll_upstream_answers_total{status="misplaced"} 3');
  expect(backscroll.logs.filter((line) => line.includes('its connection was closed'))).toHaveLength(1);

  chatwoot.fault = undefined;
  const answer = await backscroll.get(messagesOf(2));
  expect([answer.status, answer.headers['cache-status']]).toEqual([200, 'backscroll; fwd=miss; stored']);
});

test('where something drops the query, other pages are not proved from what it sent', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const newest = chatwoot.table.body(SAMPLE_ACCOUNT_ID, 1, {});
  const ids = chatwoot.table.rows(SAMPLE_ACCOUNT_ID, 1).map(({ id }) => id);
  await backscroll.get(messagesOf(1));
  chatwoot.fault = (_n, { search }) =>
    search === '' ? undefined : { kind: 'status', status: 200, headers: JSON_TYPE, body: newest };
  await backscroll.get(messagesOf(1, `?before=${ids.at(-50)}`));
  expect(backscroll.logs.filter((line) => line.includes('does not fit its question'))).toHaveLength(1);

  // This page follows from the newest one, which came unspoilt, but there is no telling any more what did.
  const before = readsOf(chatwoot).length;
  await backscroll.get(messagesOf(1, `?before=${ids.at(-1)! + 1}`));
  expect(readsOf(chatwoot).length).toBeGreaterThan(before);
  expect(await backscroll.metrics()).toMatch(/backscroll_readings_total\{outcome="foreign"\} [1-9]/);
});

describe.each(FOREIGN_REFUSALS)('$name', ({ fault, tells }) => {
  test('ends nothing that is known, and says who answered where nothing is', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const known = await backscroll.get(messagesOf(1));
    chatwoot.fault = () => fault;
    clock.advance(60_000);
    for (let n = 0; n < 2; n++) {
      const stale = await backscroll.get(messagesOf(1));
      expect(stale.headers['cache-status']).toMatch(/^backscroll; hit; fwd=stale/);
      expect(stale.body.equals(known.body)).toBe(true);
    }
    const unknown = await backscroll.get(messagesOf(3));
    expect([unknown.status, unknown.code]).toEqual([502, 'upstream_error']);
    expect(unknown.json()).toMatchObject({ error: expect.stringMatching(tells) });
    expect(unknown.body.toString()).not.toMatch(/administrator/);
  });
});

test('a database that takes too long over one read is no wrong address', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const headers = { ...JSON_TYPE, 'x-request-id': 'r', 'x-runtime': '14.002' };
  chatwoot.fault = () => ({ kind: 'status', status: 422, headers, body: '{"error":"La requête a pris trop de temps."}' });
  const answer = await backscroll.get(messagesOf(1));
  expect([answer.status, answer.code]).toEqual([504, 'upstream_timeout']);
  expect(answer.body.toString()).not.toContain('CHATWOOT_URL');
});
