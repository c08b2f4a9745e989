import { describe, expect, test } from 'vitest';
import { readerOfClaims } from '../../src/clients/claims.ts';

const good = { account: 1, conversations: [2] };

describe('claims', () => {
  test('become a reader of one account, in the customer view, who may bypass nothing', () => {
    expect(readerOfClaims({ ...good, exp: 1, iss: 'x', scope: '*', mayBypass: true })).toEqual({
      clientName: 'jwt',
      scope: [{ account: 1, conversations: [2] }],
      view: 'customer',
      mayBypass: false,
      isNameless: true,
    });
    expect(readerOfClaims({ account: 1, conversations: '*', view: 'agent', sub: 'x' })).toEqual({
      clientName: 'jwt:x',
      scope: [{ account: 1, conversations: '*' }],
      view: 'agent',
      mayBypass: false,
    });
  });

  test('name at most a thousand conversations', () => {
    const conversations = Array.from({ length: 1000 }, (_, n) => n + 1);
    expect(readerOfClaims({ ...good, conversations })?.scope).toEqual([{ account: 1, conversations }]);
    expect(readerOfClaims({ ...good, conversations: [...conversations, 1] })).toBeNull();
  });

  test('give different subjects different names, all of them safe, none that of a client', () => {
    const subjects = ['a_b', 'a b', 'a/b', 'a@b', 'a_b~', 'Ä', '\u0000', 'anonymous', 'x'.repeat(128), ' '.repeat(128)];
    const names = subjects.map((sub) => readerOfClaims({ ...good, sub })!.clientName);
    expect(new Set(names).size).toBe(subjects.length);
    for (const name of names) expect(name).toMatch(/^jwt:[A-Za-z0-9._-]{1,128}(~[0-9a-f]{8})?$/);
  });

  test.each([
    [null],
    ['*'],
    [[good]],
    [{}],
    [{ ...good, account: Number.MAX_SAFE_INTEGER + 1 }],
    [{ ...good, account: -1 }],
    [{ ...good, account: [1] }],
    [{ ...good, conversations: '2' }],
    [{ ...good, conversations: '**' }],
    [{ ...good, conversations: [0] }],
    [{ ...good, conversations: [2, null] }],
    [{ ...good, view: null }],
    [{ ...good, view: 'Agent' }],
    [{ ...good, sub: null }],
    [{ ...good, sub: 'x'.repeat(129) }],
  ])('of another form are nobody’s: %j', (claims) => {
    expect(readerOfClaims(claims)).toBeNull();
  });
});
