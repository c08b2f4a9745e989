// A cache between here and Chatwoot makes answers older than they seem: its age counts, and it is told.

import { expect, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const warnings = (backscroll: Backscroll) => backscroll.logs.filter((line) => line.includes('came out of a cache between'));

/** Answers as it would, out of a cache. */
function answerCached(chatwoot: FakeChatwoot, headers: Readonly<Record<string, string>>): void {
  chatwoot.fault = (_number, { path, search }) => {
    const conversation = Number(/conversations\/(\d+)/.exec(path)?.[1]);
    const asked = new URLSearchParams(search);
    const cursor = (name: string) => (asked.has(name) ? { [name]: Number(asked.get(name)) } : {});
    const body = chatwoot.table.body(1, conversation, { ...cursor('before'), ...cursor('after') });
    return { kind: 'status', status: 200, headers: { ...JSON_TYPE, ...headers }, body };
  };
}

test('its Age is part of the age of what is shown, and of what is kept', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: { TAIL_MAX_AGE: '1m' } });
  answerCached(chatwoot, { age: '40', via: '1.1 edge' });
  const first = await backscroll.get(messagesOf(2));
  expect([first.headers['age'], first.headers['cache-status']]).toEqual(['40', 'backscroll; fwd=miss; stored']);
  // `meta` may be ten seconds old beside the newest page, so this is read again.
  clock.advance(5_000);
  chatwoot.fault = undefined;
  expect((await backscroll.get(messagesOf(2))).headers).toMatchObject({ age: '0' });
});

test.each([
  ['50', /^backscroll; hit; ttl=-40$/], // `meta` beside history is shown up to a minute.
  ['70', /^backscroll; fwd=miss/],
  ['2000', /^backscroll; fwd=miss/],
])('history that was %s s old already is a hit only within its ages', async (age, again) => {
  const { backscroll, chatwoot } = await startHouse();
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const page = messagesOf(1, `?before=${ids.at(-40)!}`);
  answerCached(chatwoot, { age });
  expect((await backscroll.get(page)).headers['age']).toBe(age);
  const { headers } = await backscroll.get(page);
  expect([headers['age'], headers['cache-status']]).toEqual([age, expect.stringMatching(again)]);
});

test('what comes from a cache that does not tell an age is shown and not kept', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { TAIL_MAX_AGE: '1m' } });
  answerCached(chatwoot, { 'cf-cache-status': 'HIT' });
  for (let n = 0; n < 3; n++) {
    const { status, headers } = await backscroll.get(messagesOf(2));
    expect([status, headers['cache-status']]).toEqual([200, 'backscroll; fwd=miss']);
  }
  expect(await backscroll.metrics()).toContain('backscroll_upstream_cached_answers_total 3');
  expect(warnings(backscroll).map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 40, header: 'cf-cache-status', ageMs: null, unlogged: 0 }),
  ]);
});
