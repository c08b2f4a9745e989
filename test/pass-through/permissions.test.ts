// Permissions are short, and few enough.

import { expect, test } from 'vitest';
import { Permissions } from '../../src/pass-through/permissions.ts';

const ONE = { token: 'one', name: 'hash-of-one' };
const OTHER = { token: 'other', name: 'hash-of-other' };

test('each is of one token and one conversation, for ten seconds from when it was asked', () => {
  let now = 100_000;
  const permissions = new Permissions({ now: () => now });
  permissions.shown(ONE, { accountId: 1, conversationId: 23 }, now - 4000);
  expect(permissions.isLive(ONE, { accountId: 1, conversationId: 23 })).toBe(true);
  for (const conversation of [
    { accountId: 1, conversationId: 2 },
    { accountId: 12, conversationId: 3 },
    { accountId: 2, conversationId: 23 },
  ])
    expect(permissions.isLive(ONE, conversation)).toBe(false);
  expect(permissions.isLive(OTHER, { accountId: 1, conversationId: 23 })).toBe(false);
  now += 5999;
  expect(permissions.isLive(ONE, { accountId: 1, conversationId: 23 })).toBe(true);
  now += 1;
  expect(permissions.isLive(ONE, { accountId: 1, conversationId: 23 })).toBe(false);
});

test('an answer that comes late takes nothing back, and an end is an end', () => {
  const permissions = new Permissions({ now: () => 20_000 });
  const conversation = { accountId: 1, conversationId: 1 };
  permissions.shown(ONE, conversation, 19_000);
  permissions.shown(ONE, conversation, 5000);
  expect(permissions.isLive(ONE, conversation)).toBe(true);
  permissions.end(ONE, conversation);
  expect(permissions.isLive(ONE, conversation)).toBe(false);
});

test('with too many, the one that was used longest ago goes', () => {
  const permissions = new Permissions({ now: () => 0, max: 3 });
  const at = (conversationId: number) => ({ accountId: 1, conversationId });
  for (const id of [1, 2, 3]) permissions.shown(ONE, at(id), 0);
  expect(permissions.isLive(ONE, at(1))).toBe(true);
  permissions.shown(ONE, at(4), 0);
  expect([permissions.size, permissions.isLive(ONE, at(1)), permissions.isLive(ONE, at(2))]).toEqual([3, true, false]);
});
