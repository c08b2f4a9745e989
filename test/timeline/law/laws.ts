// The laws of the proof, over random histories.

import { describe, expect, test } from 'vitest';
import { belowOthers, beyondSettle, underBackDated, underHidden } from './history.ts';
import type { Excuse, Rules } from './history.ts';
import {
  AT_ONCE,
  BEYOND_SETTLE,
  EVERYTHING,
  IMPORTS,
  OVERTAKEN,
  RESTORED,
  runLaw,
  SHOWN_UP,
  STRAY,
  UNDER_BACK_DATED,
} from './law.ts';

/** Printed by fast-check where the law breaks; `LAW_SEED` repeats a run. */
const seed = process.env['LAW_SEED'] === undefined ? undefined : Number(process.env['LAW_SEED']);

/** The tests of the laws, over a share of the histories that a whole run takes. */
export function testLaws(share: number): void {
  // Of few histories, one more or less makes a share.
  const slack = share < 1 ? 3 : 0;
  describe('whenever prove answers, the model of the finder answers the same', () => {
    test('over every kind of write in one conversation', () => {
      const tally = runLaw({ runs: 20_000 * share, seed, excuse: underBackDated });
      expect(tally.proofs).toBeGreaterThan(200_000 * share);
      expect(tally.full).toBeGreaterThan(10_000 * share);
      expect(tally.history).toBeGreaterThan(100_000 * share);
      expect(tally.traded).toBeGreaterThan(100 * share);
      expect(tally.refutations).toBe(0);
      // Late commits under a row that is back-dated by more than SETTLE: no evidence tells them from plain history.
      expect(tally.excused).toBeLessThan(slack + tally.proofs / 10_000);
    }, 120_000);

    test('the same where the newest rows may have no age', () => {
      const tally = runLaw({ runs: 4_000 * share, seed, rules: AT_ONCE, excuse: underBackDated });
      expect(tally.proofs).toBeGreaterThan(40_000 * share);
      expect(tally.full).toBeGreaterThan(2_000 * share);
    }, 120_000);

    test('over late commits under back-dated rows, for longer than SETTLE', () => {
      const tally = runLaw({ runs: 4_000 * share, seed, rules: UNDER_BACK_DATED, excuse: underBackDated });
      expect(tally.proofs).toBeGreaterThan(40_000 * share);
    }, 120_000);

    test('over late commits under back-dated rows that are shown up, unless what does so was not read', () => {
      const tally = runLaw({ runs: 4_000 * share, seed, rules: SHOWN_UP, excuse: underHidden });
      expect(tally.proofs).toBeGreaterThan(40_000 * share);
      expect(tally.refutations).toBe(0);
      expect(tally.excused).toBeLessThan(slack + tally.proofs / 4_000);
    }, 120_000);

    test.each<[string, Rules, number?]>([
      ['back-dated rows and clock steps', { ...EVERYTHING, lateCommits: false }],
      ['late commits within SETTLE', { ...EVERYTHING, backDating: false }],
      ['imports in the middle of a walk, twice', IMPORTS, 1_000],
      ['readings that arrive after others that were sent later', OVERTAKEN],
    ])(
      'without any exception over %s',
      (_name, rules, runs = 4_000) => {
        const tally = runLaw({ runs: runs * share, seed, rules });
        expect(tally.proofs).toBeGreaterThan(10 * runs * share);
        expect(tally.excused).toBe(0);
        expect(tally.refutations).toBe(0);
      },
      120_000,
    );
  });

  test.each<[string, Rules]>([
    ['a restore', RESTORED],
    ['a stray id', STRAY],
  ])(
    'after %s, rows are missed at most until one is read that shows it',
    (_name, rules) => {
      const excuse: Excuse = (row, world) => belowOthers(row, world) || (rules === STRAY && underBackDated(row, world));
      const tally = runLaw({ runs: 12_000 * share, seed, rules, excuse });
      expect(tally.refutations).toBeGreaterThan(1000 * share);
      expect(tally.excused).toBeGreaterThan(5 * share - slack);
    },
    120_000,
  );

  test('a commit later than SETTLE is missed at most until the contradiction shows or the age runs out', () => {
    const tally = runLaw({ runs: 20_000 * share, seed, rules: BEYOND_SETTLE, excuse: beyondSettle });
    expect(tally.contradictions).toBeGreaterThan(100 * share);
    expect(tally.excused).toBeGreaterThan(100 * share);
  }, 120_000);
}
