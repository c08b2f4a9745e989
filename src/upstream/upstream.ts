// What the cache asks of Chatwoot, and nothing about how it is reached.

import type { OwnToken } from './own-token.ts';
import type { Query } from '../timeline/query.ts';
import type { Envelope, Reading, Row } from '../timeline/reading.ts';
import type { Readers } from './readers.ts';

/** One conversation as the URL names it: display ids repeat in every account, so both belong to the name (contract 1.1). */
export interface ConversationId {
  readonly accountId: number;
  readonly conversationId: number;
}

/** `before_timestamp` of newer versions (contract 1.2): forwarded, never cached. The value is unix seconds. */
export interface TimestampQuery {
  readonly mode: 'before_timestamp';
  readonly beforeTimestamp: number;
  readonly publicOnly: boolean;
}

/** An answered read that may be shown to its caller but says nothing that the timeline could learn. */
export interface Unlearnable {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  readonly askedAt: number;
}

/** Who waits for a read: reads behind answers give way to callers. */
export type ReadPriority = 'caller' | 'behind';

export interface ReadOptions {
  readonly priority: ReadPriority;
  /** Who wants it, for turns to be fair by reader; all reads without are one reader's. */
  readonly readers?: Readers;
  /** The trace that it is part of (W3C Trace Context). */
  readonly traceparent?: string | undefined;
  /** A caller's, to be sent in place of this server's. */
  readonly own?: OwnToken | undefined;
  /** Whether the signal is that of a deadline, so that it needs none of its own. */
  readonly hasDeadline?: boolean;
  /** The failure that it is sent again for. */
  readonly again?: Error | undefined;
  /** Called when it has its turn, with the exchange that begins: it takes no longer than Chatwoot does. Again for each attempt. */
  readonly onTurn?: (exchange: Promise<unknown>) => void;
}

export interface Upstream {
  /**
   * Sends one read and cuts its answer.
   * @throws BackscrollError with one of the `upstream_*` codes or `not_found`, OwnTokenRefused; never anything that names the token.
   */
  read(
    conversation: ConversationId,
    query: Query | TimestampQuery,
    signal?: AbortSignal,
    options?: ReadOptions,
  ): Promise<UpstreamAnswer>;
  /** Asks whether the token is valid and may list messages. Resolves to the error that stands in the way, or to null. */
  check(signal?: AbortSignal): Promise<string | null>;
  close(): Promise<void>;
}

/**
 * Why nothing is learnt of an answer that its caller gets.
 * - `timestamp`: no query that the timeline knows.
 * - `members`: it has parts that may belong to this page alone.
 * - `order`: its rows are not in the finder's order.
 * - `cached`: it comes out of a cache that does not say how old it is.
 */
export type UnlearnableBecause = 'timestamp' | 'members' | 'order' | 'cached';

/** `reading` where the answer can be learnt; otherwise only what its caller gets. */
export type UpstreamAnswer = (
  | { readonly kind: 'reading'; readonly reading: Reading }
  | { readonly kind: 'unlearnable'; readonly because: UnlearnableBecause; readonly answer: Unlearnable }
) & {
  /** What it was cut from, where that may be kept besides: it is small, and so is what it would keep alive. */
  readonly body?: Buffer | undefined;
};
