// When a kept proof holds, and how many are kept.

import { expect, test } from 'vitest';
import { holds, keepProof, keptProof, keptProofBytes, type Circumstances, type KeptProof } from '../../src/cache/kept-proof.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { NO_KNOWLEDGE } from '../../src/cache/knowledge.ts';
import type { Proof } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';

const row = { id: 1, createdAt: 1, messageType: 0, private: false, raw: '{}' } as unknown as Proof['rows'][number];
const proofOf = (rows: number, freshUntil: number, usesTail: boolean): Proof => ({
  proved: true,
  rows: Array.from({ length: rows }, () => row),
  envelope: { head: '', tail: '' },
  asOf: 0,
  freshUntil,
  usesTail,
  refresh: { history: false, meta: false },
});
const before = (id: number, publicOnly = false): Query => ({ mode: 'before', before: id, publicOnly });
const kept = (query: Query, { rows = 20, freshUntil = Infinity, usesTail = false, tailMaxAgeMs = 0 } = {}): KeptProof => ({
  query,
  tailMaxAgeMs,
  fedSince: undefined,
  mode: 'proved',
  proof: proofOf(rows, freshUntil, usesTail),
  provedAt: 1000,
  isVoid: false,
});
const AT: Circumstances = { mode: 'proved', tailMaxAgeMs: 0, fedSince: undefined, now: 1000 };
const at = (now: number, tailMaxAgeMs = 0): Circumstances => ({ ...AT, tailMaxAgeMs, now });
const LATEST: Query = { mode: 'latest', publicOnly: false };

test('it holds for its query alone, in its mode alone, while it is fresh, for a second', () => {
  const proofs = keepProof([], kept(before(7), { freshUntil: 1500 }));
  expect(keptProof(proofs, before(7), AT)).toBe(proofs[0]);
  expect(keptProof(proofs, before(7), at(1500))).toBe(proofs[0]);
  expect(keptProof(proofs, before(7), at(1501))).toBeNull(); // Not fresh any more.
  expect(keptProof(proofs, before(7), { ...AT, mode: 'exact' })).toBeNull(); // Proofs have been given up.
  expect(keptProof(proofs, before(7), at(999))).toBeNull();
  for (const other of [before(8), before(7, true), LATEST]) expect(keptProof(proofs, other, AT)).toBeNull();
  const fresh = keepProof([], kept(before(7)));
  expect([keptProof(fresh, before(7), at(1999)), keptProof(fresh, before(7), at(2000))]).toEqual([fresh[0], null]);
});

test('of the tail it holds for callers for whom that may be as old, of history for all', () => {
  let proofs = keepProof([], kept(LATEST, { usesTail: true, tailMaxAgeMs: 2000, freshUntil: 1900 }));
  proofs = keepProof(proofs, kept(LATEST, { usesTail: true, tailMaxAgeMs: 1500, freshUntil: 1400 }));
  proofs = keepProof(proofs, kept(before(7), { tailMaxAgeMs: 2000 }));
  const [history, shorter, longer] = proofs;
  expect(keptProof(proofs, LATEST, at(1400, 2000))).toBe(longer);
  expect(keptProof(proofs, LATEST, at(1400, 1500))).toBe(shorter);
  expect(keptProof(proofs, LATEST, at(1401, 1500))).toBeNull();
  for (const other of [0, 1000, 3000]) {
    expect(keptProof(proofs, LATEST, at(1000, other))).toBeNull();
    expect(keptProof(proofs, before(7), at(1999, other))).toBe(history);
  }
});

test('whoever still holds one is told when it is void, however it came to be', () => {
  const conversation = { accountId: 1, conversationId: 1 };
  const ends: readonly ((store: MemoryStore) => void)[] = [
    (store) => store.set(conversation, { ...NO_KNOWLEDGE }),
    (store) => store.delete(conversation),
    (store) => store.deleteWhere(() => true),
    // Others are asked for more.
    (store) => {
      for (let id = 2; id < 1000; id++) store.set({ accountId: 1, conversationId: id }, NO_KNOWLEDGE);
    },
    // Others of the same conversation.
    (store) => {
      for (let id = 10; id < 14; id++) store.keepProof(conversation, kept(before(id)));
    },
    (store) => store.keepProof(conversation, kept(before(7))),
  ];
  for (const end of ends) {
    const store = new MemoryStore(100_000);
    store.set(conversation, NO_KNOWLEDGE);
    const proof = kept(before(7));
    store.keepProof(conversation, proof);
    store.keepProof(conversation, kept(before(8)));
    expect(holds(proof, AT)).toBe(true);
    end(store);
    expect(holds(proof, AT)).toBe(false);
  }
});

test('one with which its conversation would be too large is void, and what is known stays, with what is due of it', () => {
  const conversation = { accountId: 1, conversationId: 1 };
  const store = new MemoryStore(2000); // What knowledge of nothing takes is 1300 or so.
  const knowledge = { ...NO_KNOWLEDGE };
  store.set(conversation, knowledge);
  expect(store.conversations).toBe(1);
  const [proof, larger] = [kept(before(7), { rows: 1 }), kept(before(8), { rows: 100 })];
  store.keepProof(conversation, proof);
  expect(holds(proof, AT)).toBe(true);
  store.keepProof(conversation, larger);
  expect([holds(proof, AT), holds(larger, AT)]).toEqual([false, false]);
  expect(store.get(conversation)).toBe(knowledge);
  expect(store.keptProof(conversation, before(7), AT)).toBeNull();
});

test('four of a conversation are kept, each query once, and none of a long page', () => {
  let proofs: readonly KeptProof[] = [];
  for (const id of [1, 2, 3, 4, 5, 4]) proofs = keepProof(proofs, kept(before(id)));
  expect(proofs.map(({ query }) => query)).toEqual([before(4), before(5), before(3), before(2)]);
  expect(keepProof(proofs, kept(before(6), { rows: 101 }))).toBe(proofs);
});

test('they count as memory, and go when other knowledge comes', () => {
  const store = new MemoryStore(1_000_000);
  const conversation = { accountId: 1, conversationId: 1 };
  store.keepProof(conversation, kept(before(7)));
  expect(store.keptProof(conversation, before(7), AT)).toBeNull(); // Nothing is known.
  store.set(conversation, NO_KNOWLEDGE);
  const bytes = store.bytes;
  store.keepProof(conversation, kept(before(7)));
  expect(store.bytes - bytes).toBe(keptProofBytes([kept(before(7))]));
  expect(store.keptProof(conversation, before(7), AT)).not.toBeNull();
  store.set(conversation, { ...NO_KNOWLEDGE });
  expect(store.keptProof(conversation, before(7), AT)).toBeNull();
  store.keepProof(conversation, kept(before(7)));
  store.delete(conversation);
  expect(store.keptProof(conversation, before(7), AT)).toBeNull();
});
