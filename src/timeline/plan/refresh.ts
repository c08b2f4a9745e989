// The refresh: reads that make history young again behind the answers that show it, each row once.
//
//   ids     ├ old ┤├ young ┤├────── old ──────┤├ soon old ┤ young …
//   reads   └──── 800 rows ────┘└──── 800 rows ────┘└─────┘

import { historyLifetime } from '../freshness.ts';
import type { Query } from '../query.ts';
import type { KnownRow, Timeline } from '../timeline.ts';
import type { PlanContext } from './planned.ts';
import { readOf } from './planned.ts';
import type { Walk } from './walk.ts';
import { WINDOW_ROWS_MAX } from './walk.ts';

/**
 * A conversation that is read again this long after it was first shown stale is worth refreshing behind the answer; one
 * whose only reader just passes through is not. Either way it is shown for twice HISTORY_MAX_AGE at most.
 */
const REFRESH_AFTER_MS = 60_000;

/** What to note of a proof that shows stale history, and whether to refresh it now. */
export function noteStale(walk: Walk, now: number): { walk: Walk; refresh: boolean } {
  if (walk.staleSince === null) return { walk: { ...walk, staleSince: now }, refresh: false };
  const refresh = now - walk.staleSince >= REFRESH_AFTER_MS;
  return { walk: refresh ? { ...walk, staleSince: null } : walk, refresh };
}

const SOON_DUE = 3;

/** Ranges whose statements or rows have outlived their freshness, in reads of at most `WINDOW_ROWS_MAX` known rows. */
export function planRefresh(timeline: Timeline, { now, freshness }: PlanContext): Query[] {
  const { freshMs } = historyLifetime(freshness);
  const { statements, rows } = timeline;
  const oldest = Math.min(
    ...statements.map(({ standing, askedAt }) => (standing === 'durable' ? askedAt : now)),
    oldestRow(rows, now),
  );
  if (now - oldest <= freshMs) return [];
  // What will be due soon comes along: else the next reader, a few ids further on, would have the rest read.
  const isDue = (at: number): boolean => now - at > freshMs / SOON_DUE;
  let from = Infinity;
  let to = -Infinity;
  const due = (lo: number, end: number): void => {
    from = Math.min(from, lo);
    to = Math.max(to, end);
  };
  for (const { lo, hi, standing, askedAt } of statements) if (standing === 'durable' && isDue(askedAt)) due(lo, hi);
  for (const row of rows) if (isDue(row.readAt)) due(row.id, row.id + 1);
  if (from >= to) return [];
  const ids = timeline.rows
    .map((row) => row.id)
    .filter((id) => id >= from && id < to)
    .toSorted((a, b) => a - b);
  const reads: Query[] = [];
  for (let at = 0; at === 0 || at < ids.length; at += WINDOW_ROWS_MAX) {
    const lo = at === 0 ? from : ids[at]!;
    const hi = at + WINDOW_ROWS_MAX < ids.length ? ids[at + WINDOW_ROWS_MAX]! : to;
    const read = readOf({ lo, hi });
    if (read !== null) reads.push(read);
  }
  return reads;
}

function oldestRow(rows: readonly KnownRow[], now: number): number {
  return rows.reduce((oldest, row) => Math.min(oldest, row.readAt), now);
}
