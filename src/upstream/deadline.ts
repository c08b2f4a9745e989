// One deadline over a whole exchange, from waiting for a connection to the last byte of the body.

/** A signal that aborts when its time is up or its caller gives up, whichever comes first. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** True once the time was up first. */
  hasPassed(): boolean;
  /** Ends it: must be called when the exchange is over. */
  clear(): void;
}

/**
 * Starts a deadline `timeoutMs` from now. In place of AbortSignal.any, which on Node 20 keeps an entry on a long-lived
 * caller's signal for every exchange.
 */
export function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let passed = false;
  const timer = setTimeout(() => {
    passed = !controller.signal.aborted;
    controller.abort();
  }, timeoutMs);
  const giveUp = (): void => controller.abort();
  if (caller?.aborted === true) giveUp();
  else caller?.addEventListener('abort', giveUp, { once: true });
  return {
    signal: controller.signal,
    hasPassed: () => passed,
    clear() {
      clearTimeout(timer);
      caller?.removeEventListener('abort', giveUp);
    },
  };
}
