// The law is worth what it catches: each rule of proof is broken once, in a copy of the code, and the law must notice.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Excuse, Rules, Subject } from './history.ts';
import { beyondSettle, LawBroken, underBackDated } from './history.ts';
import { BEYOND_SETTLE, EVERYTHING, OVERTAKEN, runLaw, SHOWN_UP, UNDER_BACK_DATED } from './law.ts';

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
const BACK_DATED_ONLY: Rules = { ...EVERYTHING, lateCommits: false };

/** What these rules except. */
const EXCUSES: ReadonlyMap<Rules, Excuse> = new Map([
  [EVERYTHING, underBackDated],
  [UNDER_BACK_DATED, underBackDated],
  [BEYOND_SETTLE, beyondSettle],
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
    from: 'const isOld = row.createdAt * 1000 + CREATED_AT_SLACK_MS <= at - settleMs;',
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
    from: 'if (!shown.has(row.id) && row.readAt < reading.askedAt) gone.add(row.id);',
    to: '',
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
];

test.each(MUTANTS)(
  '$rule',
  async ({ file, from, to, rules = EVERYTHING, seed = 1 }) => {
    const home = join(workshop, String(Math.random()).slice(2));
    cpSync(TIMELINE, home, { recursive: true });
    const source = readFileSync(join(home, file), 'utf8');
    expect(source.split(from)).toHaveLength(2);
    writeFileSync(join(home, file), source.replace(from, to));
    const load = async <T>(name: string): Promise<T> => (await import(/* @vite-ignore */ join(home, name))) as T;
    const subject = {
      ...(await load<Pick<Subject, 'PAGE_LIMIT'>>('query.ts')),
      ...(await load<Pick<Subject, 'prove'>>('prove.ts')),
      ...(await load<Pick<Subject, 'learn'>>('learn.ts')),
      ...(await load<Pick<Subject, 'sawId' | 'vouchedFrontier'>>('frontier.ts')),
      ...(await load<Pick<Subject, 'EMPTY_TIMELINE'>>('timeline.ts')),
    };
    expect(() => runLaw({ runs: 40_000, seed, shrink: false, subject, rules, excuse: EXCUSES.get(rules) })).toThrow(
      expect.objectContaining({ cause: expect.any(LawBroken) as unknown }) as Error,
    );
  },
  60_000,
);
