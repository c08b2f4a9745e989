import { expect, test } from 'vitest';
import { ContactIndex } from '../../src/cache/contact-index.ts';
import { type Knowledge, NO_KNOWLEDGE } from '../../src/cache/knowledge.ts';
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
  index.put('12/6', of(7));
  expect(index.of(1, 7)).toEqual(['1/1', '1/3', '1/4', '1/5']);
  expect([index.of(2, 7), index.of(12, 7)]).toEqual([['2/6'], ['12/6']]);
  index.put('1/1', of(8));
  index.delete('1/3');
  index.delete('1/99');
  expect([index.of(1, 7), index.of(1, 8)]).toEqual([
    ['1/4', '1/5'],
    ['1/2', '1/1', '1/4', '1/5'],
  ]);
  // Contact 8 and the unknown one of account 1, and contact 7 of both others.
  expect(index.contacts).toBe(4);
  for (const key of ['1/1', '1/2', '1/4', '1/5', '2/6', '12/6']) index.delete(key);
  expect(index.contacts).toBe(0);
});

test('is made of what is known, and holds no more than that', () => {
  const store = new MemoryStore(100_000);
  const set = (conversationId: number, contact: number, more: Partial<Knowledge> = {}): void =>
    store.set(
      { accountId: 1, conversationId },
      { ...NO_KNOWLEDGE, timeline: { ...NO_KNOWLEDGE.timeline, envelope: { ...of(contact), askedAt: 0 } }, ...more },
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
  // What was read when proofs had been given up is later than what they rested on.
  set(3, 7, { exact: { ...NO_KNOWLEDGE.exact, envelope: { ...of(8), askedAt: 1 } } });
  expect([found(7), found(8)]).toEqual([[], [2, 3]]);
  // Too large to be kept.
  const { timeline } = NO_KNOWLEDGE;
  set(2, 8, { timeline: { ...timeline, rawBytes: 100_000, envelope: { ...of(8), askedAt: 2 } } });
  expect(found(8)).toEqual([3]);
  for (let id = 10; id < 1_000; id++) set(id, 9);
  expect(found(9)).toHaveLength(store.conversations);
  expect([found(7), found(8)]).toEqual([[], []]);
  store.deleteWhere(() => true);
  expect(found(9)).toEqual([]);
});
