// How old the newest messages may be: not at all unless somebody says so, for all or for a client of its own.

import { expect, test, vi } from 'vitest';
import type { Received } from '../support/backscroll.ts';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const PATIENT = { name: 'patient', key: 'key-of-the-patient-poller', tailMaxAge: '2s' };
const PROMPT = { name: 'prompt', key: 'key-of-the-prompt-agent', tailMaxAge: '0s' };

interface Page {
  readonly payload: readonly { readonly id: number }[];
}

const newestIn = (answer: Received): number | undefined => (answer.json() as Page).payload.at(-1)?.id;

test('an agent that a webhook wakes finds its message, whoever read a moment before', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  for (let turn = 0; turn < 50; turn++) {
    /* oxlint-disable no-await-in-loop -- in the order of time */
    await backscroll.get(messagesOf(4));
    clock.advance(0.5);
    const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 4, content: `turn ${turn}` });
    clock.advance(0.5);
    expect(newestIn(await backscroll.get(messagesOf(4)))).toBe(id);
    clock.advance(turn * 100);
    /* oxlint-enable no-await-in-loop */
  }
});

test.each([messagesOf(4), messagesOf(4, '?filter_internal_messages=true')])('each look at %s is one read', async (page) => {
  const { backscroll, chatwoot, clock } = await startHouse();
  for (let look = 1; look <= 30; look++) {
    clock.advance(look * 10);
    /* oxlint-disable no-await-in-loop -- in the order of time */
    if (look % 7 === 0) chatwoot.table.insert({ accountId: 1, conversationId: 4 });
    expect((await backscroll.get(page)).status).toBe(200);
    await backscroll.app.readThrough.idle();
    /* oxlint-enable no-await-in-loop */
    expect(readsOf(chatwoot)).toHaveLength(look);
  }
});

test('a read under way is not joined once its meta is too old, however old the messages may be', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({
    env: { TAIL_MAX_AGE: '1m', META_MAX_AGE: '1s' },
  });
  const [first, second] = [chatwoot.hold(), chatwoot.hold()];
  const early = backscroll.get(messagesOf(2));
  await first.arrived;
  clock.advance(1100);
  const late = backscroll.get(messagesOf(2));
  await expect.poll(() => backscroll.app.readThrough.size.inFlight).toBe(2);
  first.release();
  await early;
  await second.arrived;
  second.release();
  expect((await late).status).toBe(200);
  expect(readsOf(chatwoot)).toHaveLength(2);
});

test('a read is shared by those who came before it was sent', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const [first, second] = [chatwoot.hold(), chatwoot.hold()];
  const early = backscroll.get(messagesOf(2));
  await first.arrived;
  clock.advance(1);
  chatwoot.table.insert({ accountId: 1, conversationId: 2 });
  const late = Array.from({ length: 5 }, () => backscroll.get(messagesOf(2)));
  await expect.poll(() => backscroll.app.readThrough.size.inFlight).toBe(2);
  first.release();
  await early;
  await second.arrived;
  second.release();
  const body = chatwoot.table.body(1, 2, {});
  for (const answer of await Promise.all(late)) expect(answer.body.toString()).toBe(body);
  expect(readsOf(chatwoot)).toHaveLength(2);
});

test('a page of settled history is read once for all who want it meanwhile', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  await backscroll.get(messagesOf(2));
  clock.advance(200_000);
  const before = chatwoot.table.rows(1, 1).at(-100)!.id;
  const asked = vi.spyOn(backscroll.app.readThrough, 'answerSoon');
  const gate = chatwoot.hold();
  const answers = [backscroll.get(messagesOf(1, `?before=${before}`))];
  await gate.arrived;
  for (let late = 0; late < 3; late++) {
    clock.advance(1);
    answers.push(backscroll.get(messagesOf(1, `?before=${before}`)));
  }
  await expect.poll(() => asked.mock.calls.length).toBe(answers.length);
  gate.release();
  const body = chatwoot.table.body(1, 1, { before });
  for (const answer of await Promise.all(answers)) expect(answer.body.toString()).toBe(body);
  expect(readsOf(chatwoot).filter((target) => target.endsWith(`?before=${before}`))).toHaveLength(1);
});

test('a client has the age that its entry says, beside others that have none', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ clients: [PATIENT, PROMPT, { name: 'other', key: KEY }] });
  const ask = (key: string) => backscroll.send({ target: messagesOf(4), headers: [['api_access_token', key]] });
  await ask(PATIENT.key);
  clock.advance(2000);
  const hit = await ask(PATIENT.key);
  expect(hit.headers).toMatchObject({ age: '2', 'cache-status': 'backscroll; hit; ttl=0' });
  expect(readsOf(chatwoot)).toHaveLength(1);
  for (const key of [PROMPT.key, KEY]) {
    const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 4 });
    // oxlint-disable-next-line no-await-in-loop -- in the order of time
    expect(newestIn(await ask(key))).toBe(id);
    clock.advance(1);
  }
  expect(readsOf(chatwoot)).toHaveLength(3);
  clock.advance(2000);
  await ask(PATIENT.key);
  expect(readsOf(chatwoot)).toHaveLength(4);
});

test.each<[string, string, (ids: readonly number[]) => string | null]>([
  ['backwards', '', ([oldest]) => (oldest === undefined ? null : `?before=${oldest}`)],
  ['forwards', '?after=0', (ids) => (ids.length < 100 ? null : `?after=${ids.at(-1)}`)],
])('a walk %s that says no-cache on every request costs no more than one that does not', async (_way, start, next) => {
  const callsOf = async (headers: Record<string, string>): Promise<{ calls: number; pages: string[] }> => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const pages: string[] = [];
    let cursor = start;
    for (;;) {
      clock.advance(200);
      /* oxlint-disable no-await-in-loop -- page after page */
      const answer = await backscroll.get(messagesOf(1, cursor), headers);
      await backscroll.app.readThrough.idle();
      /* oxlint-enable no-await-in-loop */
      pages.push(answer.body.toString());
      const following = next((answer.json() as Page).payload.map(({ id }) => id));
      if (following === null) return { calls: readsOf(chatwoot).length, pages };
      cursor = following;
    }
  };
  const plain = await callsOf({});
  expect(plain.pages.length).toBeGreaterThan(3);
  expect(await callsOf({ 'cache-control': 'no-cache', pragma: 'no-cache' })).toEqual(plain);
});
