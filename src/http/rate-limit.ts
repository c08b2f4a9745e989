// How many requests a caller may send in a time. What counts them answers at once, so a request does not wait for it.

import type { FastifyRequest, preHandlerHookHandler } from 'fastify';
import type { Rate } from '../clients/rate.ts';
import { BackscrollError } from '../errors.ts';
import { WindowCounters } from './window-counters.ts';

export interface RateLimitOptions {
  readonly rateOf: (request: FastifyRequest) => Rate;
  /** Whom a request is counted for. */
  readonly countedAs: (request: FastifyRequest) => string;
}

/** A hook that counts a request, says what is left, and refuses what is too much with `rate_limited`. */
export function rateLimit({ rateOf, countedAs }: RateLimitOptions): preHandlerHookHandler {
  const counters = new WindowCounters();
  return (request, reply, done) => {
    const rate = rateOf(request);
    const { count, leftMs } = counters.count(countedAs(request), rate, Date.now());
    void reply.header('x-ratelimit-limit', rate.max);
    void reply.header('x-ratelimit-remaining', Math.max(0, rate.max - count));
    void reply.header('x-ratelimit-reset', Math.ceil(leftMs / 1000));
    if (count <= rate.max) return done();
    done(
      new BackscrollError('rate_limited', 'Too many requests for this client; wait as long as Retry-After says', {
        retryAfter: leftMs / 1000,
      }),
    );
  };
}
