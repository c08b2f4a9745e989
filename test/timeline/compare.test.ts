// What explains that upstream answers otherwise than was proved, and what does not.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareAnswers } from '../../src/timeline/compare.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { after, before, between, cutSmallPages, latest, row, rows } from './rows.ts';

const TAIL = 100;

// Pages of 3 rows, 4 after a cursor and 5 between two.
let restore: () => void;
beforeAll(() => (restore = cutSmallPages()));
afterAll(() => restore());

function compared(query: Query, proved: readonly (number | Row)[], read: readonly (number | Row)[]): string {
  const comparison = compareAnswers(query, rows(...proved), rows(...read), TAIL);
  return comparison.kind === 'deleted' ? `deleted ${comparison.gone.join(' ')}` : comparison.kind;
}

/** Three rows of second 20. */
const [a, b, c] = [row(20, 20), row(21, 20), row(22, 20)];

describe('explained are', () => {
  test.each<[string, Query, (number | Row)[], (number | Row)[], string]>([
    ['the same rows', before(50), [1, 2, 3], [1, 2, 3], 'same'],
    ['rows that came in at the tail', latest, [1, 2, 3], [2, 3, 100], 'explained'],
    ['rows of one second in another order', before(50), [10, a, b], [10, b, a], 'same'],
    ['another row of the second that a page cuts', before(50), [a, 30, 31], [b, 30, 31], 'explained'],
    ['two others of three', before(50), [a, b, 31], [b, c, 31], 'explained'],
    ['another at the end of a page upwards', after(0), [1, 2, 3, a], [1, 2, 3, b], 'explained'],
    ['another between two cursors', between(1, 50), [1, 2, 3, 4, a], [1, 2, 3, 4, c], 'explained'],
    ['another, and a new row', latest, [a, b, 31], [c, 31, 100], 'explained'],
    ['the other pushed off by a new row', latest, [a, b, 31], [a, 31, 100], 'explained'],
    ['a row that was deleted', before(50), [10, 11, 12], [9, 10, 12], 'deleted 11'],
    ['one that was deleted, and another of the second that is cut', before(50), [a, 30, 31], [b, c, 31], 'deleted 30'],
  ])('%s', (_what, query, proved, read, verdict) => {
    expect(compared(query, proved, read)).toBe(verdict);
  });
});

describe('different are, at once or when rows that are gone turn out to be there', () => {
  test.each<[string, Query, (number | Row)[], (number | Row)[], string?]>([
    ['a row that was left out', before(50), [9, 10, 12], [10, 11, 12]],
    ['another order of seconds', before(50), [1, 3, 2], [1, 2, 3]],
    ['another row in a second that is not cut', before(50), [10, a, 31], [10, b, 31]],
    ['another row of that second on a page that is not full', before(50), [a, 31], [b, 31], 'deleted 20'],
    ['more rows of that second than had to be', before(50), [a, 30, 31], [b, c, a], 'deleted 30 31'],
    ['an older row in place of one of that second', before(50), [a, 30, 31], [9, 30, 31], 'deleted 20'],
  ])('%s', (_what, query, proved, read, verdict = 'different') => {
    expect(compared(query, proved, read)).toBe(verdict);
  });
});
