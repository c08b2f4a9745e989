// The law is worth what it catches: each rule of proof is broken once, in a copy of the code, and the law must notice.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Excuse, Rules, Subject } from './history.ts';
import { belowOthers, beyondSettle, LawBroken, underBackDated, underHidden } from './history.ts';
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
import type { PlanSubject } from './plan-law.ts';
import { runPlanLaw } from './plan-law.ts';

const TIMELINE = fileURLToPath(new URL('../../../src/timeline', import.meta.url));
const workshop = mkdtempSync(join(tmpdir(), 'backscroll-mutants-'));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

interface Mutant {
  readonly rule: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly rules?: Rules;
  /** One with which the law is broken soon. */
  readonly seed?: number;
}

const LATE_ONLY: Rules = { ...EVERYTHING, backDating: false };
const LATE_AT_ONCE: Rules = { ...AT_ONCE, backDating: false };
const BACK_DATED_ONLY: Rules = { ...EVERYTHING, lateCommits: false };

/** What these rules except. */
const EXCUSES: ReadonlyMap<Rules, Excuse> = new Map([
  [AT_ONCE, underBackDated],
  [EVERYTHING, underBackDated],
  [UNDER_BACK_DATED, underBackDated],
  [SHOWN_UP, underHidden],
  [BEYOND_SETTLE, beyondSettle],
  [RESTORED, belowOthers],
  [STRAY, (row, world) => belowOthers(row, world) || underBackDated(row, world)],
]);

const MUTANTS: readonly Mutant[] = [
  {
    rule: 'unknown rows must lie beyond the edge',
    file: 'prove.ts',
    from: "  return place === 'at' || place === (takesNewest(query) ? 'before' : 'after');",
    to: '  return true;',
    rules: BACK_DATED_ONLY,
  },
  {
    rule: 'a short page needs all rows known',
    file: 'prove.ts',
    from: 'if (page.edge === null) return false;',
    to: 'if (page.edge === null) return true;',
  },
  { rule: 'every id must be spoken for', file: 'prove.ts', from: '  lack(reached, range.hi);', to: '' },
  {
    rule: 'gaps between statements are not spoken for',
    file: 'prove.ts',
    from: '    lack(reached, statement.lo);',
    to: '',
  },
  {
    rule: 'what is said of the tail is not durable',
    file: 'learn.ts',
    from: "cut(0, settled, 'durable')",
    to: "cut(0, Infinity, 'durable')",
    rules: LATE_ONLY,
  },
  {
    rule: 'ids must have been seen SETTLE ago',
    file: 'frontier.ts',
    from: 'mark.seenAt <= at - settleMs)',
    to: 'mark.seenAt <= at)',
    rules: LATE_ONLY,
    seed: 10,
  },
  {
    rule: 'rows must be SETTLE old to all appearance',
    file: 'frontier.ts',
    from: 'const isOld = looksSettled(row.createdAt, at, settleMs);',
    to: 'const isOld = row.createdAt * 1000 <= at;',
    rules: LATE_ONLY,
    seed: 4,
  },
  {
    rule: 'what was said of the tail expires',
    file: 'freshness.ts',
    from: "    case 'transient':\n      return tailLifetime(freshness);",
    to: "    case 'transient':\n      return historyLifetime(freshness);",
  },
  {
    rule: 'a page of the oldest rows may lack late ones unless its last row is SETTLE old',
    file: 'prove.ts',
    from: 'return looksSettled(timeline.rows[edge]!.createdAt, askedAt, settleMs);',
    to: 'return timeline.rows[edge]!.createdAt <= Infinity;',
    rules: LATE_AT_ONCE,
  },
  {
    rule: 'what is not settled below a known row is believed for a second',
    file: 'freshness.ts',
    from: 'Math.max(tailMaxAgeMs, LATE_MS)',
    to: 'Infinity',
    rules: LATE_ONLY,
  },
  {
    rule: 'what is above all that is known is the tail',
    file: 'prove.ts',
    from: 'range.hi <= highestId(timeline) ? lateLifetime',
    to: 'range.hi <= Infinity ? lateLifetime',
    rules: AT_ONCE,
  },
  {
    rule: 'what lies above a full page of old rows expires',
    file: 'freshness.ts',
    from: 'return { freshMs: metaMaxAgeMs, usableMs: metaMaxAgeMs };',
    to: 'return { freshMs: metaMaxAgeMs, usableMs: Infinity };',
    rules: BACK_DATED_ONLY,
  },
  {
    rule: 'a filtered reading speaks of public rows only',
    file: 'learn.ts',
    from: 'if (!query.publicOnly) statements = assert',
    to: 'statements = assert',
  },
  {
    rule: 'order within a second only as seen',
    file: 'prove.ts',
    from: 'if (timeline.seams.size === 0) return true;',
    to: 'if (timeline.seams.size >= 0) return true;',
    rules: BACK_DATED_ONLY,
    seed: 14,
  },
  {
    rule: 'a second that is cut must be in order throughout',
    file: 'prove.ts',
    from: 'if (edge !== undefined && hasSeam(timeline, timeline.rows[edge]!.createdAt, matters)) return false;',
    to: '',
    rules: LATE_ONLY,
    seed: 89,
  },
  {
    rule: 'runs are woven only where the order follows',
    file: 'order.ts',
    from: 'if (own.length > 0 && gap.length > 0) return false;',
    to: '',
    rules: BACK_DATED_ONLY,
    seed: 12,
  },
  {
    rule: 'a full page does not know what is beyond it',
    file: 'learn.ts',
    from: 'if (rows.length < PAGE_LIMIT[query.mode]) return null;',
    to: 'return null;',
  },
  {
    rule: 'two statements together know no more than both',
    file: 'statement.ts',
    from: 'to.createdAt < from.createdAt ? null : { from, to }',
    to: 'to.createdAt <= from.createdAt + 1e6 ? null : { from, to }',
    rules: BACK_DATED_ONLY,
    seed: 12,
  },
  {
    rule: 'content ages',
    file: 'freshness.ts',
    from: 'const HISTORY_REFRESH_TIMES = 2;',
    to: 'const HISTORY_REFRESH_TIMES = 1000;',
    seed: 16,
    rules: BACK_DATED_ONLY,
  },
  {
    rule: 'a row that a reading would show is gone where it does not',
    file: 'learn.ts',
    from: 'if (row.readAt < reading.askedAt) gone.add(row.id);\n    else later.push(row);',
    to: 'later.push(row);',
  },
  {
    rule: 'what is older than another reading does not bring back what that did not show',
    file: 'learn.ts',
    from: "return { timeline, outcome: 'outdated' };",
    to: "return { timeline: add(timeline, reading, context), outcome: 'outdated' };",
    rules: OVERTAKEN,
  },
  {
    rule: 'a back-dated row is no witness',
    file: 'frontier.ts',
    from: 'if (row.id < lowestLaterId) {',
    to: 'if (row.id < Infinity) {',
    rules: SHOWN_UP,
  },
  {
    rule: 'nor where what showed it up is gone',
    file: 'learn.ts',
    from: 'const evidence = { rows, gone, late };',
    to: 'const evidence = { rows, gone: [] as Place[], late };',
    rules: SHOWN_UP,
    seed: -856741367,
  },
  {
    rule: 'what rests on a row that proves back-dated falls',
    file: 'statement.ts',
    from: "if (old.standing !== 'settling') return [old];",
    to: 'if (old.lo >= 0) return [old];',
    rules: SHOWN_UP,
    seed: 20_004,
  },
  {
    rule: 'what seems to be settled is believed for SETTLE only',
    file: 'freshness.ts',
    from: 'const lifeMs = Math.min(freshness.settleMs, freshness.historyMaxAgeMs);',
    to: 'const lifeMs = freshness.historyMaxAgeMs;',
    rules: UNDER_BACK_DATED,
  },
  {
    rule: 'a few rows do not settle it for good',
    file: 'frontier.ts',
    from: 'export const MANY_ROWS = 20;',
    to: 'export const MANY_ROWS = 1;',
    rules: UNDER_BACK_DATED,
  },
  {
    rule: 'a contradiction ends what was known',
    file: 'learn.ts',
    from: 'timeline: add(afresh, reading, context)',
    to: 'timeline: add(timeline, reading, context)',
    rules: BEYOND_SETTLE,
  },
  {
    rule: 'what contradicts is learnt',
    file: 'learn.ts',
    from: 'timeline: add(afresh, reading, context)',
    to: 'timeline',
    rules: BEYOND_SETTLE,
  },
  {
    rule: 'imported rows are no witnesses',
    file: 'frontier.ts',
    from: 'isOld && row.imported !== true',
    to: 'isOld',
    rules: IMPORTS,
  },
  {
    rule: 'a row that is younger than a mark above it refutes the sequence',
    file: 'sequence.ts',
    from: 'mark.seenAt + settleMs <= createdAtMs)',
    to: 'mark.seenAt + settleMs < -createdAtMs)',
    rules: RESTORED,
  },
  {
    rule: 'a late commit refutes nothing',
    file: 'sequence.ts',
    from: 'mark.seenAt + settleMs <= createdAtMs)',
    to: 'mark.seenAt + settleMs <= at)',
    rules: LATE_ONLY,
  },
  { rule: 'marks that are refuted fall', file: 'sequence.ts', from: '    seen = [];', to: '', rules: RESTORED },
  {
    rule: 'a stray row does not vouch again',
    file: 'sequence.ts',
    from: 'row.createdAt >= marksFrom ?',
    to: 'row.createdAt >= -Infinity ?',
    rules: STRAY,
  },
  {
    rule: 'rows of the second that is cut may take the place of others',
    file: 'compare.ts',
    from: 'const traded = appeared.filter((row) => row.createdAt === edge?.createdAt);',
    to: 'const traded = appeared.slice(0, 0);',
  },
];

/** Breaks a copy of the code. @returns what imports a file of it */
function mutate(file: string, from: string, to: string): <T>(name: string) => Promise<T> {
  const home = join(workshop, String(Math.random()).slice(2));
  cpSync(TIMELINE, home, { recursive: true });
  const source = readFileSync(join(home, file), 'utf8');
  expect(source.split(from)).toHaveLength(2);
  writeFileSync(join(home, file), source.replace(from, to));
  return async <T>(name: string) => (await import(/* @vite-ignore */ join(home, name))) as T;
}

test.each(MUTANTS)(
  '$rule',
  async ({ file, from, to, rules = EVERYTHING, seed = 1 }) => {
    const load = mutate(file, from, to);
    const subject = {
      ...(await load<Pick<Subject, 'PAGE_LIMIT'>>('query.ts')),
      ...(await load<Pick<Subject, 'prove'>>('prove.ts')),
      ...(await load<Pick<Subject, 'learn'>>('learn.ts')),
      ...(await load<Pick<Subject, 'vouchedFrontier'>>('frontier.ts')),
      ...(await load<Pick<Subject, 'sawRows' | 'NOTHING_SEEN'>>('sequence.ts')),
      ...(await load<Pick<Subject, 'compareAnswers'>>('compare.ts')),
      ...(await load<Pick<Subject, 'EMPTY_TIMELINE'>>('timeline.ts')),
    };
    expect(() => runLaw({ runs: 40_000, seed, shrink: false, subject, rules, excuse: EXCUSES.get(rules) })).toThrow(
      expect.objectContaining({ cause: expect.any(LawBroken) as unknown }) as Error,
    );
  },
  60_000,
);

/** Rules of the plan. `settled`: in which of the two worlds of its law a mutant is caught. */
const PLAN_MUTANTS: readonly (Omit<Mutant, 'rules'> & { readonly settled: boolean })[] = [
  {
    rule: 'no read begins where no id is left',
    file: 'plan/planned.ts',
    from: 'return lo < before ?',
    to: 'return lo <= Infinity ?',
    settled: true,
  },
  {
    rule: 'a range without end is read to the last cursor',
    file: 'plan/planned.ts',
    from: 'Math.min(hi, Number.MAX_SAFE_INTEGER)',
    to: 'hi',
    settled: true,
  },
  {
    rule: 'an empty window is bounded by the page that ends at it',
    file: 'plan/seal.ts',
    from: ', edgeBelow(timeline, range.lo));',
    to: ', -Infinity);',
    settled: true,
    seed: 2,
  },
  {
    rule: 'a window is cut by ids where rows are older than ones of lower ids',
    file: 'plan/seal.ts',
    from: 'if (countRows(timeline, window, PAGE_LIMIT.between) < PAGE_LIMIT.between) return readOf(window);',
    to: 'if (countRows(timeline, window, 1) >= 0) return readOf(window);',
    settled: true,
    seed: 2,
  },
  {
    rule: 'a read that told nothing is followed by a rest',
    file: 'plan/walk.ts',
    from: 'sealsFrom: now + REST_MS',
    to: 'sealsFrom: now',
    settled: false,
    seed: 3,
  },
  {
    rule: 'a bound that moves within a second is no progress',
    file: 'plan/progress.ts',
    from: 'return startsLater || endsEarlier;',
    to: 'return true;',
    settled: false,
    seed: 8,
  },
  {
    rule: 'a window that was empty has told something',
    file: 'plan/progress.ts',
    from: 'return reached < statement.hi;',
    to: 'return false;',
    settled: true,
    seed: 2,
  },
  {
    rule: 'the row at a cursor is asked for once',
    file: 'plan/witness.ts',
    from: 'return wasAsked ? null :',
    to: 'return',
    settled: false,
    seed: 3,
  },
  {
    rule: 'what is refreshed is read in parts',
    file: 'plan/refresh.ts',
    from: 'at + WINDOW_ROWS_MAX < ids.length ? ids[at + WINDOW_ROWS_MAX]! : to',
    to: 'to',
    settled: true,
  },
];

test.each(PLAN_MUTANTS)(
  'of the plan: $rule',
  async ({ file, from, to, settled, seed = 1 }) => {
    const load = mutate(file, from, to);
    const subject = {
      ...(await load<Pick<PlanSubject, 'planFill'>>('plan/fill.ts')),
      ...(await load<Pick<PlanSubject, 'planSeal'>>('plan/seal.ts')),
      ...(await load<Pick<PlanSubject, 'planWitness'>>('plan/witness.ts')),
      ...(await load<Pick<PlanSubject, 'planRefresh'>>('plan/refresh.ts')),
      ...(await load<Pick<PlanSubject, 'tellsMore'>>('plan/progress.ts')),
      ...(await load<Pick<PlanSubject, 'FIRST_WALK' | 'nextWalk' | 'restFromSeals'>>('plan/walk.ts')),
      ...(await load<Pick<PlanSubject, 'prove'>>('prove.ts')),
      ...(await load<Pick<PlanSubject, 'learn'>>('learn.ts')),
      ...(await load<Pick<PlanSubject, 'EMPTY_TIMELINE'>>('timeline.ts')),
    };
    expect(() => runPlanLaw({ runs: 2_000, seed, shrink: false, subject, settled })).toThrow(
      expect.objectContaining({ cause: expect.any(LawBroken) as unknown }) as Error,
    );
  },
  60_000,
);
