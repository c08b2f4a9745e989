import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IdRange } from '../../src/timeline/query.ts';
import type { Place, Standing, Statement, Statements, Window } from '../../src/timeline/statement.ts';
import { assert, retract, STATEMENTS_MAX } from '../../src/timeline/statement.ts';
import { span } from './rows.ts';

/** Places in order: place n is row n, the only one of second n. */
const place = (n: number): Place => ({ createdAt: n, id: n });
const olderThan = (n: number): Window => ({ from: null, to: place(n) });
const newerThan = (n: number): Window => ({ from: place(n), to: null });

function says(lo: number, hi: number, changes: Partial<Statement> = {}): Statement {
  return { lo, hi, unknown: null, standing: 'durable', askedAt: 100, ...changes };
}

const asserted = (...each: readonly Statement[]): Statements =>
  each.reduce<Statements>((all, added) => assert(all, added, -Infinity), []);

describe('two statements about the same ids', () => {
  test('leave of each what the other does not speak of', () => {
    const durable = says(3, 6);
    const transient = says(0, 9, { standing: 'transient', askedAt: 200 });
    expect(asserted(durable, transient)).toEqual([{ ...transient, hi: 3 }, durable, { ...transient, lo: 6 }]);
    expect(asserted(says(0, 9), says(3, 6, { askedAt: 200 }))).toEqual([says(0, 3), says(3, 6, { askedAt: 200 }), says(6, 9)]);
  });

  test.each<[Standing, Standing]>([
    ['durable', 'settling'],
    ['durable', 'transient'],
    ['settling', 'transient'],
  ])('a %s one holds against a %s one, whichever is newer and knows more', (better, worse) => {
    const strong = says(0, 9, { standing: better, unknown: olderThan(4) });
    for (const askedAt of [50, 200]) {
      const weak = says(0, 9, { standing: worse, askedAt });
      expect(asserted(strong, weak)).toEqual([strong]);
      expect(asserted(weak, strong)).toEqual([strong]);
    }
  });

  test.each<[string, Window | null, Window | null]>([
    ['all is known', null, olderThan(4)],
    ['as much is known', olderThan(4), olderThan(4)],
    ['more is known of the old', olderThan(3), olderThan(4)],
    ['more is known of the new', newerThan(5), newerThan(4)],
    ['one more end is known', { from: place(2), to: place(4) }, olderThan(4)],
  ])('the newer one holds where by it %s', (_what, newer, older) => {
    const [old, fresh] = [says(0, 9, { unknown: older }), says(0, 9, { unknown: newer, askedAt: 200 })];
    expect(asserted(old, fresh)).toEqual([fresh]);
    expect(asserted(fresh, old)).toEqual([fresh]);
  });

  test.each<[string, Window | null, Window | null, Window | null]>([
    ['pages that overlap in time leave nothing unknown', olderThan(4), newerThan(6), null],
    ['pages that do not meet leave the middle unknown', olderThan(6), newerThan(4), { from: place(4), to: place(6) }],
    ['a newer page that knows less adds nothing', olderThan(4), olderThan(6), olderThan(4)],
    ['a newer page that knows less than all adds nothing', null, olderThan(6), null],
  ])('both hold together, as old as the older: %s', (_what, older, newer, both) => {
    const [old, fresh] = [says(0, 9, { unknown: older }), says(0, 9, { unknown: newer, askedAt: 200 })];
    expect(asserted(old, fresh)).toEqual([says(0, 9, { unknown: both })]);
    expect(asserted(fresh, old)).toEqual([says(0, 9, { unknown: both })]);
  });

  test('bounds at different rows of one second are not compared: both stay possible', () => {
    const bounded = (id: number): Window => ({ from: null, to: { createdAt: 4, id } });
    const [merged] = asserted(says(0, 9, { unknown: bounded(1) }), says(0, 9, { unknown: bounded(2), askedAt: 200 }));
    expect(merged).toMatchObject({ askedAt: 100, unknown: { from: null, to: { createdAt: 4 } } });
    const crossing = asserted(says(0, 9, { unknown: bounded(1) }), says(0, 9, { unknown: newerThan(4), askedAt: 200 }));
    expect(crossing[0]!.unknown).not.toBeNull();
  });

  test('of the tail, the newer holds even where it knows less: the older is no longer true', () => {
    const old = says(0, 9, { standing: 'transient' });
    const fresh = says(0, 9, { standing: 'transient', unknown: olderThan(4), askedAt: 200 });
    expect(asserted(old, fresh)).toEqual([fresh]);
    expect(asserted(fresh, old)).toEqual([fresh]);
  });

  test('one from before `expiredBefore` yields to any other', () => {
    const old = says(0, 9);
    const weak = says(3, 6, { standing: 'transient', unknown: olderThan(4), askedAt: 200 });
    expect(assert([old], weak, 101)).toEqual([says(0, 3), weak, says(6, 9)]);
    expect(assert([old], weak, 100)).toEqual([old]);
  });
});

describe('neighbours', () => {
  test('that say the same since the same moment are one', () => {
    expect(asserted(says(0, 3), says(6, 9), says(3, 6))).toEqual([says(0, 9)]);
    expect(asserted(says(0, 3, { unknown: olderThan(4) }), says(3, 6, { unknown: olderThan(4) }))).toHaveLength(1);
  });

  test.each<[string, Partial<Statement>]>([
    ['age', { askedAt: 200 }],
    ['standing', { standing: 'settling' }],
    ['bound', { unknown: olderThan(4) }],
  ])('that differ in %s stay apart', (_what, changes) => {
    expect(asserted(says(0, 3), says(3, 6, changes))).toEqual([says(0, 3), says(3, 6, changes)]);
  });

  test('that do not touch stay apart', () => {
    expect(asserted(says(0, 3), says(4, 6))).toEqual([says(0, 3), says(4, 6)]);
  });
});

describe('retract', () => {
  test('takes every word about a range back and no other', () => {
    expect(retract([says(0, 4), says(5, 6), says(7, Infinity)], { lo: 3, hi: 8 })).toEqual([says(0, 3), says(8, Infinity)]);
    expect(retract([says(0, 9)], { lo: 4, hi: 5 })).toEqual([says(0, 4), says(5, 9)]);
    expect(retract([says(0, 9)], { lo: 9, hi: 12 })).toEqual([says(0, 9)]);
  });
});

test('a statement about no ids says nothing', () => {
  expect(asserted(says(5, 5), says(7, 3))).toEqual([]);
});

// The rules again for a single id, with a window as the set of places in it.

const IDS = 24;
const PLACES = Array.from('<01234>'); // the first and the last stand for what is beyond all
const RANKS: Standing[] = ['transient', 'settling', 'durable'];

interface Word {
  /** The places that may hold unknown rows. */
  readonly unknown: string;
  readonly rank: number;
  readonly askedAt: number;
}

function toWord({ unknown, standing, askedAt }: Statement): Word {
  const from = unknown?.from ? PLACES.indexOf(`${unknown.from.id}`) : 0;
  const to = unknown?.to ? PLACES.indexOf(`${unknown.to.id}`) : PLACES.length;
  return { unknown: unknown === null ? '' : PLACES.slice(from, to + 1).join(''), rank: RANKS.indexOf(standing), askedAt };
}

function naiveAssert(old: Word | undefined, added: Word, expiredBefore: number): Word {
  if (old === undefined || old.askedAt < expiredBefore) return added;
  if (old.rank !== added.rank) return old.rank > added.rank ? old : added;
  const [older, newer] = old.askedAt <= added.askedAt ? [old, added] : [added, old];
  const knowsAsMuch = Array.from(newer.unknown).every((each) => older.unknown.includes(each));
  if (newer.rank === 0 || knowsAsMuch) return newer;
  return {
    ...older,
    unknown: Array.from(older.unknown)
      .filter((each) => newer.unknown.includes(each))
      .join(''),
  };
}

const aPlace = fc.integer({ min: 0, max: 4 });
const aWindow: fc.Arbitrary<Window | null> = fc.oneof(
  fc.constant(null),
  aPlace.map(olderThan),
  aPlace.map(newerThan),
  fc.tuple(aPlace, aPlace).map(([a, b]) => ({ from: place(Math.min(a, b)), to: place(Math.max(a, b)) })),
);
const aRange: fc.Arbitrary<IdRange> = fc.oneof(
  fc.tuple(fc.nat({ max: IDS }), fc.nat({ max: IDS })).map(([lo, hi]) => ({ lo, hi })),
  fc.nat({ max: IDS }).map((lo) => ({ lo, hi: Infinity })),
);
const aStatement = fc
  .tuple(aRange, aWindow, fc.constantFrom(...RANKS), fc.nat({ max: 9 }))
  .map(([range, unknown, standing, askedAt]): Statement => ({ ...range, unknown, standing, askedAt }));
type Step = { readonly assert: Statement; readonly expiredBefore: number } | { readonly retract: IdRange };
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ assert: aStatement, expiredBefore: fc.constantFrom(-Infinity, -Infinity, 3, 6) }) },
  { weight: 1, arbitrary: fc.record({ retract: aRange.filter(({ lo, hi }) => lo < hi) }) },
);

function take(statements: Statements, step: Step): Statements {
  return 'assert' in step ? assert(statements, step.assert, step.expiredBefore) : retract(statements, step.retract);
}

const isSortedAndDisjoint = (statements: Statements): boolean =>
  statements.every(({ lo, hi }, at) => lo < hi && (at === 0 || statements[at - 1]!.hi <= lo));

describe('whatever is asserted and retracted', () => {
  test('of each id is said what the rules say', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 25 }), (steps) => {
        let statements: Statements = [];
        const naive: (Word | undefined)[] = Array.from({ length: IDS + 2 });
        for (const step of steps) {
          statements = take(statements, step);
          const range = 'assert' in step ? step.assert : step.retract;
          for (let id = range.lo; id < Math.min(range.hi, naive.length); id++) {
            naive[id] = 'assert' in step ? naiveAssert(naive[id], toWord(step.assert), step.expiredBefore) : undefined;
          }
          const said = naive.map((_, id) => statements.find(({ lo, hi }) => lo <= id && id < hi));
          expect(said.map((each) => each && toWord(each))).toEqual(naive);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('statements are sorted and disjoint, and speak of some id each', () => {
    fc.assert(
      fc.property(fc.array(aStep, { maxLength: 25 }), (steps) => {
        let statements: Statements = [];
        for (const step of steps) {
          statements = take(statements, step);
          expect(isSortedAndDisjoint(statements)).toBe(true);
        }
      }),
    );
  });
});

describe('when more is said than is kept', () => {
  const apart = (n: number, askedAt: number): Statement => says(10 * n, 10 * n + 5, { askedAt });

  test('the oldest is forgotten first, and no more than STATEMENTS_MAX is kept', () => {
    const total = STATEMENTS_MAX + 100;
    const statements = asserted(...span(0, total).map((n) => apart(n, 1000 + n)));
    expect(statements).toEqual(span(100, total).map((n) => apart(n, 1000 + n)));
  });

  test('a statement older than all the others is itself the one forgotten', () => {
    const full = asserted(...span(0, STATEMENTS_MAX).map((n) => apart(n, 1000 + n)));
    expect(full).toHaveLength(STATEMENTS_MAX);
    expect(asserted(...full, apart(STATEMENTS_MAX, 5))).toEqual(full);
  });

  test('neighbours that differ in age only are joined first, as old as the older', () => {
    const walk = span(0, STATEMENTS_MAX + 1).map((n) => says(10 * n, 10 * n + 10, { askedAt: 1000 - n }));
    expect(asserted(...walk)).toEqual([says(0, 10 * walk.length, { askedAt: 1000 - STATEMENTS_MAX })]);
  });

  test('of each id is said what the rules say, perhaps as of earlier, or nothing', () => {
    const wide = fc.tuple(fc.nat({ max: 1_990 }), fc.integer({ min: 1, max: 8 })).map(([lo, width]) => ({ lo, hi: lo + width }));
    const one = fc
      .tuple(wide, fc.oneof(fc.constant(null), aPlace.map(olderThan)), fc.constantFrom(...RANKS), fc.nat({ max: 50 }))
      .map(([range, unknown, standing, askedAt]): Statement => ({ ...range, unknown, standing, askedAt }));
    const wordAt = (statements: Statements, id: number): Word | undefined => {
      const about = statements.find(({ lo, hi }) => lo <= id && id < hi);
      return about && toWord(about);
    };
    let most = 0;
    fc.assert(
      fc.property(fc.array(one, { minLength: 600, maxLength: 600 }), (all) => {
        let statements: Statements = [];
        for (const added of all) {
          const earlier = statements;
          statements = assert(statements, added, -Infinity);
          expect(statements.length).toBeLessThanOrEqual(STATEMENTS_MAX);
          expect(isSortedAndDisjoint(statements)).toBe(true);
          most = Math.max(most, statements.length);
          for (let id = added.lo - 2; id < added.hi + 2; id++) {
            const said = wordAt(statements, id);
            if (said === undefined) continue;
            const old = wordAt(earlier, id);
            const right = id >= added.lo && id < added.hi ? naiveAssert(old, toWord(added), -Infinity) : old!;
            if (said.askedAt > right.askedAt)
              expect.fail(`${id} is said to be known since ${said.askedAt}, not ${right.askedAt}`);
            if (said.unknown !== right.unknown || said.rank !== right.rank) expect(said).toEqual(right);
          }
        }
      }),
      { numRuns: 6 },
    );
    expect(most).toBe(STATEMENTS_MAX);
  });
});
