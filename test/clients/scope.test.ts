import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allows, type Scope } from '../../src/clients/scope.ts';

const id = fc.integer({ min: 1, max: 4 });
const scopes: fc.Arbitrary<Scope> = fc.oneof(
  fc.constant('*' as const),
  fc.array(fc.record({ account: id, conversations: fc.oneof(fc.constant('*' as const), fc.array(id, { maxLength: 4 })) }), {
    maxLength: 4,
  }),
);

/** Every pair that the scope names, written out. */
function pairs(scope: Scope): Set<string> {
  const all = [1, 2, 3, 4];
  const accounts = scope === '*' ? all.map((account) => ({ account, conversations: '*' as const })) : scope;
  return new Set(
    accounts.flatMap(({ account, conversations }) =>
      (conversations === '*' ? all : conversations).map((conversation) => `${account}/${conversation}`),
    ),
  );
}

describe('allows', () => {
  test('agrees with the scope written out pair by pair', () => {
    fc.assert(
      fc.property(scopes, id, id, (scope, accountId, conversationId) => {
        expect(allows(scope, { accountId, conversationId })).toBe(pairs(scope).has(`${accountId}/${conversationId}`));
      }),
    );
  });

  test('keeps the same display id of another account apart', () => {
    const scope: Scope = [{ account: 1, conversations: [7] }];
    expect(allows(scope, { accountId: 1, conversationId: 7 })).toBe(true);
    expect(allows(scope, { accountId: 7, conversationId: 1 })).toBe(false);
    expect(allows(scope, { accountId: 2, conversationId: 7 })).toBe(false);
  });

  test('joins several entries of one account', () => {
    const scope: Scope = [
      { account: 1, conversations: [7] },
      { account: 1, conversations: [8] },
    ];
    expect(allows(scope, { accountId: 1, conversationId: 8 })).toBe(true);
  });

  test('an empty list allows nothing', () => {
    expect(allows([], { accountId: 1, conversationId: 1 })).toBe(false);
  });
});
