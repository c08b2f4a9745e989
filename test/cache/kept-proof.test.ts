// When a kept proof holds, and how many are kept.

import { expect, test } from 'vitest';
import { keepProof, keptProof, keptProofBytes, type KeptProof } from '../../src/cache/kept-proof.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { NO_KNOWLEDGE } from '../../src/cache/knowledge.ts';
import type { Proof } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';

const row = { id: 1, createdAt: 1, messageType: 0, private: false, raw: '{}' } as unknown as Proof['rows'][number];
const proofOf = (rows: number, freshUntil: number): Proof => ({
  proved: true,
  rows: Array.from({ length: rows }, () => row),
  envelope: { head: '', tail: '' },
  asOf: 0,
  freshUntil,
  refresh: { history: false, meta: false },
});
const before = (id: number, publicOnly = false): Query => ({ mode: 'before', before: id, publicOnly });
const kept = (query: Query, rows = 20, freshUntil = Infinity): KeptProof => ({
  query,
  mode: 'proved',
  proof: proofOf(rows, freshUntil),
  provedAt: 1000,
});

test('it holds for its query alone, in its mode alone, while it is fresh, for a second', () => {
  const proofs = keepProof([], kept(before(7), 20, 1500));
  expect(keptProof(proofs, before(7), 'proved', 1000)).toBe(proofs[0]!.proof);
  expect(keptProof(proofs, before(7), 'proved', 1500)).toBe(proofs[0]!.proof);
  expect(keptProof(proofs, before(7), 'proved', 1501)).toBeNull(); // Not fresh any more.
  expect(keptProof(proofs, before(7), 'exact', 1000)).toBeNull(); // Proofs have been given up.
  expect(keptProof(proofs, before(7), 'proved', 999)).toBeNull();
  for (const other of [before(8), before(7, true), { mode: 'latest', publicOnly: false } as const]) {
    expect(keptProof(proofs, other, 'proved', 1000)).toBeNull();
  }
  const fresh = keepProof([], kept(before(7)));
  expect([keptProof(fresh, before(7), 'proved', 1999), keptProof(fresh, before(7), 'proved', 2000)]).toEqual([
    fresh[0]!.proof,
    null,
  ]);
});

test('four of a conversation are kept, each query once, and none of a long page', () => {
  let proofs: readonly KeptProof[] = [];
  for (const id of [1, 2, 3, 4, 5, 4]) proofs = keepProof(proofs, kept(before(id)));
  expect(proofs.map(({ query }) => query)).toEqual([before(4), before(5), before(3), before(2)]);
  expect(keepProof(proofs, kept(before(6), 101))).toBe(proofs);
});

test('they count as memory, and go when other knowledge comes', () => {
  const store = new MemoryStore(1_000_000);
  const conversation = { accountId: 1, conversationId: 1 };
  store.keepProof(conversation, kept(before(7)));
  expect(store.keptProof(conversation, before(7), 'proved', 1000)).toBeNull(); // Nothing is known.
  store.set(conversation, NO_KNOWLEDGE);
  const bytes = store.bytes;
  store.keepProof(conversation, kept(before(7)));
  expect(store.bytes - bytes).toBe(keptProofBytes([kept(before(7))]));
  expect(store.keptProof(conversation, before(7), 'proved', 1000)).not.toBeNull();
  store.set(conversation, { ...NO_KNOWLEDGE });
  expect(store.keptProof(conversation, before(7), 'proved', 1000)).toBeNull();
  store.keepProof(conversation, kept(before(7)));
  store.delete(conversation);
  expect(store.keptProof(conversation, before(7), 'proved', 1000)).toBeNull();
});
