import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Run } from '../../src/timeline/order.ts';
import { addRun, toRuns } from '../../src/timeline/order.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { row } from './rows.ts';

/** `'ac b'`: the run a, c and the run b. */
const runs = (text: string): Row[][] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((run) => Array.from(run).map(letterRow));
const letterRow = (letter: string): Row => row(letter.codePointAt(0)!, 0, letter);
const text = (all: readonly Run<Row>[]): string => all.map((run) => run.map(({ raw }) => raw).join('')).join(' ');
const added = (known: string, seen: string): string => text(addRun(runs(known), runs(seen)[0]!));

describe('a reading of a second', () => {
  test.each([
    ['of rows not seen before stands by itself', '', 'ab', 'ab'],
    ['of other rows says nothing about those known', 'ab', 'cd', 'cd ab'],
    ['shows where a new row stands between known ones', 'ad', 'abd', 'abd'],
    ['shows a new row before or after all known ones', 'bc', 'abcd', 'abcd'],
    ['of some of the rows leaves the others where they were', 'abcde', 'bd', 'abcde'],
    ['that begins where a run ends continues it', 'ab', 'bc', 'abc'],
    ['that ends where a run begins precedes it', 'bc', 'ab', 'abc'],
    ['joins two runs that it shows the ends of', 'ab cd', 'bc', 'abcd'],
    ['joins two runs into one where it shows rows of both', 'ac', 'abcd', 'abcd'],
    ['leaves other runs of the second alone', 'ab xy', 'bc', 'abc xy'],
    ['is believed where it denies a known order', 'ab', 'ba', 'ba'],
    ['that denies part of a run leaves the rest of it by itself', 'abc', 'ca', 'ca b'],
    ['does not put a row of its own against one of the run in the same gap', 'acd', 'abd', 'abd c'],
    ['does not put its last row against the last of the run', 'ab', 'ac', 'ac b'],
    ['does not put its first row against the first of the run', 'ac', 'bc', 'bc a'],
  ])('%s', (_what, known, seen, expected) => {
    expect(added(known, seen)).toBe(expected);
  });
});

test('the rows of a second are cut into runs at the seams', () => {
  const all = runs('abcd')[0]!;
  const seam = (letter: string): number => letterRow(letter).id;
  expect(text(toRuns(all, new Set()))).toBe('abcd');
  expect(text(toRuns(all, new Set([seam('c')])))).toBe('ab cd');
  expect(text(toRuns(all, new Set([seam('b'), seam('c'), seam('x')])))).toBe('a b cd');
  expect(toRuns([], new Set())).toEqual([]);
});

/** A partial order, naively: all pairs that follow by transitivity. */
class PartialOrder {
  readonly #pairs = new Set<string>();

  add(run: string): void {
    for (let a = 0; a < run.length; a++) for (let b = a + 1; b < run.length; b++) this.#pairs.add(run[a]! + run[b]!);
  }

  close(letters: string): this {
    for (const via of letters)
      for (const a of letters)
        for (const b of letters) if (this.#pairs.has(a + via) && this.#pairs.has(via + b)) this.#pairs.add(a + b);
    return this;
  }

  has(a: string, b: string): boolean {
    return this.#pairs.has(a + b);
  }

  /** True if every two letters are in one order and no two in both. */
  isTotal(letters: string): boolean {
    return Array.from(letters).every((a) => Array.from(letters).every((b) => a === b || this.has(a, b) !== this.has(b, a)));
  }
}

const LETTERS = 'abcdefg';
const subsetOf = (letters: string): fc.Arbitrary<string> =>
  fc.shuffledSubarray(Array.from(letters), { minLength: 1 }).map((each) => each.join(''));
/** What readings may show of one unchanging order. */
const glimpses = fc.array(
  fc.subarray(Array.from(LETTERS), { minLength: 1 }).map((each) => each.join('')),
  { minLength: 1, maxLength: 12 },
);
/** Readings that contradict each other as they like. */
const claims = fc.array(subsetOf(LETTERS), { minLength: 1, maxLength: 12 });

/** Feeds the readings one after the other and calls `each` with the runs before and after every one. */
function feed(seen: readonly string[], each: (known: string[], shown: string, result: string[]) => void): string[] {
  let known: string[] = [];
  for (const shown of seen) {
    const result = added(known.join(' '), shown).split(' ');
    each(known, shown, result);
    known = result;
  }
  return known;
}

const runOf = (all: readonly string[], letter: string): string => all.find((run) => run.includes(letter))!;
const isBefore = (all: readonly string[], a: string, b: string): boolean => {
  const run = runOf(all, a);
  return run.includes(b) && run.indexOf(a) < run.indexOf(b);
};

describe('whatever readings show', () => {
  test('every row that was seen stands in one run, once', () => {
    fc.assert(
      fc.property(claims, (seen) => {
        const result = feed(seen, () => {});
        expect(Array.from(result.join('')).toSorted()).toEqual([...new Set(seen.join(''))].toSorted());
      }),
    );
  });

  test('the order that the last reading showed holds', () => {
    fc.assert(
      fc.property(claims, (seen) => {
        feed(seen, (_known, shown, result) => {
          expect(
            Array.from(runOf(result, shown[0]!))
              .filter((letter) => shown.includes(letter))
              .join(''),
          ).toBe(shown);
        });
      }),
    );
  });

  test('no order is invented: what is not shown follows from the last reading and the runs before', () => {
    fc.assert(
      fc.property(claims, (seen) => {
        feed(seen, (known, shown, result) => {
          const follows = new PartialOrder();
          for (const run of [...known, shown]) follows.add(run);
          follows.close(LETTERS);
          const told = result.flatMap((run) =>
            Array.from(run).flatMap((a, at) => Array.from(run.slice(at + 1)).map((b) => a + b)),
          );
          expect(told.filter(([a, b]) => !follows.has(a!, b!))).toEqual([]);
        });
      }),
    );
  });

  test('rows that the reading does not show keep their order among themselves', () => {
    fc.assert(
      fc.property(claims, (seen) => {
        feed(seen, (known, shown, result) => {
          for (const run of known) {
            const rest = Array.from(run).filter((letter) => !shown.includes(letter));
            for (let at = 1; at < rest.length; at++) expect(isBefore(result, rest[at - 1]!, rest[at]!)).toBe(true);
          }
        });
      }),
    );
  });

  test('a run and a reading become one exactly where the order of all their rows follows from the two', () => {
    fc.assert(
      fc.property(subsetOf(LETTERS), subsetOf(LETTERS), (run, shown) => {
        const together = [...new Set(run + shown)].join('');
        const follows = new PartialOrder();
        follows.add(run);
        follows.add(shown);
        expect(added(run, shown).split(' ').length === 1).toBe(follows.close(LETTERS).isTotal(together) || isWithin(run, shown));
      }),
    );
  });

  test('of one unchanging order, nothing but that order is ever told', () => {
    fc.assert(
      fc.property(glimpses, (seen) => {
        feed(seen, (_known, _shown, result) => {
          for (const run of result) expect(run).toBe(Array.from(run).toSorted().join(''));
        });
      }),
    );
  });
});

/** True if all of the run's rows are shown, so that nothing of it is left. */
function isWithin(run: string, shown: string): boolean {
  return Array.from(run).every((letter) => shown.includes(letter));
}
