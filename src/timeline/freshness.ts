// How long what was read may be shown (RFC 9111's freshness, by parts). All times in milliseconds.

import type { Standing } from './statement.ts';

export interface Freshness {
  /** Newest rows. */
  readonly tailMaxAgeMs: number;
  /** `meta`; history is answered up to six times this old while it is refreshed behind. */
  readonly metaMaxAgeMs: number;
  /** Old rows; answered up to twice this old while they are refreshed behind. */
  readonly historyMaxAgeMs: number;
  /** Past all this, how much longer while upstream fails. */
  readonly staleIfErrorMs: number;
  /** What would be told if it changed, and was not. Only with a feed. */
  readonly feedMaxAgeMs?: number;
  /** How long after an id was handed out its row may still be uncommitted. */
  readonly settleMs: number;
}

const HISTORY_REFRESH_TIMES = 2;
const META_REFRESH_TIMES = 6;

/** Fresh for `freshMs`; then answered up to `usableMs` while it is read again behind the answer. */
export interface Lifetime {
  readonly freshMs: number;
  readonly usableMs: number;
}

export function historyLifetime(freshness: Freshness): Lifetime {
  return { freshMs: freshness.historyMaxAgeMs, usableMs: HISTORY_REFRESH_TIMES * freshness.historyMaxAgeMs };
}

export function tailLifetime(freshness: Freshness): Lifetime {
  return { freshMs: freshness.tailMaxAgeMs, usableMs: freshness.tailMaxAgeMs };
}

const LATE_MS = 1000;

/** Ids that are not settled, below a row that is known: only what is committed after rows with higher ids could be missing. */
export function lateLifetime({ tailMaxAgeMs }: Freshness): Lifetime {
  const ms = Math.max(tailMaxAgeMs, LATE_MS);
  return { freshMs: ms, usableMs: ms };
}

/** What lies above a full page of old rows, for that page: what is written now belongs on it only with a date of then. */
export function openEndLifetime({ metaMaxAgeMs }: Freshness): Lifetime {
  return { freshMs: metaMaxAgeMs, usableMs: metaMaxAgeMs };
}

/** `meta` beside the newest page is read again as soon as it is not fresh; beside history it may be refreshed behind. */
export function metaLifetime(freshness: Freshness, newestPage: boolean): Lifetime {
  const freshMs = freshness.metaMaxAgeMs;
  return { freshMs, usableMs: newestPage ? freshMs : META_REFRESH_TIMES * freshMs };
}

/** The lifetime of what was asked at `askedAt` (ms), where every change is heard of since `fedSince`. */
export function fedLifetime(freshness: Freshness, life: Lifetime, askedAt: number, fedSince: number | undefined): Lifetime {
  const { feedMaxAgeMs } = freshness;
  if (fedSince === undefined || feedMaxAgeMs === undefined || askedAt < fedSince) return life;
  return { freshMs: Math.max(life.freshMs, feedMaxAgeMs), usableMs: Math.max(life.usableMs, feedMaxAgeMs) };
}

/**
 * A settled row on the newest page, read when it was `rowAgeMs` old. What was just said is edited soon or not at all, so it is
 * read again soon, and the older it is the later: after a tenth of that age (RFC 9111 4.2.2), never later than history is.
 */
export function newestRowLifetime(freshness: Freshness, rowAgeMs: number): Lifetime {
  const leastMs = META_REFRESH_TIMES * freshness.metaMaxAgeMs;
  const usableMs = Math.min(Math.max(leastMs, rowAgeMs / 10), freshness.historyMaxAgeMs);
  return { freshMs: usableMs, usableMs };
}

export function statementLifetime(freshness: Freshness, standing: Standing): Lifetime {
  switch (standing) {
    case 'durable':
      return historyLifetime(freshness);
    case 'settling': {
      const lifeMs = Math.min(freshness.settleMs, freshness.historyMaxAgeMs);
      return { freshMs: lifeMs, usableMs: lifeMs };
    }
    case 'transient':
      return tailLifetime(freshness);
  }
}
