// What becomes due while reads last is kept for what they bring, and no longer.

import { expect, test } from 'vitest';
import { ReadsUnderWay } from '../../src/cache/reads-under-way.ts';
import { NOTHING_DUE, tailDue } from '../../src/timeline/changes.ts';

test('what became due is kept until the last read of the conversation has ended, and of no other', () => {
  const reads = new ReadsUnderWay();
  const known = tailDue(NOTHING_DUE, 3);
  const mark = (at: number) => reads.mark('1/1', (due) => tailDue(due, at));
  const tailAt = (key: string): number => reads.dueWith(key, known).tailAt;
  mark(9);
  expect([...reads.keys()]).toEqual([]);
  const ends = [reads.begin('1/1'), reads.begin('1/1'), reads.begin('1/2')];
  mark(5);
  expect([tailAt('1/1'), tailAt('1/2'), tailAt('1/3')]).toEqual([5, 3, 3]);
  ends[0]!();
  mark(6);
  expect(tailAt('1/1')).toBe(6);
  ends[1]!();
  expect([tailAt('1/1'), ...reads.keys()]).toEqual([3, '1/2']);
  reads.begin('1/1');
  expect(tailAt('1/1')).toBe(3);
});
