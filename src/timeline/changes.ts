// What is due: parts of what is known that changed at Chatwoot, and since when. What was read of them before then is not fresh any
// more, whatever its age; what is read after stands. Nothing has to be taken back for that: each part knows when it was asked for.
//
//   asked   ──┬────────────┬───────────▶        due     ──────────┬───────────────▶
//             row 7        tail                                   row 7, tail       row 7 is, and the tail too

import type { MessageId } from './query.ts';
import type { Row } from './reading.ts';

export interface Due {
  /** Since when what is said of ids that are not settled is due, ms; -Infinity where it is not. */
  readonly tailAt: number;
  readonly envelopeAt: number;
  /** The same of all rows, of those that contacts sent, and of single ones. */
  readonly rowsAt: number;
  readonly contactRowsAt: number;
  readonly rows: ReadonlyMap<MessageId, number>;
}

export const NOTHING_DUE: Due = {
  tailAt: -Infinity,
  envelopeAt: -Infinity,
  rowsAt: -Infinity,
  contactRowsAt: -Infinity,
  rows: new Map(),
};

/** How the row of a message says that a contact sent it. Where others say so, too, they are read once more. */
const SENT_BY_CONTACT = '"type":"contact"';

/** With more rows than this, all are due: they are read again by ranges anyhow. */
export const DUE_ROWS_MAX = 32;

/** A message came, or the conversation changed. All moments are in ms. */
export function tailDue(due: Due, at: number): Due {
  return { ...due, tailAt: Math.max(due.tailAt, at) };
}

export function envelopeDue(due: Due, at: number): Due {
  return { ...due, envelopeAt: Math.max(due.envelopeAt, at) };
}

export function rowDue(due: Due, id: MessageId, at: number): Due {
  const rows = new Map(due.rows).set(id, Math.max(due.rows.get(id) ?? -Infinity, at));
  return rows.size <= DUE_ROWS_MAX
    ? { ...due, rows }
    : { ...due, rowsAt: Math.max(due.rowsAt, ...rows.values()), rows: NOTHING_DUE.rows };
}

/** Anything of the conversation may have changed. */
export function allDue(due: Due, at: number): Due {
  const rowsAt = Math.max(due.rowsAt, at, ...due.rows.values());
  return { ...envelopeDue(tailDue(due, at), at), rowsAt, rows: NOTHING_DUE.rows };
}

/** A conversation has one contact: what contacts sent in it, that one did. */
export function contactDue(due: Due, at: number): Due {
  return { ...envelopeDue(due, at), contactRowsAt: Math.max(due.contactRowsAt, at) };
}

/** What either says. */
export function bothDue(one: Due, other: Due): Due {
  let due: Due = {
    ...one,
    tailAt: Math.max(one.tailAt, other.tailAt),
    envelopeAt: Math.max(one.envelopeAt, other.envelopeAt),
    rowsAt: Math.max(one.rowsAt, other.rowsAt),
    contactRowsAt: Math.max(one.contactRowsAt, other.contactRowsAt),
  };
  for (const [id, at] of other.rows) due = rowDue(due, id, at);
  return due;
}

/** Without the rows for which `readAt` says that they were read since, or are not known. */
export function withoutRead(due: Due, readAt: (id: MessageId) => number | undefined): Due {
  if (due.rows.size === 0) return due;
  const rows = new Map([...due.rows].filter(([id, at]) => (readAt(id) ?? Infinity) < at));
  return rows.size === due.rows.size ? due : { ...due, rows };
}

/** Since when this row is due, where it was read at `readAt`; both in ms. */
export function rowDueAt({ rowsAt, contactRowsAt, rows }: Due, { id, raw }: Row, readAt: number): number {
  const mayBeSent = contactRowsAt > readAt && raw.includes(SENT_BY_CONTACT);
  return Math.max(rowsAt, rows.get(id) ?? -Infinity, mayBeSent ? contactRowsAt : -Infinity);
}

/** Since when the part that became due last is, ms. */
export function lastDueAt({ tailAt, envelopeAt, rowsAt, contactRowsAt, rows }: Due): number {
  return Math.max(tailAt, envelopeAt, rowsAt, contactRowsAt, ...rows.values());
}
