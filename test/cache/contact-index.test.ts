import { expect, test } from 'vitest';
import { ContactIndex } from '../../src/cache/contact-index.ts';
import { NO_KNOWLEDGE } from '../../src/cache/knowledge.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { Envelope } from '../../src/timeline/reading.ts';

const of = (id: unknown): Envelope => ({
  head: `{"meta":{"contact":{"name":"}]","id":${JSON.stringify(id)}}},"payload":[`,
  tail: ']}',
});

test('finds the conversations of a contact, and those whose contact is not known', () => {
  const index = new ContactIndex();
  index.put('1/1', of(7));
  index.put('1/2', of(8));
  index.put('1/3', of('7'));
  index.put('1/4', { head: '{"meta":', tail: '' });
  index.put('1/5', null);
  index.put('2/6', of(7));
  expect(index.of(1, 7)).toEqual(['1/1', '1/3', '1/4', '1/5']);
  expect(index.of(2, 7)).toEqual(['2/6']);
  index.put('1/1', of(8));
  index.delete('1/3');
  index.delete('1/99');
  expect([index.of(1, 7), index.of(1, 8)]).toEqual([
    ['1/4', '1/5'],
    ['1/2', '1/1', '1/4', '1/5'],
  ]);
});

test('is made of what is known, and holds no more than that', () => {
  const store = new MemoryStore(100_000);
  const set = (conversationId: number, contact: number): void =>
    store.set(
      { accountId: 1, conversationId },
      { ...NO_KNOWLEDGE, timeline: { ...NO_KNOWLEDGE.timeline, envelope: { ...of(contact), askedAt: 0 } } },
    );
  const found = (contact: number): number[] =>
    store
      .ofContact(1, contact)
      .map(({ conversationId }) => conversationId)
      .toSorted((a, b) => a - b);
  set(1, 7);
  set(2, 7);
  expect(found(7)).toEqual([1, 2]);
  set(3, 7);
  set(2, 8);
  store.delete({ accountId: 1, conversationId: 1 });
  expect([found(7), found(8)]).toEqual([[3], [2]]);
  for (let id = 10; id < 1_000; id++) set(id, 9);
  expect(found(9)).toHaveLength(store.conversations);
  expect([found(7), found(8)]).toEqual([[], []]);
  store.deleteWhere(() => true);
  expect(found(9)).toEqual([]);
});
