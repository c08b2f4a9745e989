// The feed listens to an account with the token that the account is read with.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { feedTokens } from '../../src/feed/feed-tokens.ts';

const token = fc.constantFrom('one', 'two', 'three');
const account = fc.integer({ min: 1, max: 6 });
const settings = fc.record({
  chatwootApiToken: fc.option(token, { nil: undefined }),
  chatwootAccountTokens: fc.array(fc.tuple(account, token)).map((all) => new Map(all)),
});

test('each account is served by the token it is read with and by no other, and each token listens once', () => {
  fc.assert(
    fc.property(settings, account, (given, accountId) => {
      const tokens = feedTokens(given);
      const readWith = given.chatwootAccountTokens.get(accountId) ?? given.chatwootApiToken;
      const serving = tokens.filter(({ serves }) => serves(accountId)).map((each) => each.token);
      expect(serving).toEqual(readWith === undefined ? [] : [readWith]);
      expect(new Set(tokens.map((each) => each.token)).size).toBe(tokens.length);
    }),
  );
});
