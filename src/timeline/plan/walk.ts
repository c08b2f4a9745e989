// What the plan remembers of how a conversation is being read.

/** What a conversation's readers have been doing, as far as the plan needs it. */
export interface Walk {
  /** History pages (all but the newest page) that had to be forwarded. */
  readonly historyReads: number;
  /** Rows that the next read-ahead aims at. */
  readonly windowRows: number;
  /** No seals before this moment, ms. */
  readonly sealsFrom: number;
  /** When history past its freshness was first shown, ms; null since it was last refreshed. */
  readonly staleSince: number | null;
}

/** Forwarded history pages after which the next one that is missing is answered by sealing. */
export const SEAL_AFTER_READS = 1;

export const FIRST_WALK: Walk = { historyReads: 0, windowRows: 200, sealsFrom: -Infinity, staleSince: null };

/** Well below the finder's limit of 1,000: a window that comes back full proves much less than one that does not. */
export const WINDOW_ROWS_MAX = 800;
const WINDOW_ROWS_MIN = 50;
export const WINDOW_GROWTH = 4;
/** A read slower than this halves the next window: it costs Chatwoot one query and more for each attachment. */
const SLOW_READ_MS = 1000;

/** The walk after a read-ahead that took `tookMs`. */
export function nextWalk(walk: Walk, tookMs: number): Walk {
  const rows = tookMs > SLOW_READ_MS ? walk.windowRows / 2 : walk.windowRows * WINDOW_GROWTH;
  return { ...walk, windowRows: Math.round(Math.min(WINDOW_ROWS_MAX, Math.max(WINDOW_ROWS_MIN, rows))) };
}

/** For so long a conversation is read page by page after a read-ahead was too much for Chatwoot, or told nothing. */
const REST_MS = 60_000;

/** The walk after a read-ahead that failed or told nothing, at `now` in ms: smaller, and not at once. */
export function restFromSeals(walk: Walk, now: number): Walk {
  return { ...nextWalk(walk, Infinity), sealsFrom: now + REST_MS };
}
