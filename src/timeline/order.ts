// Order within one second is only known as seen.
//
// The JSON drops the microseconds that upstream orders by, so rows of one second are ordered as some reading showed them.
// A second's rows stand in runs: within a run the order was seen, between runs it is unknown. The rows that begin a run
// (other than the first of their second) are the timeline's `seams`.

import type { MessageId } from './query.ts';
import type { Row } from './reading.ts';

/** Rows of one second whose order is known. */
export type Run<R extends Row> = readonly R[];

/** Cuts one second's rows at its seams. */
export function toRuns<R extends Row>(rows: readonly R[], seams: ReadonlySet<MessageId>): Run<R>[] {
  const runs: R[][] = [];
  for (const row of rows) {
    if (runs.length === 0 || seams.has(row.id)) runs.push([row]);
    else runs.at(-1)!.push(row);
  }
  return runs;
}

/**
 * Takes what one reading showed of a second into its runs. A run that shares rows with it is woven in where the order of
 * all rows follows from the two; otherwise the reading's order holds and the rest of that run stays by itself.
 */
export function addRun<R extends Row>(runs: readonly Run<R>[], seen: Run<R>): Run<R>[] {
  let merged = seen;
  const apart: Run<R>[] = [];
  for (const run of runs) {
    const woven = weave(merged, run);
    if (woven !== null) merged = woven;
    else apart.push(run);
  }
  const placed = new Set(merged.map((row) => row.id));
  const rest = apart.map((run) => run.filter((row) => !placed.has(row.id))).filter((run) => run.length > 0);
  return [merged, ...rest];
}

/**
 * Both orders as one, or null where it does not follow. Cut at the rows they share: in each gap only one of them may have
 * rows of its own.
 *
 *     newer   a   c d     f        newer   a b   d
 *     older     b c   e   f  no    older   a   c d  no: b and c
 */
function weave<R extends Row>(newer: Run<R>, older: Run<R>): Run<R> | null {
  const inNewer = new Map(newer.map((row, at) => [row.id, at]));
  const result: R[] = [];
  let fromNewer = 0;
  let gap: R[] = [];
  let shared = false;
  const closeGap = (upTo: number): boolean => {
    const own = newer.slice(fromNewer, upTo);
    if (own.length > 0 && gap.length > 0) return false;
    result.push(...own, ...gap);
    gap = [];
    return true;
  };
  for (const row of older) {
    const at = inNewer.get(row.id);
    if (at === undefined) {
      gap.push(row);
      continue;
    }
    if (at < fromNewer || !closeGap(at)) return null;
    result.push(newer[at]!);
    fromNewer = at + 1;
    shared = true;
  }
  return shared && closeGap(newer.length) ? result : null;
}
