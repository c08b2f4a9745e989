// What the program promises about ages, as durations, and the settings that say the same.

/** All in milliseconds. */
export interface Promises {
  readonly tailMaxAgeMs: number;
  readonly metaMaxAgeMs: number;
  readonly historyMaxAgeMs: number;
  readonly settleMs: number;
  readonly staleIfErrorMs: number;
}

/** For how long Chatwoot's word that a conversation is not there is remembered (design: freshness). */
export const MISSING_REMEMBERED_MS = 5_000;

/** For so long a message may be missing from a page that ends below a known one. */
export const LATE_MS = 1_000;

/** `meta` beside history, and a settled row of the newest page at least, live so many times META_MAX_AGE. */
export const META_TIMES = 6;

/** History is shown up to so many times HISTORY_MAX_AGE old, while it is read again. */
export const HISTORY_TIMES = 2;

/** Short enough that every age runs out many times a minute. */
export const SHORT_AGES: Promises = {
  tailMaxAgeMs: 300,
  metaMaxAgeMs: 400,
  historyMaxAgeMs: 4_000,
  settleMs: 3_000,
  staleIfErrorMs: 4_000,
};

/** The settings with which the program is to keep these promises. */
export function settingsFor(promises: Promises): Readonly<Record<string, string>> {
  return {
    TAIL_MAX_AGE: `${promises.tailMaxAgeMs}ms`,
    META_MAX_AGE: `${promises.metaMaxAgeMs}ms`,
    HISTORY_MAX_AGE: `${promises.historyMaxAgeMs}ms`,
    SETTLE: `${promises.settleMs}ms`,
    STALE_IF_ERROR: `${promises.staleIfErrorMs}ms`,
  };
}
