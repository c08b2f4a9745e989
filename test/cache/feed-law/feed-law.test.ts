// An answer misses nothing that an event has told of; where events are lost, nothing older than FEED_MAX_AGE; without trust, nothing
// older than without a feed.

import { expect, test } from 'vitest';
import { runFeedLaw } from './law.ts';
import { LawBroken, type Sabotage } from './world.ts';

/** Printed by fast-check where the law breaks; `LAW_SEED` repeats a run. */
const seed = process.env['LAW_SEED'] === undefined ? undefined : Number(process.env['LAW_SEED']);

test('over events that come, are lost, late, doubled and out of order, while reads are on their way', async () => {
  const tally = await runFeedLaw({ runs: 1_000, seed });
  expect(tally.answers).toBeGreaterThan(4_000);
  expect(tally.fedHits).toBeGreaterThan(300);
  expect(tally.behind).toBeGreaterThan(100);
  expect(tally.heldOverEvent).toBeGreaterThan(100);
}, 60_000);

test('the same where pages answer only what they were read for', async () => {
  const tally = await runFeedLaw({ runs: 300, seed, mode: 'exact' });
  expect(tally.fedHits).toBeGreaterThan(50);
}, 60_000);

test.each<[string, Sabotage]>([
  ['messages that come are not heeded', { ignores: 'tail' }],
  ['rows that change are not heeded', { ignores: 'row' }],
  ['envelopes that change are not heeded', { ignores: 'envelope' }],
  ['contacts that change are not heeded', { ignores: 'contact' }],
  ['what is on its way is not concerned', { waits: true }],
  ['trust does not end with a gap', { trusts: true }],
  ['what is fed lives for longer', { feedMaxAgeMs: 125_000 }],
])(
  'it breaks where %s',
  async (_what, sabotage) => {
    await expect(runFeedLaw({ runs: 3_000, seed: 1, sabotage, shrink: false })).rejects.toMatchObject({
      cause: expect.any(LawBroken) as unknown,
    });
  },
  60_000,
);
