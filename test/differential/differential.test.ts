// The differential run, for a minute; and that it notices a program that does not keep its promises.

import { expect, test } from 'vitest';
import { runDifferential } from './differential.ts';

/** So that what it has to do leaves the machine to the tests beside it. */
const RATE = 100;
/** Another one may be tried: DIFFERENTIAL_SEED=7 npx vitest run test/differential */
const seed = Number(process.env['DIFFERENTIAL_SEED'] ?? 1);

test('a minute of random writes, faults and callers: every answer is one that Chatwoot could have given', async () => {
  const tally = await runDifferential({ seed, forMs: 60_000, rate: RATE });
  expect(tally.isRight, tally.summary()).toBe(true);
  expect(tally.pages).toBeGreaterThan(1_000);
  for (const outcome of ['hit', 'miss', 'bypass', 'stale']) expect(tally.outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(10);
  const excused = [...tally.excuses.values()].reduce((sum, number) => sum + number, 0);
  expect(excused / tally.answers, tally.summary()).toBeLessThan(0.02);
}, 120_000);

test.each([
  ['the newest rows', { TAIL_MAX_AGE: '1m' }, /missing/],
  ['history', { TAIL_MAX_AGE: '1m', HISTORY_MAX_AGE: '1h' }, /row \d+ is too old/],
])(
  'a program that holds on to %s for too long is noticed',
  async (_part, settings, why) => {
    const promises = { tailMaxAgeMs: 0, historyMaxAgeMs: 500 };
    const tally = await runDifferential({
      seed,
      forMs: 60_000,
      rate: 3 * RATE,
      promises,
      settings,
      untilWrong: why,
      troubled: false,
    });
    expect(tally.failures).toEqual([]);
    expect(tally.wasWrong(why), tally.summary()).toBe(true);
  },
  90_000,
);
