import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NOTHING_DUE, rowDue } from '../../src/timeline/changes.ts';
import { learn } from '../../src/timeline/learn.ts';
import type { Freshness } from '../../src/timeline/freshness.ts';
import { planFill } from '../../src/timeline/plan/fill.ts';
import { tellsMore } from '../../src/timeline/plan/progress.ts';
import { noteStale, planRefresh } from '../../src/timeline/plan/refresh.ts';
import { planSeal } from '../../src/timeline/plan/seal.ts';
import { FIRST_WALK, nextWalk, restFromSeals } from '../../src/timeline/plan/walk.ts';
import { planWitness } from '../../src/timeline/plan/witness.ts';
import { highestId, prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from '../../src/timeline/query.ts';
import type { Reading, Row } from '../../src/timeline/reading.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { EMPTY_TIMELINE } from '../../src/timeline/timeline.ts';
import {
  after,
  answer,
  before,
  between,
  filtered,
  FRESHNESS,
  known,
  latest,
  learnContext,
  MINUTES,
  note,
  NOW,
  reading,
  row,
  SETTLED,
  span,
} from './rows.ts';

/** A conversation at rest: `count` rows with every `step`th id, each third of them a note. */
class Upstream {
  readonly ids: readonly number[];
  readonly top: number;
  reads = 0;
  readonly #rows: readonly Row[];

  /** Ids below `top` are vouched for; rows from there up were written since. */
  constructor(count: number, step: number, settled = count) {
    this.#rows = span(1, count + 1).map((n) => (n % 3 === 0 ? note(n * step, n) : row(n * step, n)));
    this.ids = this.#rows.map(({ id }) => id);
    this.top = settled * step + 1;
  }

  answer(query: Query): Row[] {
    const { lo, hi } = idRange(query);
    const matching = this.#rows.filter(({ id, internal }) => id >= lo && id < hi && !(query.publicOnly && internal));
    return takesNewest(query) ? matching.slice(-PAGE_LIMIT[query.mode]) : matching.slice(0, PAGE_LIMIT[query.mode]);
  }

  ask(query: Query, later = 0): Reading {
    this.reads++;
    return { query, rows: this.answer(query), envelope: { head: '', tail: '' }, askedAt: NOW + later };
  }

  /** What is known after these were read, one ms after the other. All ids are vouched for. */
  tell(timeline: Timeline, queries: readonly Query[], later = 0): Timeline {
    const context = learnContext({ vouched: this.top });
    return queries.reduce((told, query, at) => learn(told, this.ask(query, later + at), context).timeline, timeline);
  }
}

/** The moment `later` ms after NOW, as the plan takes it. */
const moment = (later: number): { now: number; freshness: Freshness } => ({ now: NOW + later, freshness: FRESHNESS });

const isFullyRead = (upstream: Upstream, timeline: Timeline, later: number): void => {
  for (const id of upstream.ids) {
    for (const query of [before(id), filtered(before(id)), between(id, Math.min(id + 7, upstream.top))]) {
      expect(answer(timeline, query, { later })).toEqual(upstream.answer(query).map((each) => each.id));
    }
  }
};

describe('filling', () => {
  const cursor = fc.nat({ max: 1_300 });
  const anyQuery: fc.Arbitrary<Query> = fc.oneof(
    fc.constant(latest),
    cursor.map(before),
    cursor.map(after),
    fc.tuple(cursor, fc.nat({ max: 300 })).map(([from, width]) => between(from, from + width)),
    cursor.map((id) => filtered(before(id))),
  );

  test('is a read after which the query is proved, unless it comes back full', () => {
    let fills = 0;
    const conversation = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1, 2, 4));
    fc.assert(
      fc.property(conversation, fc.array(anyQuery, { maxLength: 8 }), anyQuery, ([count, step], read, query) => {
        const upstream = new Upstream(count, step);
        const timeline = upstream.tell(EMPTY_TIMELINE, read);
        const gap = prove(timeline, query, moment(20_000));
        if (gap.proved) return;
        const fill = planFill(timeline, query, gap, moment(20_000));
        const isNewest = takesNewest(query) && idRange(query).hi > highestId(timeline);
        if (fill === null || isNewest || upstream.answer(fill).length === PAGE_LIMIT[fill.mode]) return;
        fills++;
        const filled = upstream.tell(timeline, [fill], 20_000);
        expect(answer(filled, query, { later: 20_000 })).toEqual(upstream.answer(query).map(({ id }) => id));
      }),
      { numRuns: 200 },
    );
    expect(fills).toBeGreaterThan(20);
  });

  test('of the newest page makes it provable again when the tail or `meta` is too old, or rows were written', () => {
    const [upstream, later] = [new Upstream(300, 3), new Upstream(303, 3, 300)];
    const timeline = upstream.tell(EMPTY_TIMELINE, [latest]);
    for (const wait of [2_000, 20_000, 5 * MINUTES]) {
      const gap = prove(timeline, latest, moment(wait));
      if (gap.proved) throw new Error('still proved');
      const fill = planFill(timeline, latest, gap, moment(wait))!;
      for (const now of [upstream, later]) {
        const filled = now.tell(timeline, [fill], wait);
        expect(answer(filled, latest, { later: wait })).toEqual(now.answer(latest).map(({ id }) => id));
      }
    }
  });

  test('of the newest page reaches down to the lowest row that is due: young rows are sooner than old ones', () => {
    const timeline = known(reading(latest, [...span(1, 18).map((id) => row(id)), row(18, 86_400 - 300), row(19, 86_400 - 200)]));
    const gap = { proved: false, lacks: 'rows' } as const;
    expect(planFill(timeline, latest, gap, moment(50_000))).toEqual(after(19));
    expect(planFill(timeline, latest, gap, moment(70_000))).toEqual(after(17));
    expect(planFill(timeline, latest, gap, moment(16 * MINUTES))).toEqual(after(0));
    expect(planFill(timeline, latest, gap, { ...moment(50_000), asOf: NOW })).toEqual(after(0));
  });

  test('of the newest page reaches down to what is not settled, and for customers as many public rows as theirs holds', () => {
    const gap = { proved: false, lacks: 'rows' } as const;
    const young = [row(1_018, 86_400 - 30), row(1_019, 86_400 - 20)];
    const timeline = known(reading(latest, [...span(1, 18).map((id) => row(id)), ...young]));
    expect(planFill(timeline, latest, gap, moment(2_000))).toEqual(after(SETTLED - 1));

    const notes = known(reading(between(0, 41), [...span(1, 16).map((id) => row(id)), ...span(16, 41).map((id) => note(id))]));
    const asOfNow = { ...moment(2_000), asOf: NOW + 1_000 };
    expect(planFill(notes, latest, gap, asOfNow)).toEqual(after(20));
    expect(planFill(notes, filtered(latest), gap, asOfNow)).toEqual(after(0));
  });

  test('of the newest page with a feed reaches down to the lowest row that is due within FEED_MAX_AGE', () => {
    const timeline = known(reading(latest, [...span(1, 18).map((id) => row(id)), row(18, 86_400 - 300), row(19, 86_400 - 200)]));
    const gap = { proved: false, lacks: 'rows' } as const;
    const fed = (wait: number) => {
      const { now, freshness } = moment(wait);
      return { now, freshness: { ...freshness, feedMaxAgeMs: 30_000 }, isFed: true };
    };
    expect(planFill(timeline, latest, gap, fed(25_000))).toEqual(after(19));
    expect(planFill(timeline, latest, gap, fed(35_000))).toEqual(after(17));
    expect(planFill(timeline, latest, gap, { ...fed(35_000), isFed: false })).toEqual(after(19));
  });

  test('of one row that changed is that row, and with a feed all of the newest page from it on', () => {
    const timeline = known(reading(latest, span(1, 19)));
    const gap = { proved: false, lacks: 'due', rows: [17] } as const;
    const context = { ...moment(1_000), due: rowDue(NOTHING_DUE, 17, NOW + 500) };
    expect(planFill(timeline, latest, gap, context)).toEqual(between(17, 18));
    expect(planFill(timeline, latest, gap, { ...context, isFed: true })).toEqual(after(16));
  });

  test('of a conversation of which nothing is known is not planned: the query itself is read', () => {
    const context = moment(0);
    for (const query of [latest, before(9), after(9), between(2, 9)]) {
      expect(planFill(EMPTY_TIMELINE, query, { proved: false, lacks: 'ids', ids: idRange(query) }, context)).toBeNull();
    }
  });

  test('of a `meta` that is too old asks for what is newer than all that is known', () => {
    const timeline = known(reading(between(0, 40), span(1, 30)));
    const context = moment(2 * MINUTES);
    expect(planFill(timeline, before(20), { proved: false, lacks: 'meta' }, context)).toEqual(after(29));
  });

  test('of missing ids brings far fewer rows than a page of thousands would', () => {
    const timeline = known(reading(between(0, 900), span(1, 900)), reading(between(905, 999), span(905, 990)));
    const gap = { proved: false, lacks: 'ids', ids: { lo: 900, hi: 905 } } as const;
    const fill = planFill(timeline, between(1, 990), gap, moment(0));
    expect(fill).toEqual(between(900, 905));
  });

  test('of ids that reach far above all that is known asks for what is newer, unless the query is no more than that', () => {
    const timeline = known(
      reading(
        between(0, 900),
        span(1, 300).map((n) => row(3 * n - 1)),
      ),
    );
    const gap = { proved: false, lacks: 'ids', ids: { lo: 899, hi: 500_000 } } as const;
    expect(planFill(timeline, between(0, 500_000), gap, moment(0))).toEqual(after(898));
    expect(planFill(timeline, between(899, 500_000), gap, moment(0))).toBeNull();
    // Among others that are known, as many may be missing as ids are.
    const around = known(reading(between(0, 301), span(1, 301)), reading(after(4999), [5000]));
    const inner = { ...gap, ids: { lo: 301, hi: 5000 } } as const;
    expect(planFill(around, between(0, 5001), inner, moment(0))).toBeNull();
    // More rows are known there than it should bring.
    const many = { ...gap, ids: { lo: 700, hi: 500_000 } } as const;
    expect(planFill(timeline, between(0, 500_000), many, moment(0))).toBeNull();
  });

  test('of ids without end is not planned where it would be the query itself, or might well come back full', () => {
    const upstream = new Upstream(300, 1);
    const timeline = upstream.tell(EMPTY_TIMELINE, [after(0)]);
    const query = after(100);
    const gap = prove(timeline, query, moment(0));
    expect(gap).toMatchObject({ lacks: 'ids', ids: { lo: 101, hi: Infinity } });
    if (!gap.proved) expect(planFill(timeline, query, gap, moment(0))).toBeNull();

    for (const [rows, planned] of [
      [40, after(889)],
      [60, null],
    ] as const) {
      const few = known(reading(between(900, 990), span(900, 900 + rows)));
      const open = { proved: false, lacks: 'ids', ids: { lo: 890, hi: Infinity } } as const;
      expect(planFill(few, after(880), open, moment(0))).toEqual(planned);
    }
  });

  test('of missing ids takes along the steps that earlier pages left below them', () => {
    const timeline = new Upstream(300, 1).tell(EMPTY_TIMELINE, [latest, before(261), before(241)]);
    const gap = prove(timeline, before(281), moment(100));
    expect(gap).toMatchObject({ lacks: 'ids', ids: { hi: 281 } });
    if (!gap.proved) expect(planFill(timeline, before(281), gap, moment(100))).toEqual(between(241, 281));
  });

  test('of missing ids is not planned where, as dense as others stand, it would bring much', () => {
    const timeline = known(reading(between(100, 160), span(100, 160)), reading(between(900, 999), span(900, 999)));
    const gapFrom = (lo: number) => ({ proved: false, lacks: 'ids', ids: { lo, hi: 900 } }) as const;
    expect(planFill(timeline, between(100, 950), gapFrom(100), moment(0))).toBeNull();
    expect(planFill(timeline, between(750, 950), gapFrom(750), moment(0))).toEqual(between(750, 900));
    const sparse = known(reading(between(100, 301), [100, 200, 300]));
    expect(planFill(sparse, between(100, 950), gapFrom(100), moment(0))).toEqual(between(100, 900));
  });

  test('of missing ids is not planned where more rows are known among them than it should bring', () => {
    // The oldest rows have the highest ids: by them, ids would seem to stand far apart.
    const backDated = span(1, 900).map((id) => row(id, id < 890 ? 1_000 + id : id));
    const timeline = known(
      reading(
        between(1, 900),
        backDated.toSorted((a, b) => a.createdAt - b.createdAt),
      ),
    );
    const gap = { proved: false, lacks: 'ids', ids: { lo: 2, hi: 900 } } as const;
    expect(planFill(timeline, between(1, 900), gap, moment(0))).toBeNull();
  });
});

describe('sealing', () => {
  const seals = (upstream: Upstream, start: Timeline, query: Query): { timeline: Timeline; reads: Query[] } => {
    let timeline = start;
    let walk = { ...FIRST_WALK, historyReads: 5 };
    const reads: Query[] = [];
    for (;;) {
      const next = planSeal(timeline, query, walk, moment(100));
      if (next === null) return { timeline, reads };
      reads.push(next);
      timeline = upstream.tell(timeline, [next]);
      walk = nextWalk(walk, 10);
      if (reads.length > 40) throw new Error(`sealing does not end: ${JSON.stringify(reads.slice(-4))}`);
    }
  };

  test('is not planned for the newest page, nor of what was never read', () => {
    const timeline = new Upstream(1_000, 3).tell(EMPTY_TIMELINE, [latest, before(2_000)]);
    const walk = { ...FIRST_WALK, historyReads: 5 };
    expect(planSeal(timeline, before(2_000), walk, moment(0))).not.toBeNull();
    expect(planSeal(timeline, latest, walk, moment(0))).toBeNull();
    expect(planSeal(EMPTY_TIMELINE, before(2_000), walk, moment(0))).toBeNull();
  });

  test.each([
    ['a short conversation', 90, 1],
    ['a long one with sparse ids', 1_000, 7],
    ['a long one with very sparse ids', 600, 500],
  ])('%s for a reader who walks backwards ends with every page proved, by few reads', (_name, count, step) => {
    const upstream = new Upstream(count, step);
    let timeline = upstream.tell(EMPTY_TIMELINE, [latest]);
    let sealed = 0;
    for (let cursor = upstream.ids.at(-20)!; ;) {
      const query = before(cursor);
      if (!prove(timeline, query, moment(100)).proved) timeline = upstream.tell(timeline, [query]);
      const more = seals(upstream, timeline, query);
      timeline = more.timeline;
      sealed += more.reads.length;
      expect(more.reads.every(({ publicOnly }) => !publicOnly)).toBe(true);
      const page = upstream.answer(query);
      if (page.length < PAGE_LIMIT.before) break;
      cursor = page[0]!.id;
    }
    expect(sealed).toBeGreaterThan(0);
    expect(upstream.reads).toBeLessThan(count / 20 / 2 + 5);
    isFullyRead(upstream, timeline, 100);
  });

  test('for a reader who walks forwards ends with every `after` page proved, once the tail is known', () => {
    const upstream = new Upstream(800, 3);
    const start = upstream.tell(EMPTY_TIMELINE, [after(0)]);
    const { timeline, reads } = seals(upstream, start, after(0));
    expect(reads.length).toBeLessThanOrEqual(2);
    const probed = upstream.tell(timeline, [after(upstream.top - 1)], 100);
    for (const id of upstream.ids) {
      expect(answer(probed, after(id), { later: 100 })).toEqual(upstream.answer(after(id)).map((each) => each.id));
    }
  });

  test('of what is sealed is not planned again', () => {
    const upstream = new Upstream(200, 3);
    const timeline = upstream.tell(EMPTY_TIMELINE, [latest, between(0, upstream.top)]);
    const walk = { ...FIRST_WALK, historyReads: 5 };
    for (const query of [before(300), before(100), after(90)]) {
      expect(planSeal(timeline, query, walk, moment(100))).toBeNull();
    }
  });

  test('begins at a reader who has jumped far down, and ends with the page proved', () => {
    const upstream = new Upstream(3_500, 3);
    const id = upstream.ids[500]!;
    const start = upstream.tell(EMPTY_TIMELINE, [latest]);
    const { timeline, reads } = seals(upstream, start, before(id));
    expect(reads[0]).toMatchObject({ mode: 'between', before: id });
    expect(answer(timeline, before(id), { later: 100 })).toEqual(upstream.ids.slice(480, 500));
    expect(upstream.reads).toBeLessThan(8);
  });

  test('of a start in reach does not wait for a walk', () => {
    const [short, long] = [90, 300].map((count) => new Upstream(count, 3).tell(EMPTY_TIMELINE, [latest]));
    expect(planSeal(short!, before(200), FIRST_WALK, moment(0))).toEqual(between(0, 271));
    expect(planSeal(long!, before(800), FIRST_WALK, moment(0))).toBeNull();
    // Who has read one page of history walks.
    expect(planSeal(long!, before(800), { ...FIRST_WALK, historyReads: 1 }, moment(0))).not.toBeNull();
  });

  test('goes on only where a walk nears the end of what is sealed', () => {
    const timeline = new Upstream(1_000, 1).tell(EMPTY_TIMELINE, [latest, between(600, 1_001), before(600)]);
    const walk = { ...FIRST_WALK, historyReads: 5 };
    expect(planSeal(timeline, before(900), walk, moment(0))).toBeNull();
    expect(planSeal(timeline, before(620), walk, moment(0))).toMatchObject({ mode: 'between', before: 600 });
  });

  test('is planned again of what is too old to be shown', () => {
    const upstream = new Upstream(200, 3);
    const timeline = upstream.tell(EMPTY_TIMELINE, [latest, between(0, upstream.top)]);
    const walk = { ...FIRST_WALK, historyReads: 5 };
    expect(planSeal(timeline, before(300), walk, moment(29 * MINUTES))).toBeNull();
    expect(planSeal(timeline, before(300), walk, moment(31 * MINUTES))).not.toBeNull();
  });

  test('tells more where the same rows are settled by now, and nothing where they are the same', () => {
    const rows = [row(10, 86_400 - 30), row(11, 86_400 - 20)];
    const context = { now: NOW + 100, freshness: { ...FRESHNESS, tailMaxAgeMs: MINUTES } };
    const told = (timeline: Timeline, vouched: number): Timeline =>
      learn(timeline, reading(between(5, 12), rows), learnContext({ vouched })).timeline;
    const young = told(EMPTY_TIMELINE, 0);
    expect(tellsMore(young, told(young, 0), context)).toBe(false);
    expect(tellsMore(young, told(young, SETTLED), context)).toBe(true);
  });

  test('rests for a minute after a read that was too much', () => {
    const upstream = new Upstream(300, 3);
    const timeline = upstream.tell(EMPTY_TIMELINE, [latest]);
    const walk = restFromSeals({ ...FIRST_WALK, historyReads: 5 }, NOW);
    expect(walk.windowRows).toBe(FIRST_WALK.windowRows / 2);
    expect(planSeal(timeline, before(600), walk, moment(59_999))).toBeNull();
    expect(planSeal(timeline, before(600), walk, moment(60_000))).not.toBeNull();
  });

  test('a slow read makes the next window smaller, a quick one larger, within bounds', () => {
    expect(nextWalk(FIRST_WALK, 2_000).windowRows).toBeLessThan(FIRST_WALK.windowRows);
    expect(nextWalk(FIRST_WALK, 10).windowRows).toBeGreaterThan(FIRST_WALK.windowRows);
    let [quick, slow] = [FIRST_WALK, FIRST_WALK];
    for (let n = 0; n < 20; n++) [quick, slow] = [nextWalk(quick, 10), nextWalk(slow, 5_000)];
    expect(quick.windowRows).toBeLessThan(PAGE_LIMIT.between);
    expect(slow.windowRows).toBeGreaterThan(PAGE_LIMIT.before);
  });
});

describe('the witness', () => {
  const page = known(reading(before(500), span(470, 490)));

  test('is whatever lies between a page of old rows and its cursor', () => {
    expect(planWitness(page, before(500))).toEqual(between(490, 501));
  });

  test('is not asked for twice, nor where a higher row is known, nor for young rows, nor for another page', () => {
    expect(planWitness(known(reading(before(500), span(470, 490)), reading(between(490, 501), [])), before(500))).toBeNull();
    expect(planWitness(known(reading(before(500), span(470, 490)), reading(between(600, 610), [605])), before(500))).toBeNull();
    const young = span(1_030, 1_050).map((id) => row(id, 86_400 - 1_100 + id));
    expect(planWitness(known(reading(before(1_060), young)), before(1_060))).toBeNull();
    expect(planWitness(page, latest)).toBeNull();
    expect(planWitness(EMPTY_TIMELINE, before(500))).toBeNull();
  });
});

describe('refreshing', () => {
  const upstream = new Upstream(950, 3);
  const pages = span(0, 10).map((n) => between(n * 300, (n + 1) * 300));
  const timeline = upstream.tell(EMPTY_TIMELINE, pages);

  test('is not planned of what was just read, nor of nothing', () => {
    expect(planRefresh(timeline, moment(1 * MINUTES))).toEqual([]);
    expect(planRefresh(EMPTY_TIMELINE, moment(0))).toEqual([]);
  });

  test('covers all that is due, in reads that are never full, after which nothing is due', () => {
    const later = 16 * MINUTES;
    const reads = planRefresh(timeline, moment(later));
    expect(reads.length).toBeGreaterThan(1);
    for (const query of reads) {
      expect(query).toMatchObject({ mode: 'between', publicOnly: false });
      expect(upstream.answer(query).length).toBeLessThan(PAGE_LIMIT.between);
    }
    const refreshed = upstream.tell(timeline, reads, later);
    expect(planRefresh(refreshed, moment(later + 100))).toEqual([]);
    expect(prove(refreshed, between(600, 800), moment(later + 100))).toMatchObject({ proved: true, refresh: { history: false } });
  });

  test('asks for each row once', () => {
    const reads = planRefresh(timeline, moment(16 * MINUTES));
    const asked = reads.flatMap((query) => upstream.answer(query).map(({ id }) => id));
    expect(asked).toEqual(upstream.ids);
  });

  test('takes along what will be due soon, and rows that are not settled', () => {
    const partly = upstream.tell(timeline, pages.slice(3), 10 * MINUTES);
    const asked = planRefresh(partly, moment(16 * MINUTES)).flatMap((query) => upstream.answer(query));
    expect(asked.map(({ id }) => id)).toEqual(upstream.ids);

    const young = known(reading(latest, [row(5), row(1_018, 86_400 - 30), row(1_019, 86_400 - 20)]));
    expect(planRefresh(young, moment(16 * MINUTES)).at(-1)).toMatchObject({ before: 1_020 });
  });

  test('begins a minute after stale history was first shown, and then not at once again', () => {
    const first = noteStale(FIRST_WALK, NOW);
    expect([first.refresh, noteStale(first.walk, NOW + 59_999).refresh]).toEqual([false, false]);
    const begun = noteStale(first.walk, NOW + MINUTES);
    expect([begun.refresh, noteStale(begun.walk, NOW + MINUTES + 1).refresh]).toEqual([true, false]);
  });

  test('leaves what was just read alone', () => {
    const partly = upstream.tell(timeline, pages.slice(3), 15 * MINUTES);
    const asked = planRefresh(partly, moment(16 * MINUTES)).flatMap((query) => upstream.answer(query));
    expect(asked.map(({ id }) => id)).toEqual(upstream.ids.filter((id) => id < 900));
  });
});
