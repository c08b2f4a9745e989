// Whoever writes sees what it wrote when it asks next, and so does everybody else.

import { describe, expect, test } from 'vitest';
import { messagesOf } from '../support/backscroll.ts';
import { changeBy } from '../../src/pass-through/writes.ts';
import { OLD, sendAndLook } from './send-and-look.ts';
import { AGENTS, JSON_TYPE, RUNNING, startPassingHouse, type PassingHouse } from './house.ts';

interface Row {
  readonly id: number;
  readonly content: string;
  readonly content_attributes: { readonly deleted?: boolean };
}

async function rowsOf({ ask }: PassingHouse, query = '', token?: string): Promise<readonly Row[]> {
  const answer = await ask(messagesOf(1, query), token === undefined ? {} : { token });
  expect(answer.status).toBe(200);
  return (answer.json() as { payload: readonly Row[] }).payload;
}

/** Has it known, so that it would be shown again as it is. */
async function warm({ ask, backscroll }: PassingHouse, query: string): Promise<void> {
  const isHit = async (): Promise<boolean> => {
    await backscroll.app.readThrough.idle();
    return (await ask(messagesOf(1, query))).headers['cache-status']?.startsWith('backscroll; hit') === true;
  };
  for (let n = 0; n < 10; n++) if (await isHit()) return;
  throw new Error('it does not become known');
}

function write({ ask }: PassingHouse, method: string, target: string, json: object = {}) {
  return ask(target, { method, headers: [JSON_TYPE], body: JSON.stringify(json) });
}

test('a message sent is in the very next newest page, with pollers beside it', async () => {
  const { missed, polls } = await sendAndLook(60);
  expect([missed, polls > 10]).toEqual([0, true]);
});

test('an edit and a deletion show in the next page that has the message, old or new', async () => {
  const house = await startPassingHouse({ env: OLD, clock: RUNNING });
  const ids = house.chatwoot.table.rows(1, 1).map(({ id }) => id);
  const pages = [
    ['', ids.at(-3)!],
    ['', ids.at(-18)!],
    [`?before=${ids[100]!}`, ids[90]!],
    [`?after=${ids[200]!}`, ids[250]!],
    [`?after=${ids[40]}&before=${ids[99]!}`, ids[50]!],
  ] as const;
  for (const [query, id] of pages) {
    await warm(house, query);
    await write(house, 'PATCH', messagesOf(1, `/${id}`), { content: `edited ${id}` });
    expect((await rowsOf(house, query)).find((row) => row.id === id)?.content).toBe(`edited ${id}`);
    await warm(house, query);
    await write(house, 'DELETE', messagesOf(1, `/${id}`));
    const shown = ((await house.backscroll.get(messagesOf(1, query))).json() as { payload: Row[] }).payload;
    expect(shown.find((row) => row.id === id)?.content_attributes.deleted).toBe(true);
  }
});

test('labels, a status and their activity show in the next page', async () => {
  const house = await startPassingHouse({ env: OLD, clock: RUNNING });
  const conversation = '/api/v1/accounts/1/conversations/1';
  await rowsOf(house);
  await rowsOf(house);
  await write(house, 'POST', `${conversation}/labels`, { labels: ['urgent'] });
  expect((await house.ask(messagesOf(1))).json()).toMatchObject({ meta: { labels: ['urgent'] } });
  await write(house, 'POST', `${conversation}/toggle_status`);
  expect((await rowsOf(house)).at(-1)!.content).toMatch(/^Conversation was marked resolved/);
});

test('a deleted conversation is forgotten, also for those who read it while Chatwoot fails', async () => {
  const house = await startPassingHouse({ env: OLD, clock: RUNNING });
  await house.backscroll.get(messagesOf(1));
  await write(house, 'DELETE', '/api/v1/accounts/1/conversations/1');
  house.chatwoot.fault = () => ({ kind: 'status', status: 503 });
  expect((await house.backscroll.get(messagesOf(1))).status).toBe(502);
});

test('what Chatwoot refuses, a read, and one who types change nothing', async () => {
  const house = await startPassingHouse({ env: OLD, clock: RUNNING });
  await house.backscroll.get(messagesOf(3));
  await house.backscroll.get(messagesOf(3));
  const conversation = '/api/v1/accounts/1/conversations/3';
  expect(
    (await house.ask(messagesOf(3), { method: 'POST', token: AGENTS, headers: [JSON_TYPE], body: '{"content":"x"}' })).status,
  ).toBe(401);
  await house.ask(conversation);
  expect((await house.ask(`${conversation}/toggle_typing_status`, { method: 'POST' })).status).toBe(200);
  expect((await house.ask(messagesOf(3), { method: 'POST', token: 'nobodysToken', body: '{}' })).status).toBe(401);
  expect((await house.backscroll.get(messagesOf(3))).headers['cache-status']).toMatch(/^backscroll; hit/);
});

test('a write whose answer is lost may have been one: for a token that Chatwoot knows', async () => {
  const house = await startPassingHouse({ env: { ...OLD, UPSTREAM_TIMEOUT: '1s' }, clock: RUNNING });
  await rowsOf(house);
  await rowsOf(house);
  const hit = /^backscroll; hit/;
  const lose = async (token?: string): Promise<void> => {
    house.chatwoot.fault = (_number, { method }) => (method === 'POST' ? { kind: 'refuse-headers-reset' } : undefined);
    const body = { method: 'POST', headers: [JSON_TYPE], body: '{"content":"lost"}' };
    expect((await house.ask(messagesOf(1), { ...body, ...(token === undefined ? {} : { token }) })).status).toBe(502);
    house.chatwoot.fault = undefined;
  };
  await lose('nobodysToken');
  expect((await house.backscroll.get(messagesOf(1))).headers['cache-status']).toMatch(hit);
  await lose();
  expect((await house.backscroll.get(messagesOf(1))).headers['cache-status']).not.toMatch(hit);
  expect((await rowsOf(house)).at(-1)!.content).toBe('lost');
});

describe('what a request may have written', () => {
  const CONVERSATION = { accountId: 1, conversationId: 2 };

  test.each([
    ['POST', '/api/v1/accounts/1/conversations/2/messages'],
    ['POST', '/api/v1/accounts/1/conversations/2/messages.json'],
    ['PATCH', '/api/v1/accounts/01/conversations/2abc/messages/7'],
    ['DELETE', '/api/v1/accounts/%31/conversations/%202/messages/7'],
    ['PUT', '/api/v1/accounts/+1/conversations/0_2/custom_attributes/'],
    ['PATCH', '/api/v1/accounts/1/conversations/2'],
    ['POST', '/api/v1/accounts/1/conversations/2/anything/new'],
  ])('%s %s: that conversation', (method, path) => {
    expect(changeBy(method, path)).toEqual({ kind: 'written', conversation: CONVERSATION });
  });

  test.each([
    ['DELETE', '/api/v1/accounts/1/conversations/2'],
    ['DELETE', '/api/v1/accounts/1/conversations/2/'],
  ])('%s %s: it is gone', (method, path) => {
    expect(changeBy(method, path)).toEqual({ kind: 'gone', conversation: CONVERSATION });
  });

  test.each([
    ['GET', '/api/v1/accounts/1/conversations/2'],
    ['HEAD', '/api/v1/accounts/1/conversations/2/messages/7'],
    ['POST', '/api/v1/accounts/1/conversations'],
    ['POST', '/api/v1/accounts/1/conversations/filter'],
    ['POST', '/api/v1/accounts/1/conversations/2/toggle_typing_status'],
    ['POST', '/api/v1/accounts/1/contacts/2'],
    ['POST', '/api/v1/profile'],
  ])('%s %s: nothing that is known here', (method, path) => {
    expect(changeBy(method, path)).toBeNull();
  });
});
