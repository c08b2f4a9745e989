// When what happens in a run, ms since its start.
//
//   alone ├── a fifth ──┤ honest callers only
//         beside        ├── the rest: hostile ones, too ──┤
//
// Both parts are made of cycles: two thirds in which nothing is wrong with Chatwoot, in which honest callers are compared, then
// faults, then time to recover from them.

export interface Course {
  readonly runMs: number;
  readonly aloneMs: number;
  readonly cycleMs: number;
}

/** The parts in which callers are compared, and the rest. */
export type Part = 'alone' | 'beside' | 'faulty';

const CALM_SHARE = 2 / 3;
const FAULTS_UNTIL_SHARE = 5 / 6;

export function courseOf(minutes: number): Course {
  const runMs = minutes * 60_000;
  return { runMs, aloneMs: runMs / 5, cycleMs: Math.min(60_000, runMs / 5) };
}

/** Where a question belongs that was asked and answered at those moments. */
export function partOf({ aloneMs, cycleMs }: Course, from: number, until: number): Part {
  const isCalm = placeOf(from, cycleMs) < CALM_SHARE && placeOf(until, cycleMs) < CALM_SHARE && until - from < cycleMs / 2;
  if (!isCalm) return 'faulty';
  return from < aloneMs ? 'alone' : 'beside';
}

export function hasFaults({ cycleMs }: Course, at: number): boolean {
  const place = placeOf(at, cycleMs);
  return place >= CALM_SHARE && place <= FAULTS_UNTIL_SHARE;
}

/** Where in its cycle a moment is, 0 to 1. */
function placeOf(at: number, cycleMs: number): number {
  return (at % cycleMs) / cycleMs;
}
