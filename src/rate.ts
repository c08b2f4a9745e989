// How settings spell time: a duration always has a unit (`10s`), a rate is so many in a duration (`600/1m`).

import ms from 'ms';

/** At most `max` in any window of `windowMs`. */
export interface Rate {
  readonly max: number;
  readonly windowMs: number;
}

/** No setting needs more, and a larger window would let a forgotten counter live for days. */
const RATE_MAX = 1_000_000;
const WINDOW_MS_MIN = 1_000;
const WINDOW_MS_MAX = 24 * 60 * 60 * 1_000;

/** Whole milliseconds of a duration such as `250ms`, `1.5m` or `2 hours`; null for anything else. */
export function parseDuration(text: string): number | null {
  if (!hasUnit(text)) return null;
  const milliseconds: number | undefined = ms(text);
  return milliseconds === undefined ? null : Math.round(milliseconds);
}

/** `ms` reads a bare number as milliseconds and takes signs; here the unit is asked for and time does not run backwards. */
function hasUnit(text: string): text is ms.StringValue {
  return /^\d+(\.\d+)? ?[a-z]+$/i.test(text);
}

/** The rate that `600/1m` spells; null for anything else, and for less than one a day or more than a million a second. */
export function parseRate(text: string): Rate | null {
  const [, count, window] = /^(\d{1,7})\/(.+)$/.exec(text) ?? [];
  if (count === undefined || window === undefined) return null;
  const max = Number(count);
  const windowMs = parseDuration(window.trim());
  if (windowMs === null || windowMs < WINDOW_MS_MIN || windowMs > WINDOW_MS_MAX) return null;
  return max >= 1 && max <= RATE_MAX ? { max, windowMs } : null;
}
