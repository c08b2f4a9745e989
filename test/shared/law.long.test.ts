// The law across processes, over more histories than `npm test` has time for.

import { expect, test } from 'vitest';
import { EVERYTHING, IMPORTS, OVERTAKEN, runLaw } from '../timeline/law/law.ts';
import { enginesOver } from './engines.ts';

const RUNS = 4_000;

test.each([
  ['back-dated rows and clock steps', { ...EVERYTHING, lateCommits: false }],
  ['late commits within SETTLE', { ...EVERYTHING, backDating: false }],
  ['imports in the middle of a walk, twice', IMPORTS],
  ['readings that arrive after others that were sent later', OVERTAKEN],
])('over %s', (_name, rules) => {
  const subjectFor = (script: Uint8Array) => enginesOver(script, { taken: 0, folded: 0 });
  const tally = runLaw({ runs: RUNS, seed: undefined, rules: { ...rules, readByOthers: true }, subjectFor });
  expect(tally.proofs).toBeGreaterThan(5 * RUNS);
  expect(tally.excused).toBe(0);
});
