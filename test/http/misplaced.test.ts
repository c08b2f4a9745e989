// A connection that is off by one brings the page of a conversation that its caller may not read: it is shown to nobody, and not kept.

import { expect, onTestFinished, test } from 'vitest';
import { messagesOf, startBackscroll, testClock } from '../support/backscroll.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { OffByOneFront, type Passes } from '../support/off-by-one.ts';

const AGENT = { name: 'crm', key: 'key-of-the-agents-crm' } as const;
const CUSTOMER = {
  name: 'portal',
  key: 'key-of-the-customer-portal',
  scope: [{ account: 1, conversations: [2] }],
} as const;

async function houseBehind(passes: Passes) {
  const clock = testClock();
  const chatwoot = await startSampleChatwoot({ now: clock.now });
  onTestFinished(() => chatwoot.close());
  const front = await OffByOneFront.open(chatwoot.url, passes);
  onTestFinished(() => front.close());
  const env = { CHATWOOT_URL: front.url, UPSTREAM_CONNECTIONS: '1', TAIL_MAX_AGE: '1m' };
  const backscroll = await startBackscroll({ chatwoot, clients: [AGENT, CUSTOMER], env, now: clock.now });
  onTestFinished(() => backscroll.close());
  const ask = (who: { readonly key: string }, target: string) =>
    backscroll.send({ target, headers: [['api_access_token', who.key]] });
  return { chatwoot, front, backscroll, clock, ask };
}

test.each<Passes>(['ids', 'no ids'])('where the front passes %s on', async (passes) => {
  const { chatwoot, front, backscroll, ask } = await houseBehind(passes);
  const foreign = await ask(AGENT, messagesOf(1));
  expect(foreign.status).toBe(200);
  front.leaveOver();
  const refused = await ask(CUSTOMER, messagesOf(2));
  expect([refused.status, refused.code]).toEqual([502, 'upstream_invalid']);
  expect(refused.body.toString()).not.toMatch(/payload|Nadia/);

  const before = front.over.length;
  for (let n = 0; n < 4; n++) {
    const own = await ask(CUSTOMER, messagesOf(2));
    expect(own.body.toString()).toBe(chatwoot.table.body(1, 2, {}));
    expect(own.headers['cache-status']).toMatch(n === 0 ? /^backscroll; fwd=miss; stored$/ : /^backscroll; hit/);
  }
  expect(front.poisoned).toBeDefined();
  expect(front.poisoned!.destroyed).toBe(true);
  expect(front.over.slice(before)).not.toContain(front.poisoned);

  expect(await backscroll.metrics()).toContain('backscroll_upstream_answers_total{status="misplaced"} 1');
  const told = backscroll.logs.filter((line) => line.includes('answer to another question'));
  expect(told.map((line): unknown => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ level: 50, conversation: { accountId: 1, conversationId: 2 }, unlogged: 0 }),
  );
  expect(told.join('')).not.toMatch(/Nadia|payload/);
});

test('an empty page of the same conversation id in another account is told by its request alone', async () => {
  const { chatwoot, front, ask } = await houseBehind('ids');
  chatwoot.directory.addAccount(2);
  await ask(AGENT, '/api/v1/accounts/1/conversations/6/messages');
  front.leaveOver();
  const refused = await ask(CUSTOMER, messagesOf(2));
  expect([refused.status, refused.code]).toEqual([502, 'upstream_invalid']);
});

test('while it goes on, the right page is shown all the same, and the log stays readable', async () => {
  const { chatwoot, front, backscroll, clock, ask } = await houseBehind('ids');
  const page = chatwoot.table.body(1, 2, {});
  expect((await ask(CUSTOMER, messagesOf(2))).body.toString()).toBe(page);
  for (let n = 0; n < 3; n++) {
    await ask(AGENT, messagesOf(1, `?before=${1100 + n}`));
    front.leaveOver();
    clock.advance(100);
    const again = await backscroll.send({
      target: messagesOf(2),
      headers: [
        ['api_access_token', CUSTOMER.key],
        ['cache-control', 'no-cache'],
      ],
    });
    expect(again.body.toString()).toBe(page);
    expect(again.status).toBe(200);
  }
  expect(await backscroll.metrics()).toContain('backscroll_upstream_answers_total{status="misplaced"} 3');
  expect(backscroll.logs.filter((line) => line.includes('its connection was closed'))).toHaveLength(1);
});
