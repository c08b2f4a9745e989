// Shapes of routes are few, whatever callers ask for.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { needsToken, routeShape } from '../../src/pass-through/route-shape.ts';

test.each([
  ['/api', 'api'],
  ['/api/', 'api'],
  ['/api/v1/profile', 'profile'],
  ['/api/v1/profile.json', 'profile'],
  ['/api/v1/accounts/1', 'accounts'],
  ['/api/v1/accounts/1/', 'accounts'],
  ['/api/v1/accounts/1/conversations', 'accounts/conversations'],
  ['/api/v1/accounts/1/conversations/7/', 'accounts/conversations'],
  ['/api/v1/accounts/1/conversations/7/messages/9', 'accounts/conversations/messages'],
  ['/api/v1/accounts/1/conversations/7/toggle_status.json', 'accounts/conversations/toggle_status'],
  ['/api/v1/accounts/1/contacts/7/notes', 'accounts/contacts/notes'],
  ['/api/v1/accounts/1/inboxes/7/constructor', 'accounts/inboxes/other'],
  ['/api/v2/accounts/1/reports', 'accounts/reports'],
  ['/api/v1/accounts/1/anything', 'accounts/other'],
  ['/api/v1/widget/messages', 'other'],
])('%s is %s', (path, shape) => {
  expect(routeShape({ path })).toBe(shape);
});

test('there are fewer than a hundred', () => {
  const word = fc.constantFrom(
    '',
    'v1',
    'accounts',
    'profile',
    'conversations',
    'contacts',
    'messages',
    'labels',
    '__proto__',
    'x',
    '1',
    'y.json',
  );
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 8 }), (words) => {
      seen.add(routeShape({ path: `/api/${words.join('/')}` }));
    }),
    { numRuns: 20_000 },
  );
  expect(seen.size).toBeLessThan(100);
});

test('a success tells of a token only where strangers have none', () => {
  expect(['/api/v1/profile', '/api/v1/accounts/1', '/api/v2/accounts/1/reports'].map((path) => needsToken({ path }))).toEqual([
    true,
    true,
    true,
  ]);
  expect(
    ['/api', '/api/v1/accounts', '/api/v1/widget/config', '/api/v1/accounts/x/y'].map((path) => needsToken({ path })),
  ).toEqual([false, false, false, false]);
});
