// What a soak is judged by, and what it prints in the end.

import { median, percent, printTable } from '../table.ts';
import type { Part } from './course.ts';
import type { Fared } from './honest.ts';
import type { HostileCounts } from './hostile.ts';
import type { Holdings } from './program.ts';

/** What the program held at `at`, ms of the run. */
export interface Look extends Holdings {
  readonly at: number;
}

export type Fares = Readonly<Record<Part, Fared>>;

export interface Soaked {
  readonly fares: Fares;
  readonly looks: readonly Look[];
  /** When honest callers had been alone, and when the hostile ones had gone. */
  readonly alone: Holdings;
  readonly afterwards: Holdings;
  /** When the hostile callers came, and for how long, ms of the run. */
  readonly besideFromMs: number;
  readonly besideMs: number;
  readonly socketsAfterMax: number;
  /** Answers to honest callers that there should never be. */
  readonly unexpected: number;
  /** How the program ended before its time. */
  readonly ended: string | undefined;
}

const GROWTH_MAX = 0.2;
const P99_TIMES_MAX = 2;
/** Below this, it is the machine that is measured. */
const P99_FLOOR_MS = 10;
/** Fewer answers say nothing of a share or a p99. */
const ANSWERS_MIN = 1_000;
/** In less time connections are still being opened. */
const BESIDE_MS_MIN = 60_000;
const OTHERS_SLACK = 4;
const MEBIBYTE = 1024 * 1024;

export function printFares(fares: Fares, met: HostileCounts): void {
  const rows = [
    ['alone', fares.alone],
    ['beside', fares.beside],
    ['while something is', fares.faulty],
  ] as const;
  printTable(
    'Honest callers while nothing is wrong with Chatwoot',
    ['callers', 'asked', 'served', 'median ms', 'p99 ms', 'answers'],
    rows.map(([name, fare]) => [name, fare.asked, percent(fare.served, fare.asked), fare.medianMs, fare.p99Ms, list(fare.words)]),
  );
  for (const [name, { refusals }] of rows.slice(0, 2))
    if (refusals.length > 0) console.log(`\nnot served ${name}: ${refusals.join(', ')}`);
  console.log(`\nhostile callers: ${list(new Map(Object.entries(met))) || 'none'}`);
}

/** Prints each bound with what was measured. @returns whether all were kept. */
export function printVerdict(soaked: Soaked): boolean {
  const { fares, alone, afterwards, socketsAfterMax, unexpected, ended } = soaked;
  const { alone: before, beside } = fares;
  const isLong = soaked.besideMs >= BESIDE_MS_MIN;
  const isTold = Math.min(before.asked, beside.asked) >= ANSWERS_MIN;
  const ofQuarter = (quarter: number, of: (look: Look) => number): number[] => {
    const from = soaked.besideFromMs + (soaked.besideMs * quarter) / 4;
    return soaked.looks.filter(({ at }) => at > from && at <= from + soaked.besideMs / 4).map(of);
  };
  const grows = (what: string, of: (look: Look) => number, digits = 0): Check => {
    const [from, to] = [median(ofQuarter(1, of)), median(ofQuarter(3, of))];
    const measured = `${from.toFixed(digits)} to ${to.toFixed(digits)}`;
    return { what, measured, bound: `+ ${percent(GROWTH_MAX, 1)}`, isKept: to <= (1 + GROWTH_MAX) * from, tells: isLong };
  };
  const p99Max = P99_TIMES_MAX * Math.max(before.p99Ms, P99_FLOOR_MS);
  const checks: readonly Check[] = [
    {
      what: 'served beside, of served alone',
      measured: percent(servedShare(beside), servedShare(before)),
      bound: '100 %',
      isKept: servedShare(beside) >= servedShare(before),
      tells: isTold,
    },
    {
      what: 'p99 beside, ms',
      measured: beside.p99Ms.toFixed(1),
      bound: p99Max.toFixed(1),
      isKept: beside.p99Ms <= p99Max,
      tells: isTold,
    },
    { what: 'answers that should not be', measured: String(unexpected), bound: '0', isKept: unexpected === 0, tells: true },
    grows('heap, MiB', ({ heapBytes }) => heapBytes / MEBIBYTE, 1),
    grows('RSS, MiB', ({ rssBytes }) => rssBytes / MEBIBYTE),
    grows('descriptors', ({ descriptors }) => descriptors),
    {
      what: 'other handles afterwards',
      measured: String(afterwards.others),
      bound: String(alone.others + OTHERS_SLACK),
      isKept: afterwards.others <= alone.others + OTHERS_SLACK,
      tells: true,
    },
    {
      what: 'sockets afterwards',
      measured: String(afterwards.sockets),
      bound: String(socketsAfterMax),
      isKept: afterwards.sockets <= socketsAfterMax,
      tells: true,
    },
    {
      what: 'heap afterwards, of that alone',
      measured: percent(afterwards.heapBytes, alone.heapBytes),
      bound: percent(1 + GROWTH_MAX, 1),
      isKept: afterwards.heapBytes <= (1 + GROWTH_MAX) * alone.heapBytes,
      tells: isLong,
    },
    { what: 'the program', measured: ended ?? 'runs', bound: 'runs', isKept: ended === undefined, tells: true },
  ];
  printTable(
    'From the second quarter of the hostile part to the last, and afterwards',
    ['what', 'measured', 'bound', ''],
    checks.map(({ what, measured, bound, isKept, tells }) => [
      what,
      measured,
      bound,
      tells ? (isKept ? 'kept' : 'NOT KEPT') : 'too short to tell',
    ]),
  );
  return checks.every(({ isKept, tells }) => isKept || !tells);
}

interface Check {
  readonly what: string;
  readonly measured: string;
  readonly bound: string;
  readonly isKept: boolean;
  /** Whether the run was long enough for it. */
  readonly tells: boolean;
}

function servedShare({ served, asked }: Fared): number {
  return served / asked;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([word, number]) => `${word}: ${number}`).join(', ');
}
