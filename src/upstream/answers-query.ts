// Whether an answer can be one to its query. What it says of an id range is believed only then.

import { idRange, PAGE_LIMIT, type Query } from '../timeline/query.ts';
import type { Row } from '../timeline/reading.ts';

/**
 * False where rows lie outside what was asked or outnumber its limit: another version pages by other rules, or something in
 * between dropped parameters. What such a page proves is unknown.
 */
export function answersQuery(query: Query, rows: readonly Row[]): boolean {
  const { lo, hi } = idRange(query);
  return (
    rows.length <= PAGE_LIMIT[query.mode] &&
    rows.every((row) => row.id >= lo && row.id < hi && !(query.publicOnly && row.internal))
  );
}
