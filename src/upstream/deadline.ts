// Nobody waits without end: one deadline over all that is done for one who waits.

import { BackscrollError } from '../errors.ts';

export interface Deadline {
  /** Aborts with `upstream_timeout` when the time is up, and with the caller's own reason when the caller goes. */
  readonly signal: AbortSignal;
  /** Ends it: must be called when nobody waits any more. */
  clear(): void;
}

/**
 * Starts a deadline `timeoutMs` from now. In place of AbortSignal.any, which on Node 20 keeps an entry on a long-lived
 * caller's signal for every exchange.
 */
export function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(timedOut()), timeoutMs);
  const leave = (): void => controller.abort(caller?.reason);
  if (caller?.aborted === true) leave();
  else caller?.addEventListener('abort', leave, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      caller?.removeEventListener('abort', leave);
    },
  };
}

export function timedOut(): BackscrollError {
  return new BackscrollError('upstream_timeout', 'Chatwoot did not answer in time; try again later');
}
