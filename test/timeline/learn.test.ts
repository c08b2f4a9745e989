import { beforeAll, describe, expect, test } from 'vitest';
import { MANY_ROWS } from '../../src/timeline/frontier.ts';
import { GONE_MAX, learn } from '../../src/timeline/learn.ts';
import { settledTop } from '../../src/timeline/prove.ts';
import { EMPTY_TIMELINE, findRow } from '../../src/timeline/timeline.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import type { Reading } from '../../src/timeline/reading.ts';
import {
  after,
  answer,
  before,
  between,
  cutSmallPages,
  DAY_BEFORE,
  filtered,
  known,
  knownBelow,
  latest,
  learnContext,
  MINUTES,
  note,
  NOW,
  reading,
  row,
  SECONDS,
  span,
} from './rows.ts';

beforeAll(cutSmallPages); // latest 3, before 3, after 4, between 5

const outcomeOf = (timeline: Timeline, read: Reading): string => learn(timeline, read, learnContext()).outcome;
const idsOf = (timeline: Timeline): number[] => timeline.rows.map(({ id }) => id);
const textOf = (timeline: Timeline, id: number): string | undefined => findRow(timeline, id)?.raw;

describe('a row that a later reading lacks', () => {
  test('is gone if the reading shows all rows of its id', () => {
    const timeline = known(reading(between(0, 5), [1, 2, 3, 4]), reading(between(2, 4), [3], 1));
    expect(idsOf(timeline)).toEqual([1, 3, 4]);
    expect(answer(timeline, before(5), { later: 1 })).toEqual([1, 3, 4]);
  });

  test('is gone if it would stand on the known side of the bound of a full page', () => {
    const sealed = reading(between(0, 6), [1, 2, 3, 4]);
    expect(idsOf(known(sealed, reading(before(6), [1, 2, 4], 1)))).toEqual([1, 2, 4]);
    expect(idsOf(known(sealed, reading(latest, [1, 3, 4], 1)))).toEqual([1, 3, 4]);
    expect(idsOf(known(sealed, reading(after(0), [1, 2, 4, 6], 1)))).toEqual([1, 2, 4, 6]);
  });

  test('stays if it lies beyond the bound', () => {
    const sealed = reading(between(0, 6), [1, 2, 3, 4]);
    expect(idsOf(known(sealed, reading(before(6), [2, 3, 4], 1)))).toEqual([1, 2, 3, 4]);
    const back = reading(between(0, 6), [row(5, 0), 1, 2, 3]);
    expect(idsOf(known(back, reading(latest, [1, 2, 3], 1)))).toEqual([5, 1, 2, 3]);
  });

  test('stays if it shares the second of the bound: there it may lie on either side', () => {
    const seconds = [row(1, 10), row(2, 10), row(3, 11), row(4, 12)];
    const timeline = known(reading(between(0, 6), seconds), reading(before(6), [row(1, 10), row(3, 11), row(4, 12)], 1));
    expect(idsOf(timeline)).toEqual([1, 2, 3, 4]);
    const forward = [row(1, 10), row(2, 11), row(3, 12), row(4, 12)];
    const shown = [row(1, 10), row(2, 11), row(4, 12), row(5, 12)];
    expect(idsOf(known(reading(between(0, 5), forward), reading(after(0), shown, 1))).toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  test('stays if the reading does not speak of its id', () => {
    expect(idsOf(known(reading(between(0, 5), [1, 2, 3, 4]), reading(between(5, 9), [], 1)))).toEqual([1, 2, 3, 4]);
  });

  test('stays if it was read after that reading was sent, or at the same moment', () => {
    for (const later of [0, 1]) {
      const timeline = known(reading(between(2, 3), [2], later), reading(between(0, 5), [1, 3], 0));
      expect(idsOf(timeline)).toEqual([1, 2, 3]);
    }
  });

  test('stays if the filter hides it, and is gone if it passed the filter before', () => {
    const timeline = known(reading(between(0, 5), [row(1), note(2), row(3)]), reading(filtered(between(0, 5)), [1], 1));
    expect(idsOf(timeline)).toEqual([1, 2]);
  });

  test('may have become internal where a filtered reading lacks it, so without the filter its id is unknown', () => {
    const timeline = known(reading(between(0, 5), [row(1), note(2), row(3)]), reading(filtered(between(0, 5)), [1], 1));
    expect(answer(timeline, filtered(between(0, 5)), { later: 1 })).toEqual([1]);
    expect(answer(timeline, between(0, 5), { later: 1 })).toBe('lacks ids 3 to 4');
    expect(answer(timeline, between(0, 3), { later: 1 })).toEqual([1, 2]);
  });
});

describe('the content of a row', () => {
  test('is replaced by what a later reading shows', () => {
    const timeline = known(reading(between(0, 3), [1, 2]), reading(between(2, 3), [row(2, 2, 'edited')], 1));
    expect(textOf(timeline, 2)).toBe('edited');
    expect(textOf(timeline, 1)).toBe('row 1');
  });

  test('is not overwritten by an answer that was asked for earlier and came later', () => {
    const timeline = known(reading(between(2, 3), [row(2, 2, 'edited')], 1), reading(between(0, 3), [1, 2]));
    expect(textOf(timeline, 2)).toBe('edited');
    expect(textOf(timeline, 1)).toBe('row 1');
    expect(findRow(timeline, 2)!.readAt).toBe(NOW + 1);
    expect(findRow(timeline, 1)!.readAt).toBe(NOW);
  });

  test('may change sides of the internal filter', () => {
    const timeline = known(reading(between(0, 3), [1, 2]), reading(between(2, 3), [note(2)], 1));
    expect(answer(timeline, filtered(between(0, 3)), { later: 1 })).toEqual([1]);
    expect(answer(timeline, between(0, 3), { later: 1 })).toEqual([1, 2]);
  });

  test('is what a timeline is sized by, with the envelope', () => {
    const read = reading(between(0, 3), [row(1, 1, 'x'.repeat(100)), row(2, 2, 'y'.repeat(20))]);
    const { head, tail } = read.envelope;
    expect(known(read).rawBytes).toBe(120 + head.length + tail.length);
    expect(known(read, { ...reading(between(1, 3), [2], 1), envelope: { head: '', tail: '' } }).rawBytes).toBe('row 2'.length);
    const deleted = known(read, { ...reading(between(2, 3), [], 1), envelope: { head: '', tail: '' } });
    expect(deleted.rawBytes).toBe(100);
  });
});

describe('the envelope', () => {
  test('is that of the reading sent last, in whatever order the answers come', () => {
    const [early, late] = [reading(between(0, 3), [1, 2]), reading(between(7, 8), [7], 5)];
    const { head, tail } = late.envelope;
    expect(known(early, late).envelope).toEqual({ head, tail, askedAt: NOW + 5 });
    expect(known(late, early).envelope).toEqual({ head, tail, askedAt: NOW + 5 });
  });
});

describe('a contradiction', () => {
  const sealed = known(reading(between(0, 9), [1, 2, 4, 5]));

  test('is a row that a durable statement rules out: all earlier knowledge is dropped, and it is counted', () => {
    const { timeline, outcome } = learn(sealed, reading(between(3, 5), [3, 4], 1), learnContext());
    expect(outcome).toBe('contradiction');
    expect(timeline.contradictions).toBe(1);
    expect(idsOf(timeline)).toEqual([3, 4]);
    expect(answer(timeline, between(3, 5), { later: 1 })).toEqual([3, 4]);
    expect(answer(timeline, before(3), { later: 1 })).toBe('lacks ids 0 to 3');
    const again = learn(timeline, reading(between(3, 6), [3, row(4, 7)], 2), learnContext());
    expect(again.outcome).toBe('contradiction');
    expect(again.timeline.contradictions).toBe(2);
  });

  test('is a row that moved to another second', () => {
    expect(outcomeOf(sealed, reading(between(2, 3), [row(2, 50)], 1))).toBe('contradiction');
  });

  test('is a row on the known side of a full page, not one beyond it nor in the second of its bound', () => {
    const page = known(reading(before(20), [row(5, 10), row(6, 11), row(7, 12)]));
    expect(outcomeOf(page, reading(between(3, 4), [row(3, 11)], 1))).toBe('contradiction');
    expect(outcomeOf(page, reading(between(3, 4), [row(3, 10)], 1))).toBe('learnt');
    expect(outcomeOf(page, reading(between(3, 4), [row(3, 9)], 1))).toBe('learnt');
    const forward = known(reading(after(4), [row(5, 10), row(6, 11), row(7, 12), row(8, 13)]));
    expect(outcomeOf(forward, reading(between(9, 10), [row(9, 12)], 1))).toBe('contradiction');
    expect(outcomeOf(forward, reading(between(9, 10), [row(9, 13)], 1))).toBe('learnt');
    expect(outcomeOf(forward, reading(between(9, 10), [row(9, 14)], 1))).toBe('learnt');
  });

  test('is none where only the tail was spoken of: new rows belong there', () => {
    const timeline = knownBelow(5, reading(after(0), [1, 2, 4]), reading(between(86_000, 86_001), [row(86_000, 86_399)], 1));
    expect(timeline.contradictions).toBe(0);
    expect(findRow(timeline, 86_000)).toBeDefined();
  });

  test('is a row that passes the filter and that a filtered reading ruled out, not an internal one', () => {
    const publicOnly = known(reading(filtered(between(0, 9)), [1, 4]));
    expect(outcomeOf(publicOnly, reading(between(3, 4), [3], 1))).toBe('contradiction');
    expect(outcomeOf(publicOnly, reading(between(3, 4), [note(3)], 1))).toBe('learnt');
  });
});

describe('an outdated reading', () => {
  test('shows a row that a reading sent later did not find any more: nothing is taken from it', () => {
    const timeline = known(reading(between(0, 5), [1, 2, 4], 10));
    const learnt = learn(timeline, reading(between(2, 4), [2, 3]), learnContext());
    expect(learnt).toEqual({ timeline, outcome: 'outdated' });
  });

  test('shows a row in a second that a reading sent later found it moved from', () => {
    const timeline = known(reading(between(0, 5), [row(1, 30)], 10));
    expect(learn(timeline, reading(between(0, 5), [row(1, 20)]), learnContext())).toEqual({ timeline, outcome: 'outdated' });
  });

  test('is outdated by a reading of all rows, too, after which fewer of those that pass the filter were read', () => {
    const [old, fresh] = [86_300, 86_390];
    const timeline = knownBelow(
      0,
      reading(latest, [row(1, old)], 10),
      reading(
        filtered(latest),
        span(4, 7).map((id) => row(id, fresh)),
        20,
      ),
    );
    expect(outcomeOf(timeline, reading(latest, [row(1, old), row(3, old + 1)]))).toBe('outdated');
  });

  test('is outdated by the tail, too, however soon that expires', () => {
    const timeline = knownBelow(0, reading(latest, [], 10));
    expect(outcomeOf(timeline, reading(latest, [row(86_400)]))).toBe('outdated');
  });

  test('that only lacks rows which are newer than it is learnt, and takes none of them away', () => {
    const timeline = known(reading(between(3, 4), [3], 10), reading(between(0, 5), [1, 2]));
    expect(answer(timeline, between(0, 5), { later: 10 })).toEqual([1, 2, 3]);
  });
});

describe('a reading that the finder would not answer is refused', () => {
  test.each<[string, Reading]>([
    ['more rows than the limit', reading(before(9), [1, 2, 3, 4])],
    ['a row at the cursor of `before`', reading(before(3), [2, 3])],
    ['a row at the cursor of `after`', reading(after(3), [3, 4])],
    ['a row below a range', reading(between(3, 5), [2, 3])],
    ['a row above a range', reading(between(3, 5), [4, 5])],
    ['rows that go back in time', reading(latest, [2, 1])],
    ['an internal row in spite of the filter', reading(filtered(latest), [row(1), note(2)])],
  ])('%s', (_what, foreign) => {
    const timeline = known(reading(between(0, 2), [1]));
    expect(learn(timeline, foreign, learnContext())).toEqual({ timeline, outcome: 'foreign' });
  });

  test('but not for ids out of order, a full page, or its cursor in a range', () => {
    for (const read of [reading(latest, [row(9, 1), row(3, 2)]), reading(before(9), [1, 2, 3]), reading(between(3, 5), [3, 4])])
      expect(outcomeOf(EMPTY_TIMELINE, read)).toBe('learnt');
  });
});

describe('statements', () => {
  test('are durable below what is vouched for, settling below what looks settled, transient above', () => {
    const timeline = knownBelow(3, reading(latest, [1, 5, row(9, 86_400)]));
    const cuts = timeline.statements.map(({ lo, hi, standing }) => ({ lo, hi, standing }));
    expect(cuts).toEqual([
      { lo: 0, hi: 3, standing: 'durable' },
      { lo: 3, hi: 6, standing: 'settling' },
      { lo: 6, hi: Infinity, standing: 'transient' },
    ]);
  });

  test('are durable, too, below what many rows show to be settled', () => {
    const durableBelow = (rowCount: number): number => {
      const each = span(1, rowCount + 1).map((id) => reading(between(id, id + 1), [id]));
      const timeline = knownBelow(0, ...each, reading(before(3), [1, 2], 1));
      return timeline.statements.findLast(({ standing }) => standing === 'durable')?.hi ?? 0;
    };
    expect(durableBelow(MANY_ROWS - 1)).toBe(0);
    expect(durableBelow(MANY_ROWS)).toBe(2); // vouched for by itself and the 19 above it
    expect(durableBelow(MANY_ROWS + 1)).toBe(3);
  });

  describe('do not rest on a back-dated row that a row of a lower id showed up', () => {
    const backDated = row(102, 86_220);
    const shown = [row(101, 86_400), row(103, 86_400)];
    const later = 31 * SECONDS;
    const settledAfter = (...each: readonly Reading[]): number => settledTop(knownBelow(0, ...each), false);

    test('while that is there, nor when it is gone', () => {
      const both = reading(latest, [backDated, ...shown]);
      expect(settledAfter(both)).toBe(0);
      expect(settledAfter(both, reading(before(102), [], later))).toBe(0);
      expect(settledAfter(both, reading(before(102), [], later), reading(latest, [backDated, shown[1]!], later))).toBe(0);
      expect(settledAfter(reading(latest, [backDated, shown[1]!], later))).toBe(103);
    });

    test('nor when that was gone before it was read', () => {
      const page = reading(latest, [backDated, shown[1]!], later);
      expect(settledAfter(reading(before(102), [shown[0]!]), reading(before(102), [], 1), page)).toBe(0);
    });

    test('nor any more once that is read, as far as the ids do not look settled without it', () => {
      const page = reading(after(101), [backDated, shown[1]!]);
      expect(settledAfter(page, reading(before(101), []))).toBe(103);
      expect(settledAfter(page, reading(before(101), []), reading(between(101, 102), [shown[0]!], 1))).toBe(0);
      const old = [row(50, 50), row(51, 51)];
      const timeline = knownBelow(20, page, reading(before(101), old), reading(between(101, 102), [shown[0]!], 1));
      for (const statements of [timeline.statements, timeline.publicStatements]) {
        expect(statements.map(({ lo, hi, standing, askedAt }) => [lo, hi, standing, askedAt - NOW])).toEqual([
          [0, 20, 'durable', 0],
          [20, 52, 'settling', 0],
          [52, 101, 'transient', 0],
          [101, 102, 'transient', 1],
          [102, Infinity, 'transient', 0],
        ]);
      }
    });

    test('nor when more is gone than is told apart', () => {
      const others = span(200, 200 + GONE_MAX).map((id) => row(id, 86_400 + id));
      const comeAndGo = [shown[0]!, ...others].flatMap((each, at) => [
        reading(between(each.id, each.id + 1), [each], 2 * at),
        reading(between(each.id, each.id + 1), [], 2 * at + 1),
      ]);
      expect(knownBelow(0, ...comeAndGo).gone).toEqual([
        { id: 101, createdAt: others[0]!.createdAt },
        ...others.slice(1).map(({ id, createdAt }) => ({ id, createdAt })),
      ]);
      expect(settledAfter(...comeAndGo, reading(latest, [backDated], later))).toBe(0);
    });

    test('nor on one that a reading from before it lacks, be that learnt after it or before', () => {
      const page = reading(filtered(after(101)), [backDated, shown[1]!], later);
      expect(settledAfter(page, reading(before(101), []))).toBe(101);
      expect(settledAfter(page, reading(latest, []))).toBe(0);
      expect(settledAfter(page, reading(latest, []), reading(before(101), [], -1))).toBe(0);
      expect(settledAfter(reading(latest, []), page, reading(before(101), [], -1))).toBe(0);
      const gone = reading(filtered(after(101)), [shown[1]!], later + 1);
      expect(knownBelow(0, page, reading(latest, [])).late).toEqual(new Set([102]));
      expect(knownBelow(0, page, reading(latest, []), gone).late).toEqual(new Set());
    });

    test('and a row that comes and goes is remembered once', () => {
      const there = (at: number): Reading => reading(before(102), [shown[0]!], at);
      const gone = (at: number): Reading => reading(before(102), [], at);
      // What is only known as of then may come back.
      expect(knownBelow(0, there(0), gone(1), there(2), gone(3)).gone).toHaveLength(1);
    });
  });

  test('too old to be of use yield to newer ones that know less', () => {
    const sealed = known(reading(between(0, 5), [1, 2, 3, 4]));
    const page = reading(before(5), [2, 3, 4], 40 * MINUTES);
    const kept = learn(sealed, page, learnContext()).timeline;
    expect(kept.statements[0]).toMatchObject({ unknown: null, askedAt: NOW });
    const replaced = learn(sealed, page, learnContext({ expiredBefore: NOW + 1 })).timeline;
    expect(replaced.statements[0]).toMatchObject({ unknown: { to: { id: 2 } }, askedAt: NOW + 40 * MINUTES });
  });
});

test('a commit later than SETTLE is missed, then contradicts, then is right', () => {
  const created = (NOW - 5 * MINUTES) / 1000 - DAY_BEFORE;
  const late = row(2, created);
  const shown = [row(1, created), row(3, created + 1)];
  let timeline = known(reading(latest, shown));
  const later = 3 * SECONDS;
  expect(answer(timeline, between(0, 4), { later })).toEqual([1, 3]); // 2 is there by now
  const first = learn(timeline, reading(before(3), [shown[0]!, late], later), learnContext());
  expect(first.outcome).toBe('contradiction');
  timeline = first.timeline;
  expect(answer(timeline, between(0, 3), { later })).toEqual([1, 2]);
  expect(answer(timeline, between(0, 4), { later })).toBe('lacks ids 3 to 4');
  const second = learn(timeline, reading(latest, [shown[0]!, late, shown[1]!], later + 1), learnContext());
  expect(second.outcome).toBe('learnt');
  expect(answer(second.timeline, latest, { later: later + 1 })).toEqual([1, 2, 3]);
  expect(answer(second.timeline, before(3), { later: later + 1 })).toEqual([1, 2]);
});

test('a timeline is a value: learning leaves the one before as it was', () => {
  const timeline = known(reading(between(0, 5), [1, 2, 3]));
  const copy = structuredClone(timeline);
  learn(timeline, reading(latest, [row(2, 2, 'edited'), 3, 4], 1), learnContext());
  learn(timeline, reading(between(2, 3), [], 1), learnContext());
  learn(timeline, reading(between(4, 5), [4], 1), learnContext());
  expect(timeline).toEqual(copy);
});
