// Whether an answer came out of a cache between here and Chatwoot, and how old it was then. Chatwoot itself sends none of these
// headers (contract 4).

/** What was found. `ageMs` is null where there is a mark of a hit, but no `Age`. */
export interface CacheMark {
  readonly ageMs: number | null;
  /** Which header told. */
  readonly header: string;
}

const HIT_HEADERS = ['x-cache', 'x-cache-status', 'x-proxy-cache', 'cf-cache-status'] as const;
/** "HIT", "Hit from cloudfront", "TCP_MEM_HIT", "STALE"; a list has one word for each cache on the way. */
const IS_HIT = /(?:^|[^a-z])(?:hit|stale|updating)(?![a-z])/i;

/** RFC 9111 1.2.2: a larger number is this one. */
const AGE_MAX_S = 2 ** 31;

/** The mark of a cache that answered; null where none did. An `Age` of 0 is as good as fresh. */
export function cacheMark(header: (name: string) => string | undefined): CacheMark | null {
  const ageMs = ageOf(header('age'));
  if (ageMs !== null && ageMs > 0) return { ageMs, header: 'age' };
  const hit = HIT_HEADERS.find((name) => IS_HIT.test(header(name) ?? ''));
  if (hit !== undefined) return { ageMs, header: hit };
  // RFC 9211 2.1: a parameter of one of the caches in the list.
  return /;\s*hit\s*(?:[;,]|$)/i.test(header('cache-status') ?? '') ? { ageMs, header: 'cache-status' } : null;
}

/** Seconds; of a list, which is wrong, the first counts (RFC 9111 5.1). */
function ageOf(value: string | undefined): number | null {
  const digits = /^\s*(\d+)\s*(?:,|$)/.exec(value ?? '')?.[1];
  return digits === undefined ? null : Math.min(Number(digits), AGE_MAX_S) * 1000;
}
