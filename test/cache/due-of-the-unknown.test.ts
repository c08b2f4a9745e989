// What is due of a conversation that is not known here is due of what others have read of it before.

import { expect, test } from 'vitest';
import { applyChange } from '../../src/cache/apply-change.ts';
import type { Change } from '../../src/cache/changes.ts';
import { Library } from '../../src/cache/library.ts';
import type { SharedReading } from '../../src/cache/shared-level.ts';
import { MARKS_MAX } from '../../src/cache/due-marks.ts';
import type { Query } from '../../src/timeline/query.ts';
import { FRESHNESS, SILENT, upstreamOf } from './library.ts';

const CONVERSATION = { accountId: 1, conversationId: 2 };
const LATEST: Query = { mode: 'latest', publicOnly: false };

function readingAt(askedAt: number, bytes = 10): SharedReading {
  const row = { id: 5, createdAt: 1, internal: false, raw: `{"id":5,"content":"${'x'.repeat(bytes)}"}` };
  return { vouched: 0, reading: { query: LATEST, rows: [row], envelope: { head: '{"payload":[', tail: ']}' }, askedAt } };
}

/** A library beside others that have read this, at 1,000 s. */
function libraryBeside(readings: readonly SharedReading[], memoryBytesMax = 1e6): { library: Library; others: SharedReading[] } {
  const others = [...readings];
  const library = new Library({
    upstream: upstreamOf(() => Promise.reject(new Error('nothing is read'))),
    now: () => 1_000_000,
    freshness: { ...FRESHNESS, tailMaxAgeMs: 60_000, metaMaxAgeMs: 3_600_000 },
    memoryBytesMax,
    mode: 'proved',
    observer: SILENT,
    shared: {
      epochOf: () => 'epoch',
      take: async () => ({ readings: others.splice(0), cursor: '1-1', lease: null }),
      append() {},
      announce: async () => null,
    },
  });
  return { library, others };
}

test('without a change, what others have read answers', async () => {
  const { library } = libraryBeside([readingAt(999_000)]);
  await library.take(CONVERSATION);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(true);
});

test('what changed after it was read does not', async () => {
  const { library } = libraryBeside([readingAt(999_000)]);
  applyChange(library, { kind: 'written', conversation: CONVERSATION }, 999_500);
  await library.take(CONVERSATION);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(false);
});

test.each<[string, boolean, Change]>([
  ['its contact', true, { kind: 'contact', accountId: 1, contactId: 7 }],
  ['what all envelopes of its account show', true, { kind: 'envelopes', accountId: 1 }],
  ['a contact of another account', false, { kind: 'contact', accountId: 11, contactId: 7 }],
  ['what all envelopes of another account show', false, { kind: 'envelopes', accountId: 2 }],
  ['another conversation', false, { kind: 'written', conversation: { accountId: 1, conversationId: 22 } }],
])('that %s changed since it was read makes it due: %j', async (_what, isDue, change) => {
  const { library } = libraryBeside([readingAt(999_000)]);
  applyChange(library, change, 999_500);
  await library.take(CONVERSATION);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(!isDue);
});

test('nor where so much changed that this was let go, nor what nobody can tell any more', async () => {
  const { library } = libraryBeside([readingAt(999_000)]);
  applyChange(library, { kind: 'written', conversation: CONVERSATION }, 999_500);
  for (let id = 10; id < MARKS_MAX + 20; id++)
    applyChange(library, { kind: 'written', conversation: { accountId: 1, conversationId: id } }, 999_500);
  await library.take(CONVERSATION);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(false);

  const { library: later } = libraryBeside([readingAt(999_000)]);
  later.loseDue(999_500);
  await later.take(CONVERSATION);
  expect(later.prove(CONVERSATION, LATEST).proved).toBe(false);
});

test('nor where it was known, and grew too large for memory', async () => {
  const { library, others } = libraryBeside([readingAt(998_000)], 10_000);
  await library.take(CONVERSATION);
  applyChange(library, { kind: 'written', conversation: CONVERSATION }, 999_500);
  others.push(readingAt(999_000, 20_000));
  await library.take(CONVERSATION);
  expect(library.size.conversations).toBe(0);
  others.push(readingAt(999_000));
  await library.take(CONVERSATION);
  expect(library.size.conversations).toBe(1);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(false);
});

test('nor where its pages answer only what they were read for from now on', async () => {
  const { library } = libraryBeside([readingAt(999_000)]);
  applyChange(library, { kind: 'written', conversation: CONVERSATION }, 999_500);
  library.giveUpProofsOf(CONVERSATION);
  await library.take(CONVERSATION);
  expect(library.prove(CONVERSATION, LATEST).proved).toBe(false);
});

test('what another has found not to rise vouches for nothing here', () => {
  const { library } = libraryBeside([]);
  library.heardOf(900);
  const frontierIn = (): number => library.outlook(CONVERSATION, LATEST).frontier;
  library.distrustMarks(0);
  library.heardOf(10);
  expect(frontierIn()).toBeLessThan(900);
});
