// Rows, queries and readings for the examples. Row n was written n seconds into the day before NOW, unless an example says
// otherwise, and every id below SETTLED is vouched for: what examples do not speak of is settled history.

import type { Freshness } from '../../src/timeline/freshness.ts';
import type { LearnContext } from '../../src/timeline/learn.ts';
import { learn } from '../../src/timeline/learn.ts';
import type { Proof, ProveContext } from '../../src/timeline/prove.ts';
import { prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import { PAGE_LIMIT } from '../../src/timeline/query.ts';
import type { Reading, Row } from '../../src/timeline/reading.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { EMPTY_TIMELINE } from '../../src/timeline/timeline.ts';

/** The moment at which the examples play, ms. */
export const NOW = 1_800_000_000_000;

/** The second from which rows count theirs. */
export const DAY_BEFORE = NOW / 1000 - 86_400;

export const SETTLED = 1000;

export const SECONDS = 1000;
export const MINUTES = 60 * SECONDS;
export const HOURS = 60 * MINUTES;

export const FRESHNESS: Freshness = {
  tailMaxAgeMs: 1 * SECONDS,
  metaMaxAgeMs: 10 * SECONDS,
  historyMaxAgeMs: 15 * MINUTES,
  staleIfErrorMs: 1 * HOURS,
  settleMs: 2 * MINUTES,
};

/** Pages of 3, 3, 4 and 5 rows, so that an example fits on a line. @returns what makes them whole again */
export function cutSmallPages(): () => void {
  const whole = { ...PAGE_LIMIT };
  Object.assign(PAGE_LIMIT, { latest: 3, before: 3, after: 4, between: 5 });
  return () => void Object.assign(PAGE_LIMIT, whole);
}

/** Row `id`, written in `second` of the day before. */
export function row(id: number, second: number = id, raw = `row ${id}`): Row {
  return { id, createdAt: DAY_BEFORE + second, internal: false, raw };
}

/** A private note. */
export function note(id: number, second: number = id): Row {
  return { id, createdAt: DAY_BEFORE + second, internal: true, raw: `note ${id}` };
}

export function rows(...from: (number | Row)[]): Row[] {
  return from.map((each) => (typeof each === 'number' ? row(each) : each));
}

/** `from`, `from` + 1 … up to and without `to`. */
export function span(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
}

export const latest: Query = { mode: 'latest', publicOnly: false };
export const before = (id: number): Query => ({ mode: 'before', before: id, publicOnly: false });
export const after = (id: number): Query => ({ mode: 'after', after: id, publicOnly: false });
export const between = (from: number, to: number): Query => ({ mode: 'between', after: from, before: to, publicOnly: false });
export const filtered = (query: Query): Query => ({ ...query, publicOnly: true });

/** What upstream answered to `query`, asked at NOW or `later` by so many ms. */
export function reading(query: Query, shown: readonly (number | Row)[], later = 0): Reading {
  const askedAt = NOW + later;
  return { query, rows: rows(...shown), envelope: { head: `{"meta":${later},"payload":[`, tail: ']}' }, askedAt };
}

export function learnContext(changes: Partial<LearnContext> = {}): LearnContext {
  return { vouched: SETTLED, settleMs: FRESHNESS.settleMs, expiredBefore: -Infinity, ...changes };
}

/** All that these readings tell. @throws if one of them was not simply learnt. */
export function known(...readings: readonly Reading[]): Timeline {
  return knownBelow(SETTLED, ...readings);
}

/** As `known`, with ids vouched for below `vouched` only. */
export function knownBelow(vouched: number, ...readings: readonly Reading[]): Timeline {
  return readings.reduce((timeline, each) => {
    const learnt = learn(timeline, each, learnContext({ vouched }));
    if (learnt.outcome !== 'learnt') throw new Error(`the example's reading is ${learnt.outcome}`);
    return learnt.timeline;
  }, EMPTY_TIMELINE);
}

/** The ids that answer `query`, or what it lacks. `later`: ms after NOW. */
export function answer(
  timeline: Timeline,
  query: Query,
  { later = 0, ...changes }: Partial<ProveContext> & { later?: number } = {},
): number[] | string {
  const proof = prove(timeline, query, { now: NOW + later, freshness: FRESHNESS, ...changes });
  if (proof.proved) return proof.rows.map(({ id }) => id);
  return proof.lacks === 'ids' ? `lacks ids ${proof.ids.lo} to ${proof.ids.hi}` : `lacks ${proof.lacks}`;
}

/** The proof of `query`. @throws where there is none. */
export function proofOf(timeline: Timeline, query: Query, later = 0, stale = false): Proof {
  const proof = prove(timeline, query, { now: NOW + later, freshness: FRESHNESS, stale });
  if (!proof.proved) throw new Error(`not proved: lacks ${proof.lacks}`);
  return proof;
}
