// The law over many random histories.

import fc from 'fast-check';
import { compareAnswers } from '../../../src/timeline/compare.ts';
import { vouchedFrontier } from '../../../src/timeline/frontier.ts';
import { learn } from '../../../src/timeline/learn.ts';
import { prove } from '../../../src/timeline/prove.ts';
import { PAGE_LIMIT } from '../../../src/timeline/query.ts';
import { NOTHING_SEEN, sawRows } from '../../../src/timeline/sequence.ts';
import { EMPTY_TIMELINE } from '../../../src/timeline/timeline.ts';
import type { Excuse, Rules, Subject, Tally } from './history.ts';
import { FRESHNESS, NO_TALLY, runHistory, SMALL_LIMITS } from './history.ts';

export const REAL_SUBJECT: Subject = {
  prove,
  learn,
  sawRows,
  NOTHING_SEEN,
  vouchedFrontier,
  compareAnswers,
  EMPTY_TIMELINE,
  PAGE_LIMIT,
};

/** Every kind of write in one conversation. */
export const EVERYTHING: Rules = {
  backDating: true,
  lateCommits: true,
  commitDelayMinMs: 1,
  commitDelayMaxMs: FRESHNESS.settleMs - 1,
  freshness: FRESHNESS,
};

/** The same where the newest rows may have no age. */
export const AT_ONCE: Rules = { ...EVERYTHING, freshness: { ...FRESHNESS, tailMaxAgeMs: 0 } };

/** What no evidence in one conversation can tell from plain history, again and again. */
export const UNDER_BACK_DATED: Rules = { ...EVERYTHING, opening: 'under-back-dated' };

/** The same where it mostly can be told: a row that was written before the back-dated one, and looks younger, shows it up. */
export const SHOWN_UP: Rules = { ...UNDER_BACK_DATED, backDating: 'guarded' };

/** Readings that arrive after others that were sent later. */
export const OVERTAKEN: Rules = { ...EVERYTHING, opening: 'overtaken', lateCommits: false };

/** Rows that are committed when nobody expects it any more. */
export const BEYOND_SETTLE: Rules = {
  ...EVERYTHING,
  backDating: false,
  commitDelayMinMs: 2 * FRESHNESS.settleMs,
  commitDelayMaxMs: 6 * FRESHNESS.settleMs,
  opening: 'under-vouched',
};

/** Imports in the middle of a walk, twice, over late rows. */
export const IMPORTS: Rules = { ...EVERYTHING, backDating: false, opening: 'imports' };

/** Ids that begin again further down, and ids that stand far above the others. */
export const RESTORED: Rules = { ...EVERYTHING, backDating: false, opening: 'restored' };
export const STRAY: Rules = { ...RESTORED, opening: 'stray' };

export interface LawOptions {
  readonly runs: number;
  readonly seed?: number | undefined;
  readonly subject?: Subject;
  /** Makes another for each history, where it has a state. */
  readonly subjectFor?: (script: Uint8Array) => Subject;
  readonly rules?: Rules;
  readonly excuse?: Excuse | undefined;
  /** Whether a history that breaks the law is made as short as can be, to be read. Default true. */
  readonly shrink?: boolean;
}

/** Checks the law over `runs` histories. @returns what was checked. @throws with the shrunk history where it breaks. */
export function runLaw({
  runs,
  seed,
  subject = REAL_SUBJECT,
  subjectFor = () => subject,
  rules = EVERYTHING,
  excuse,
  shrink = true,
}: LawOptions): Tally {
  const total: Tally = { ...NO_TALLY };
  const limits = { ...subject.PAGE_LIMIT };
  // Pages small enough for short histories to fill.
  Object.assign(subject.PAGE_LIMIT, SMALL_LIMITS);
  try {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 240 }), (script) => {
        const tally = runHistory(script, subjectFor(script), rules, excuse);
        for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += tally[key];
      }),
      { numRuns: runs, endOnFailure: !shrink, ...(seed === undefined ? {} : { seed }) },
    );
  } finally {
    Object.assign(subject.PAGE_LIMIT, limits);
  }
  return total;
}
