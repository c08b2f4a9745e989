// Reads of pages: what one is asked for with, what it brings, and what tells it from others.

import type { Freshness } from '../timeline/freshness.ts';
import type { Query } from '../timeline/query.ts';
import { queryKey } from '../timeline/query.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import type { ReadPriority, TimestampQuery, UpstreamAnswer } from '../upstream/upstream.ts';
import type { ReadReason } from './observer.ts';

/** What a read brought, and whether it is kept. */
export interface Landed {
  readonly answer: UpstreamAnswer;
  readonly stored: boolean;
}

export interface ReadOptions {
  readonly reason: ReadReason;
  /** Who waits for it: reads behind answers give way to callers. */
  readonly priority: ReadPriority;
  /** Who wants it, for turns at Chatwoot to be fair by reader. */
  readonly reader?: string | undefined;
  /** The trace that it is part of; of several who want it, that of the first. */
  readonly traceparent?: string | undefined;
  /** With a caller's own token. */
  readonly own?: OwnToken | undefined;
  /** Called when it has its turn at Chatwoot, with the exchange that begins, and again for each attempt. */
  readonly onTurn?: ((exchange: Promise<unknown>) => void) | undefined;
  /** Join only a read sent at or after this moment, ms. Default: one that is young enough to be shown. */
  readonly asOf?: number | undefined;
  /** Of the caller who wants it. */
  readonly tail?: TailDemand | undefined;
  /** Aborts when the one who wants it has gone. */
  readonly signal?: AbortSignal | undefined;
}

/** What a caller demands of the newest rows. */
export interface TailDemand {
  /** When it asked, ms. */
  readonly cameAt: number;
  /** How old they may have been then, ms. Default: TAIL_MAX_AGE. */
  readonly maxAgeMs?: number | undefined;
}

export interface ProveDemand {
  readonly tail?: TailDemand;
  /** The newest page as of this moment, ms. */
  readonly asOf?: number | undefined;
  /** Upstream fails. */
  readonly stale?: boolean;
}

/** What tells reads of a page from others. */
export function keyOf(query: Query | TimestampQuery): string {
  if (query.mode !== 'before_timestamp') return queryKey(query);
  return `${query.mode} ${query.beforeTimestamp} ${query.publicOnly ? 'public' : 'all'}`;
}

/** How long things live for a caller with this demand. */
export function freshnessFor(freshness: Freshness, tail: TailDemand | undefined): Freshness {
  return tail?.maxAgeMs === undefined ? freshness : { ...freshness, tailMaxAgeMs: tail.maxAgeMs };
}
