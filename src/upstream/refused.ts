// What is refused here so that Chatwoot is not asked. Each refusal says when asking again makes sense.

import { BackscrollError, type ErrorCode } from '../errors.ts';

/**
 * Why a read was not sent.
 * - `paused`: Chatwoot said that it receives too many requests.
 * - `open`: the breaker keeps reads away from a failing Chatwoot.
 * - `full`: too many reads wait already.
 * - `late`: its turn did not come in its time, or could not.
 * - `closed`: this server is shutting down.
 */
export type RefusalReason = 'paused' | 'open' | 'full' | 'late' | 'closed';

/** A read that was not sent. */
export class Refused extends BackscrollError {
  readonly reason: RefusalReason;

  /** `afterMs`: from now until it makes sense to ask again. */
  constructor(reason: RefusalReason, code: ErrorCode, message: string, afterMs: number) {
    // A whole second is the least that Retry-After can say (RFC 9110, 10.2.3).
    super(code, message, { retryAfter: Math.max(1, Math.ceil(afterMs / 1000)) });
    this.reason = reason;
  }
}
