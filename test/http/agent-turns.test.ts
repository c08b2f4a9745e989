// An agent beside two pollers; a thousand turns of it are in test/long-faults.

import { expect, test } from 'vitest';
import { agentTurns } from './agent-turns.ts';

const TURNS = 60;

test('An agent finds the message that woke it, with the feed at a fraction of the reads, and without one at the default settings', async () => {
  const fed = await agentTurns(TURNS, { FEED: 'cable' });
  const unfed = await agentTurns(TURNS, {});
  expect([fed.missed, unfed.missed]).toEqual([0, 0]);
  expect(fed.reads).toBeLessThan(unfed.reads / 2);
});

test('With a tail that may be a second old it misses some: what the two are for', async () => {
  expect((await agentTurns(TURNS, { TAIL_MAX_AGE: '1s' })).missed).toBeGreaterThan(TURNS / 20);
});
