// The search for the planted token finds it wherever it could stand. Without this, silence would prove nothing.

import { expect, onTestFinished, test } from 'vitest';
import { KEY, messagesOf, received, startBackscroll } from '../support/backscroll.ts';
import { CANARY, findCanary, searchErrorForCanary, searchForCanary, takeLeaks } from '../support/canary.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

test.each([
  ['as it is', `x${CANARY}y`],
  ['in upper case', CANARY.toUpperCase()],
  ['as hex', Buffer.from(`ab${CANARY}`).toString('hex')],
  ['as base64', Buffer.from(CANARY).toString('base64')],
  ['as base64 after one byte', Buffer.from(`:${CANARY}`).toString('base64')],
  ['as base64 of credentials', Buffer.from(`me:${CANARY}`).toString('base64url')],
  ['percent-encoded', encodeURIComponent(CANARY).replaceAll('-', '%2D')],
])('the token is found %s', (_name, text) => {
  expect(findCanary(`before ${text} after`)).toBeDefined();
});

test('other text is not taken for it', () => {
  expect(findCanary(CANARY.slice(0, -1))).toBeUndefined();
  expect(findCanary(`{"error":"canary","key":"${KEY}"}`)).toBeUndefined();
});

test('a leak is thrown and remembered, for the test to fail where the throw is swallowed', () => {
  expect(() => searchForCanary('a body', Buffer.from(CANARY))).toThrow('the token is in a body');
  expect(() => searchErrorForCanary('an error', new Error('outside', { cause: new Error(CANARY) }))).toThrow(
    'the token is in an error',
  );
  expect(() => received('an answer', { status: 200, headers: [['x-token', CANARY]], body: Buffer.alloc(0) })).toThrow('headers');
  expect(takeLeaks()).toHaveLength(3);
  expect(takeLeaks()).toEqual([]);
});

test('a token that Chatwoot sends back in a page is found in the answer of a running Backscroll', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const backscroll = await startBackscroll({ chatwoot });
  onTestFinished(() => backscroll.close());
  chatwoot.table.insert({ accountId: 1, conversationId: 6, content: `a customer pasted ${CANARY}` });
  await expect(backscroll.get(messagesOf(6))).rejects.toThrow('the token is in the answer');
  expect(takeLeaks()).toHaveLength(1);
});

test('a token in a log line is found when Backscroll closes', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const backscroll = await startBackscroll({ chatwoot });
  backscroll.app.http.log.info({ planted: CANARY }, 'planted');
  await expect(backscroll.close()).rejects.toThrow('the token is in a log line');
  expect(takeLeaks()).toHaveLength(1);
});
