// A run is right only if each answer was, and nothing failed.

import { expect, test } from 'vitest';
import type { Asked } from './callers.ts';
import type { Verdict } from './judge.ts';
import { SHORT_AGES } from './promises.ts';
import { Tally } from './tally.ts';

const ASKED: Asked = {
  persona: 'agent',
  conversation: 7,
  target: '/messages',
  method: 'GET',
  headers: {},
  cacheStatus: 'backscroll; hit',
  flaw: undefined,
  observation: {
    sentAt: 1_000,
    receivedAt: 1_001,
    query: {},
    view: 'agent',
    demand: 'whatever is fresh',
    inScope: true,
    status: 200,
    code: undefined,
    isStale: false,
    ageS: 0,
    page: { meta: '{}', rows: ['{"id":5,"content":null}'] },
  },
};
const RIGHT: Verdict = { kind: 'right' };
const CIRCUMSTANCES = { seed: 1, promises: SHORT_AGES, writes: ['0.5 s: committed 5'], startedAt: 0 };

function tallyOf(...judged: readonly (readonly [Verdict, Partial<Asked>?])[]): Tally {
  const tally = new Tally();
  for (const [verdict, asked] of judged) tally.add({ ...ASKED, ...asked }, verdict, CIRCUMSTANCES);
  return tally;
}

test('answers that are right or excused are counted', () => {
  const tally = tallyOf([RIGHT], [{ kind: 'excused', why: 'the machine was late' }]);
  expect([tally.isRight, tally.answers, tally.pages, tally.outcomes.get('hit')]).toEqual([true, 2, 2, 2]);
  expect([...tally.excuses]).toEqual([['the machine was late', 1]]);
});

test.each<[string, Verdict, Partial<Asked>]>([
  ['wrong', { kind: 'wrong', why: 'missing: 4' }, {}],
  ['flawed, whatever Chatwoot could have said', RIGHT, { flaw: 'missing: an ETag' }],
  ['flawed and excused', { kind: 'excused', why: 'the machine was late' }, { flaw: 'missing: an ETag' }],
])('one answer that is %s is told, and makes the run wrong', (_how, verdict, asked) => {
  const tally = tallyOf([RIGHT], [verdict, asked], [RIGHT]);
  expect([tally.isRight, tally.wrong.length, tally.excuses.size]).toEqual([false, 1, 0]);
  expect([tally.wasWrong(/missing/), tally.wasWrong(/too old/), tally.wasWrong(undefined)]).toEqual([true, false, false]);
  expect(tally.summary()).toMatch(/WRONG \(seed 1\) missing: [^]*rows 5\n    0\.5 s: committed 5\n[^]*wrong answers: 1$/);
});

test('of many that are wrong all are counted, and the first ones told', () => {
  const tally = tallyOf(...Array.from({ length: 30 }, () => [{ kind: 'wrong', why: 'missing: 4' }] as const));
  expect([tally.wrong.length, tally.summary().match(/^WRONG/gm)?.length]).toEqual([30, 20]);
});

test('a run that failed is not right', () => {
  const tally = tallyOf([RIGHT]);
  tally.addFailure('it has ended');
  expect(tally.isRight).toBe(false);
  expect(tally.summary()).toContain('FAILED it has ended');
});
