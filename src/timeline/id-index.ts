// Finds the next row of an id range in rows that are ordered by time.
//
// Rows are filtered by id but ordered by created_at (contract 5.1). Over the rows lies a shallow tree of the lowest and
// highest id of each 32 rows, of each 32 of those, and so on; a block whose ids lie outside the range is skipped whole.

import type { IdRange } from './query.ts';
import type { Row } from './reading.ts';

const FANOUT = 32;

interface Level {
  /** Rows that one entry of this level covers. */
  readonly span: number;
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
}

/** An index over some rows: those that pass the filter it was built with. */
export interface IdIndex {
  readonly rows: readonly Row[];
  readonly publicOnly: boolean;
  readonly levels: readonly Level[];
  /** The highest id of all the rows, or -1. */
  readonly highest: number;
}

export function buildIdIndex(rows: readonly Row[], publicOnly: boolean): IdIndex {
  const levels: Level[] = [];
  let lowest: Float64Array | null = null;
  let highest: Float64Array | null = null;
  for (let count = Math.ceil(rows.length / FANOUT), span = FANOUT; count > 1; count = Math.ceil(count / FANOUT), span *= FANOUT) {
    const nextLowest = new Float64Array(count).fill(Infinity);
    const nextHighest = new Float64Array(count).fill(-Infinity);
    const length: number = lowest === null ? rows.length : lowest.length;
    for (let at = 0; at < length; at++) {
      const block = Math.floor(at / FANOUT);
      let low: number;
      let high: number;
      if (lowest === null || highest === null) {
        const row = rows[at]!;
        if (publicOnly && row.internal) continue;
        low = high = row.id;
      } else {
        low = lowest[at]!;
        high = highest[at]!;
      }
      if (low < nextLowest[block]!) nextLowest[block] = low;
      if (high > nextHighest[block]!) nextHighest[block] = high;
    }
    levels.push({ span, lowest: nextLowest, highest: nextHighest });
    lowest = nextLowest;
    highest = nextHighest;
  }
  const top = rows.reduce((max, row) => Math.max(max, row.id), -1);
  return { rows, publicOnly, levels, highest: top };
}

/** The first position at or after `from` whose row is in `range` (and passes the index's filter), or -1. */
export function nextInRange(index: IdIndex, from: number, range: IdRange): number {
  const { rows, levels } = index;
  let at = from;
  while (at < rows.length) {
    let skipped = 0;
    for (const level of levels) {
      if (at % level.span !== 0 || overlaps(level, at / level.span, range)) break;
      skipped = level.span;
    }
    if (skipped === 0 && isIn(index, at, range)) return at;
    at += Math.max(skipped, 1);
  }
  return -1;
}

/** The last position at or before `from` whose row is in `range` (and passes the index's filter), or -1. */
export function previousInRange(index: IdIndex, from: number, range: IdRange): number {
  const { rows, levels } = index;
  let at = from;
  while (at >= 0) {
    let skipped = 0;
    for (const level of levels) {
      const block = Math.floor(at / level.span);
      const endsHere = (at + 1) % level.span === 0 || at === rows.length - 1;
      if (!endsHere || overlaps(level, block, range)) break;
      skipped = at - block * level.span + 1;
    }
    if (skipped === 0 && isIn(index, at, range)) return at;
    at -= Math.max(skipped, 1);
  }
  return -1;
}

function overlaps(level: Level, block: number, range: IdRange): boolean {
  return level.lowest[block]! < range.hi && level.highest[block]! >= range.lo;
}

function isIn(index: IdIndex, at: number, range: IdRange): boolean {
  return includes(index, range, index.rows[at]!);
}

/** True if the row is in `range` and passes the index's filter. */
export function includes(index: IdIndex, range: IdRange, row: Row): boolean {
  return row.id >= range.lo && row.id < range.hi && !(index.publicOnly && row.internal);
}
