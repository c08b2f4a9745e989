// @figuro/chatwoot-sdk as its users have it: only base URL and token value change.

import { createRequire } from 'node:module';
import type * as Sdk from '@figuro/chatwoot-sdk' with { 'resolution-mode': 'require' };
import { expect, test } from 'vitest';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { searchErrorForCanary } from '../support/canary.ts';
import { SAMPLE_TOKEN } from '../support/fake-chatwoot/sample-account.ts';

// It is CommonJS, and `require` is the one way to load it that Node, TypeScript and vitest agree on.
const sdk: (typeof Sdk)['default'] = createRequire(import.meta.url)('@figuro/chatwoot-sdk');
const { default: ChatwootClient } = sdk;

function clientOf(basePath: string, token: string) {
  return new ChatwootClient({ config: { basePath, with_credentials: true, credentials: 'include', token } });
}

test.each([
  ['as it is', ''],
  ['with a slash at its end', '/'],
])('lists messages through a base URL %s', async (_name, end) => {
  const { backscroll, chatwoot } = await startHouse();
  for (const conversationId of [1, 4, 6]) {
    const asked = { accountId: 1, conversationId };
    const direct: unknown = await clientOf(`${chatwoot.url}${end}`, SAMPLE_TOKEN).messages.list(asked);
    for (const _ of ['miss', 'hit']) {
      const through: unknown = await clientOf(`${backscroll.url}${end}`, KEY).messages.list(asked);
      expect(through).toEqual(direct);
    }
  }
  expect(readsOf(chatwoot)).toEqual([messagesOf(1), messagesOf(4), messagesOf(6)]);
});

test.each([
  ['a conversation that is not there', 99, KEY, 404, { error: 'Resource could not be found', code: 'not_found' }],
  ['an unknown key', 2, 'an-unknown-key', 401, { error: expect.any(String), code: 'unauthenticated' }],
])('is told of %s with status and body', async (_name, conversationId, key, status, body) => {
  const { backscroll } = await startHouse();
  const error: unknown = await clientOf(backscroll.url, key)
    .messages.list({ accountId: 1, conversationId })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(sdk.ApiError);
  expect(error).toMatchObject({ status, body });
  searchErrorForCanary('an error of the SDK', error);
});
