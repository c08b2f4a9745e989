// Of which contacts an event changes nothing.

import { expect, test } from 'vitest';
import { ContactMemory } from '../../src/feed/contact-memory.ts';

test('a contact is the same as long as it looks the same, whoever caused the event, in its own account', () => {
  const memory = new ContactMemory();
  const ada = { id: 7, name: 'Ada', performer: { id: 1 } };
  expect(memory.isSame(1, 7, ada)).toBe(false);
  expect(memory.isSame(1, 7, { ...ada, performer: { id: 2 } })).toBe(true);
  expect(memory.isSame(2, 7, ada)).toBe(false);
  expect(memory.isSame(1, 8, ada)).toBe(false);
  expect(memory.isSame(1, 7, { ...ada, name: 'Ida' })).toBe(false);
  expect(memory.isSame(1, 7, ada)).toBe(false);
});

test('twenty thousand are remembered, then the one that was seen longest ago goes', () => {
  const memory = new ContactMemory();
  for (let id = 0; id < 20_000; id++) memory.isSame(1, id, {});
  for (const id of [0, 20_000]) memory.isSame(1, id, {});
  expect([20_000, 2, 0, 1].map((id) => memory.isSame(1, id, {}))).toEqual([true, true, true, false]);
});
