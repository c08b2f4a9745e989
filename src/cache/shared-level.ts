// What several processes know together, as the engine sees it: a log of readings for each conversation, and changes that all hear of.
// Nothing in it ever rejects: what cannot be had is null, and the engine goes on as if it were alone.

import type { MessageId } from '../timeline/query.ts';
import type { Reading } from '../timeline/reading.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Change } from './changes.ts';
import type { Extent } from './extent.ts';

/** A reading, and the id below which every id had been committed when it was asked, as far as its reader knew. */
export interface SharedReading {
  readonly reading: Reading;
  readonly vouched: MessageId;
}

/** The right to read for all: the others wait a moment for what it brings. Kept alive until it ends, and no longer than its process. */
export interface Lease {
  /** What was read has been learnt, or nothing will come. */
  end(): void;
}

export interface Taken {
  /** What was appended since, by others; asked for in moments of the engine's clock, none later than it truly was. */
  readonly readings: readonly SharedReading[];
  /** From where to take the next time. */
  readonly cursor: string;
  /** A lease where one was wanted, nobody has it, and nothing new was found. */
  readonly lease: Lease | 'held' | null;
}

export interface TakeOptions {
  /** As `epochOf` had it. */
  readonly epoch: string;
  /** As the last take had it; blank for all there is. */
  readonly cursor: string;
  /** The name of the read that a lease is wanted for. */
  readonly wants?: string | undefined;
}

/** Something that all processes are to hear of. */
export type Announcement =
  | Change
  | {
      readonly kind: 'purge';
      readonly extent: Extent;
      /** Where ids were found not to rise: rows created before this second vouch for nothing. */
      readonly marksFrom?: number;
    };

/** How many processes were known when something was announced, and how many of them have heard of it. Null where nobody could be told. */
export type Reach = { readonly processes: number; readonly reached: number } | null;

export interface SharedLevel {
  /**
   * Under what the conversation's knowledge is shared now; null while it cannot be. It is another after all have forgotten: what was
   * asked under one is never found under the next.
   */
  epochOf(conversation: ConversationId): string | null;
  take(conversation: ConversationId, options: TakeOptions): Promise<Taken | null>;
  /** Adds to the log, some time. */
  append(conversation: ConversationId, epoch: string, reading: SharedReading): void;
  /**
   * Tells all others. Of what is to be forgotten, nothing is taken any more from the moment of the call.
   */
  announce(announcement: Announcement, options?: AnnounceOptions): Promise<Reach>;
}

export interface AnnounceOptions {
  /** Whether anything of it is known here. Default: true. */
  readonly isKnown?: boolean;
  /** Whether to wait for all others to hear of it, and how long at most. Default: not at all. */
  readonly waits?: 'short' | 'long';
}
