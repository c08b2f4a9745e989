// How many requests a caller may send in a time. What counts them answers at once, so a request does not wait for it.

import type { FastifyRequest, preHandlerHookHandler } from 'fastify';
import type { Rate } from '../rate.ts';
import { BackscrollError } from '../errors.ts';
import { putHeaders, type HeaderList } from './header-list.ts';
import type { Counted, WindowCounters } from './window-counters.ts';

export interface RateLimitOptions {
  readonly rateOf: (request: FastifyRequest) => Rate;
  /** Whom a request is counted for. */
  readonly countedAs: (request: FastifyRequest) => string;
  readonly counters: WindowCounters;
}

/** A hook that counts a request, says what is left, and refuses what is too much with `rate_limited`. */
export function rateLimit({ rateOf, countedAs, counters }: RateLimitOptions): preHandlerHookHandler {
  return (request, reply, done) => {
    const rate = rateOf(request);
    const counted = counters.count(countedAs(request), rate, Date.now());
    putHeaders(reply, limitHeaders(rate, counted));
    if (counted.count <= rate.max) return done();
    done(
      new BackscrollError('rate_limited', 'Too many requests for this client; wait as long as Retry-After says', {
        retryAfter: counted.leftMs / 1000,
      }),
    );
  };
}

/** What the answer to a request that was counted says of the limit. */
export function limitHeaders({ max }: Rate, { count, leftMs }: Counted): HeaderList {
  const left = String(Math.max(0, max - count));
  const resetS = String(Math.ceil(leftMs / 1000));
  return ['x-ratelimit-limit', String(max), 'x-ratelimit-remaining', left, 'x-ratelimit-reset', resetS];
}
