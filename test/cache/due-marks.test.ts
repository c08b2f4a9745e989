// What is due of what is not known here is kept as exactly as memory allows, and never forgotten: what is let go makes more due, not less.

import { expect, test } from 'vitest';
import { ACCOUNTS_MAX, DueMarks, MARKS_MAX } from '../../src/cache/due-marks.ts';
import { envelopeDue, NOTHING_DUE, rowDue, tailDue, type Due } from '../../src/timeline/changes.ts';

const tailAt = (at: number) => (due: Due) => tailDue(due, at);
const envelopeAt = (at: number) => (due: Due) => envelopeDue(due, at);

test('what was marked of a conversation and of its account adds up, and is of no other', () => {
  const marks = new DueMarks();
  marks.mark('1/1', tailAt(5));
  marks.mark('1/1', (due) => rowDue(due, 7, 6));
  marks.markAccount(1, envelopeAt(8));
  marks.markAccount(1, tailAt(3));
  expect(marks.of('1/1')).toEqual({ ...NOTHING_DUE, tailAt: 5, envelopeAt: 8, rows: new Map([[7, 6]]) });
  expect(marks.of('1/2')).toEqual({ ...NOTHING_DUE, tailAt: 3, envelopeAt: 8 });
  expect(marks.of('11/1')).toEqual(NOTHING_DUE);
  marks.delete('1/1');
  expect(marks.of('1/1')).toEqual(marks.of('1/2'));
});

test('of more conversations than are kept, the one marked longest ago is due with all that are not marked', () => {
  const marks = new DueMarks();
  for (let id = 0; id < MARKS_MAX; id++) marks.mark(`1/${id}`, tailAt(10 + id));
  marks.mark('1/0', tailAt(MARKS_MAX + 10));
  marks.delete('1/2');
  marks.mark('1/2', tailAt(5));
  expect(marks.of('2/1')).toEqual(NOTHING_DUE);
  marks.mark('1/new', tailAt(MARKS_MAX + 20));
  const lost = { ...NOTHING_DUE, tailAt: 11, envelopeAt: 11, rowsAt: 11 };
  expect([marks.of('1/1'), marks.of('2/1')]).toEqual([lost, lost]);
  expect(marks.of('1/3').tailAt).toBe(13);
});

test('of more accounts than are kept, the one marked longest ago is due with all that are not marked', () => {
  const marks = new DueMarks();
  for (let id = 1; id <= ACCOUNTS_MAX; id++) marks.markAccount(id, envelopeAt(10 + id));
  marks.markAccount(1, envelopeAt(ACCOUNTS_MAX + 20));
  expect(marks.of('0/1')).toEqual(NOTHING_DUE);
  marks.markAccount(ACCOUNTS_MAX + 1, envelopeAt(ACCOUNTS_MAX + 30));
  expect(marks.of('2/1')).toMatchObject({ tailAt: 12, envelopeAt: 12, rowsAt: 12 });
  expect(marks.of('1/1')).toMatchObject({ tailAt: 12, envelopeAt: ACCOUNTS_MAX + 20 });
});

test('what was lost until a moment stays lost when an earlier one is told', () => {
  const marks = new DueMarks();
  marks.lose(9);
  marks.lose(4);
  expect(marks.of('1/1')).toMatchObject({ tailAt: 9, envelopeAt: 9, rowsAt: 9 });
});
