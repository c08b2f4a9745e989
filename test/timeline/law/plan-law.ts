// The law of the reading plan, over many random conversations and readers: every planned read is sane, and a plan that is
// followed gets somewhere and ends.

import fc from 'fast-check';
import type { learn } from '../../../src/timeline/learn.ts';
import type { planFill } from '../../../src/timeline/plan/fill.ts';
import type { tellsMore } from '../../../src/timeline/plan/progress.ts';
import type { planRefresh } from '../../../src/timeline/plan/refresh.ts';
import type { planSeal } from '../../../src/timeline/plan/seal.ts';
import type { FIRST_WALK, nextWalk, restFromSeals } from '../../../src/timeline/plan/walk.ts';
import type { planWitness } from '../../../src/timeline/plan/witness.ts';
import type { prove } from '../../../src/timeline/prove.ts';
import type { Query } from '../../../src/timeline/query.ts';
import { PAGE_LIMIT, takesNewest } from '../../../src/timeline/query.ts';
import type { Row } from '../../../src/timeline/reading.ts';
import type { Timeline } from '../../../src/timeline/timeline.ts';
import { FRESHNESS, LawBroken } from './history.ts';

/** The functions under test; mutation tests hand in broken ones. */
export interface PlanSubject {
  readonly planFill: typeof planFill;
  readonly planSeal: typeof planSeal;
  readonly planWitness: typeof planWitness;
  readonly planRefresh: typeof planRefresh;
  readonly tellsMore: typeof tellsMore;
  readonly FIRST_WALK: typeof FIRST_WALK;
  readonly nextWalk: typeof nextWalk;
  readonly restFromSeals: typeof restFromSeals;
  readonly prove: typeof prove;
  readonly learn: typeof learn;
  readonly EMPTY_TIMELINE: Timeline;
}

/** So many rows, each with its id so far above the one before; written on time, or all before the first. */
interface Stretch {
  readonly rows: number;
  readonly step: number;
  readonly kind: 'plain' | 'notes' | 'back-dated' | 'of one second';
}

interface Story {
  readonly stretches: readonly Stretch[];
  /** What was read before, each so long (ms) after the last. */
  readonly read: readonly { readonly query: Query; readonly waitMs: number }[];
  /** What is asked then. */
  readonly asked: readonly Query[];
  /** Forwarded history pages so far. */
  readonly historyReads: number;
}

/** How often each plan planned something, so that a law that looks at nothing is noticed. */
export interface PlanTally {
  fills: number;
  seals: number;
  witnesses: number;
  refreshes: number;
  /** Seals that told nothing, after which there is a rest. */
  fruitless: number;
}

const START_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
/** Far more than the longest conversation here needs. */
const STEPS_MAX = 60;

class Conversation {
  readonly rows: readonly Row[];
  readonly ids: readonly number[];

  constructor(stretches: readonly Stretch[], now: number) {
    const rows: (Row & { readonly at: number })[] = [];
    const count = stretches.reduce((sum, stretch) => sum + stretch.rows, 0);
    let id = 1;
    let place = count;
    for (const { rows: many, step, kind } of stretches) {
      const first = place;
      for (let n = 0; n < many; n++) {
        id += step;
        place--;
        const minutes = kind === 'back-dated' ? 2 * count + place : kind === 'of one second' ? first : place;
        const internal = kind === 'notes' || n % 7 === 3;
        rows.push({ id, internal, createdAt: Math.floor(now / 1000) - 60 * minutes, raw: '', at: n });
      }
    }
    this.ids = rows.map((row) => row.id);
    this.rows = rows.toSorted((a, b) => a.createdAt - b.createdAt || a.at - b.at);
  }

  answer(query: Query): readonly Row[] {
    const matching = this.rows.filter(({ id, internal }) => {
      if (query.publicOnly && internal) return false;
      if (query.mode === 'before') return id < query.before;
      if (query.mode === 'after') return id > query.after;
      return query.mode === 'latest' || (id >= query.after && id < query.before);
    });
    return takesNewest(query) ? matching.slice(-PAGE_LIMIT[query.mode]) : matching.slice(0, PAGE_LIMIT[query.mode]);
  }
}

/** `settled`: whether every id is vouched for; else what a read tells may not last, and a seal may be in vain once. */
export function followPlans(story: Story, subject: PlanSubject, settled: boolean, tally: PlanTally): void {
  let now = START_MS;
  const conversation = new Conversation(story.stretches, now);
  // What rows of one second do at a page's edge is not known: such a read may tell nothing.
  const isStrict = settled && story.stretches.every(({ kind }) => kind !== 'of one second');
  const top = conversation.ids.at(-1)! + 1;
  const vouched = settled ? top + 1_000 : conversation.ids[Math.floor(conversation.ids.length / 2)]!;
  const context = () => ({ now, freshness: FRESHNESS });
  const read = (timeline: Timeline, query: Query): Timeline => {
    now++;
    const reading = { query, rows: conversation.answer(query), envelope: { head: '', tail: '' }, askedAt: now };
    const expiredBefore = now - 2 * FRESHNESS.historyMaxAgeMs;
    return subject.learn(timeline, reading, { vouched, settleMs: FRESHNESS.settleMs, expiredBefore }).timeline;
  };

  let start = subject.EMPTY_TIMELINE;
  for (const { query, waitMs } of story.read) {
    start = read(start, atRow(query, conversation.ids, top));
    now += waitMs;
  }
  for (const asked of story.asked) {
    const query = atRow(asked, conversation.ids, top);
    const gap = subject.prove(start, query, context());
    const fill = gap.proved ? null : subject.planFill(start, query, gap, context());
    if (fill !== null) {
      tally.fills++;
      checkSane(fill, start);
    }
    const forwarded = read(start, query);
    const witness = subject.planWitness(forwarded, query);
    if (witness !== null) {
      tally.witnesses++;
      checkSane(witness, forwarded);
      if (subject.planWitness(read(forwarded, witness), query) !== null) throw new LawBroken('a witness is asked for twice');
    }
    let timeline = start;
    let walk = { ...subject.FIRST_WALK, historyReads: story.historyReads };
    for (let step = 0; ; step++) {
      const seal = subject.planSeal(timeline, query, walk, context());
      if (seal === null) break;
      tally.seals++;
      checkSane(seal, timeline);
      if (step > STEPS_MAX) throw new LawBroken(`sealing for ${say(query)} does not end: ${say(seal)}`);
      const before = timeline;
      timeline = read(timeline, seal);
      const isMore = subject.tellsMore(before, timeline, context());
      if (isStrict) {
        if (subject.prove(before, seal, context()).proved) throw new LawBroken(`${say(seal)} was proved already`);
        if (!subject.prove(timeline, seal, context()).proved) throw new LawBroken(`${say(seal)} does not follow from itself`);
        if (!isMore) throw new LawBroken(`${say(seal)} counts for nothing`);
      }
      if (!isMore) tally.fruitless++;
      walk = isMore ? subject.nextWalk(walk, 10) : subject.restFromSeals(walk, now);
    }
    now += 16 * MINUTE_MS;
    for (let round = 0; ; round++) {
      const reads = subject.planRefresh(timeline, context());
      if (reads.length === 0) break;
      if (round > STEPS_MAX) throw new LawBroken(`refreshing does not end: ${reads.map(say).join(' ')}`);
      tally.refreshes += reads.length;
      for (const each of reads) checkSane(each, timeline);
      for (const each of reads) timeline = read(timeline, each);
      if (!isStrict) break;
    }
    now -= 16 * MINUTE_MS;
  }
}

/** Safe integers, as many ids as none or more, and fewer known rows than the page may have: it would come back full. */
function checkSane(query: Query, timeline: Timeline): void {
  const cursors =
    query.mode === 'latest' ? [] : query.mode === 'between' ? [query.after, query.before] : [query[query.mode as never]];
  const isSane = cursors.every((cursor) => Number.isSafeInteger(cursor) && cursor >= 0);
  if (!isSane || (query.mode === 'between' && query.after >= query.before)) throw new LawBroken(`${say(query)} is not sane`);
  if (query.mode !== 'between' || query.before === Number.MAX_SAFE_INTEGER) return;
  const known = timeline.rows.filter(({ id }) => id >= query.after && id < query.before).length;
  if (known >= PAGE_LIMIT.between) throw new LawBroken(`${say(query)} brings what is known: ${known} rows`);
}

function say(query: Query): string {
  return JSON.stringify(query);
}

/** Cursors of a story are places: below 1,000 in thousandths of the rows, beside a row where odd; above, from the end on. */
function atRow(query: Query, ids: readonly number[], top: number): Query {
  const cursor = (place: number): number => {
    if (place >= 1_010) return Number.MAX_SAFE_INTEGER - (1_020 - place);
    if (place >= 1_000) return top + 37 * (place - 1_000);
    return ids[Math.floor((place / 1_000) * ids.length)]! + (place % 2);
  };
  switch (query.mode) {
    case 'latest':
      return query;
    case 'before':
      return { ...query, before: cursor(query.before) };
    case 'after':
      return { ...query, after: query.after === 0 ? 0 : cursor(query.after) };
    case 'between': {
      const [after, before] = [cursor(query.after), cursor(query.before)].toSorted((a, b) => a - b) as [number, number];
      return { ...query, after, before };
    }
  }
}

const place = fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 999 }) }, fc.integer({ min: 1_000, max: 1_020 }));
const query: fc.Arbitrary<Query> = fc
  .tuple(fc.constantFrom<Query['mode']>('latest', 'before', 'after', 'between'), place, place, fc.boolean())
  .map(([mode, first, second, publicOnly]) => {
    if (mode === 'latest') return { mode, publicOnly };
    if (mode === 'between') return { mode, after: first, before: second, publicOnly };
    return (mode === 'before' ? { mode, before: first, publicOnly } : { mode, after: first, publicOnly }) satisfies Query;
  });
const stretch: fc.Arbitrary<Stretch> = fc.record({
  rows: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 60 }) }, fc.integer({ min: 60, max: 1_500 })),
  step: fc.constantFrom(1, 2, 10, 200, 5_000),
  kind: fc.constantFrom<Stretch['kind']>('plain', 'plain', 'notes', 'back-dated', 'of one second'),
});
const story: fc.Arbitrary<Story> = fc.record({
  stretches: fc.array(stretch, { minLength: 1, maxLength: 4 }),
  read: fc.array(fc.record({ query, waitMs: fc.constantFrom(0, 0, 5_000, 5 * MINUTE_MS, 40 * MINUTE_MS) }), {
    minLength: 1,
    maxLength: 6,
  }),
  asked: fc.array(query, { minLength: 1, maxLength: 4 }),
  historyReads: fc.constantFrom(0, 5, 5),
});

export interface PlanLawOptions {
  readonly runs: number;
  readonly seed?: number | undefined;
  readonly subject: PlanSubject;
  readonly settled: boolean;
  readonly shrink?: boolean;
}

/** Checks the law over `runs` stories. @returns what was planned. @throws with the shrunk story where it breaks. */
export function runPlanLaw({ runs, seed, subject, settled, shrink = true }: PlanLawOptions): PlanTally {
  const tally: PlanTally = { fills: 0, seals: 0, witnesses: 0, refreshes: 0, fruitless: 0 };
  fc.assert(
    fc.property(story, (told) => followPlans(told, subject, settled, tally)),
    { numRuns: runs, endOnFailure: !shrink, ...(seed === undefined ? {} : { seed }) },
  );
  return tally;
}
