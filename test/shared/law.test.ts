// The law across processes: whenever one of them proves, the model agrees.

import { describe, expect, test } from 'vitest';
import type { Rules } from '../timeline/law/history.ts';
import { EVERYTHING, IMPORTS, OVERTAKEN, runLaw } from '../timeline/law/law.ts';
import { enginesOver } from './engines.ts';

const seed = process.env['LAW_SEED'] === undefined ? undefined : Number(process.env['LAW_SEED']);

describe('whenever one of three engines over one log proves, the model agrees', () => {
  test.each<[string, Rules, number?]>([
    ['back-dated rows and clock steps', { ...EVERYTHING, lateCommits: false }],
    ['late commits within SETTLE', { ...EVERYTHING, backDating: false }],
    ['imports in the middle of a walk, twice', IMPORTS, 60],
    ['readings that arrive after others that were sent later', OVERTAKEN],
  ])(
    'over %s',
    (_name, rules, runs = 250) => {
      const taken = { taken: 0, folded: 0 };
      const tally = runLaw({
        runs,
        seed,
        rules: { ...rules, readByOthers: true },
        subjectFor: (script) => enginesOver(script, taken),
      });
      expect(tally.proofs).toBeGreaterThan(5 * runs);
      expect(tally.excused).toBe(0);
      expect(taken.taken).toBeGreaterThan(20 * runs);
      expect(taken.folded).toBeGreaterThan(runs / 2);
    },
    120_000,
  );

  test('which it does not where readings are taken for younger than they are', () => {
    const rules = { ...EVERYTHING, backDating: false, readByOthers: true };
    const taken = { taken: 0, folded: 0 };
    const subjectFor = (script: Uint8Array) => enginesOver(script, taken, { forgetsTheWay: true });
    expect(() => runLaw({ runs: 2_000, seed, rules, subjectFor, shrink: false })).toThrow('Property failed');
  });
});
