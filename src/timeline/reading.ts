// A reading: one query that Chatwoot answered, cut into the bytes it was made of.

import type { MessageId, Query } from './query.ts';

/**
 * Raw bytes kept as a string with one character (0 to 255) per byte, "latin1" to Node. Compact (one byte a character and
 * no backing store of its own), immutable, and written out unchanged.
 */
export type RawBytes = string;

/** One message as the raw bytes of its JSON, with what the finder filters and orders by. */
export interface Row {
  readonly id: MessageId;
  /** Unix seconds: the column has microseconds, the JSON drops them (contract 5.1). */
  readonly createdAt: number;
  /** A private note or an activity: what `filter_internal_messages` drops (contract 1.2). */
  readonly internal: boolean;
  /** Written by a data import: its created_at says nothing about when its id was handed out. */
  readonly imported?: boolean;
  readonly raw: RawBytes;
}

/** Everything of an answer's body that is not a row: the bytes before the first row and those after the last. */
export interface Envelope {
  readonly head: RawBytes;
  readonly tail: RawBytes;
}

/** One answered query. */
export interface Reading {
  readonly query: Query;
  /** In upstream's order, oldest first. */
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  /** The moment it was sent, in milliseconds of the engine's clock. */
  readonly askedAt: number;
}
