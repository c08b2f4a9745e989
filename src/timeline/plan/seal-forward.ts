// The seal of a walk towards the newest rows: from the first id that is not known in full on, for `after` pages need all that
// could be older than their edge.
//
//   reader ├─ known ─┤  ?  ├ few known ┤  ?  ├── many known ──┤ …
//                    └───────────────────────┘ read: the oldest 1,000 of these

import { statementLifetime } from '../freshness.ts';
import { highestId } from '../prove.ts';
import type { Query } from '../query.ts';
import { idRange, PAGE_LIMIT } from '../query.ts';
import type { Timeline } from '../timeline.ts';
import type { PlanContext } from './planned.ts';
import { readOf } from './planned.ts';
import { countRows } from './rows-in.ts';

/** A walk towards the newest rows that has so many known ones before it needs no more yet; fewer are read once more. */
const FORWARD_ROWS_MIN = 2 * PAGE_LIMIT.after;

/** The read that seals what lies ahead of the reader who asked `query`, an `after` page, or null where nothing is to be sealed. */
export function planSealForward(timeline: Timeline, query: Query, { now, freshness }: PlanContext): Query | null {
  let reached = idRange(query).lo;
  let told = reached;
  let end = Infinity;
  for (const { lo, hi, unknown, standing, askedAt } of timeline.statements) {
    if (hi <= reached) continue;
    const isTail = standing === 'transient';
    const isSealed = unknown === null && (isTail || now - askedAt <= statementLifetime(freshness, standing).usableMs);
    if (isSealed && lo <= reached) {
      reached = told = hi;
      continue;
    }
    const hasMany = (from: number): boolean => countRows(timeline, { lo: from, hi }, FORWARD_ROWS_MIN) >= FORWARD_ROWS_MIN;
    if (isSealed && !isTail && hasMany(lo)) {
      end = lo;
      break;
    }
    if (lo > told || (!isSealed && (unknown?.from ?? null) === null)) continue;
    told = hi;
    if (hasMany(reached)) return null;
  }
  if (reached > highestId(timeline) && !endsOpen(timeline, query)) return null;
  return readOf({ lo: reached, hi: end });
}

/** True if the last page read towards the newest rows was full, for readers like this one: more may follow. */
export function endsOpen(timeline: Timeline, { publicOnly }: Pick<Query, 'publicOnly'>): boolean {
  const statements = publicOnly ? timeline.publicStatements : timeline.statements;
  return (statements.at(-1)?.unknown?.from ?? null) !== null;
}
