// A read changes nothing in Chatwoot, so it is sent again where the failure may pass at once: the connection broke, or what
// stands before Chatwoot had nobody to ask (502, 503, 504). Never where time was up, on what Chatwoot itself answered (4xx
// and 500, which repeats: contract 2.2), or on an answer that cannot be used.

import { BackscrollError } from '../errors.ts';
import { ConnectionSilent } from './map-broken-exchange.ts';
import { Refused } from './refused.ts';

export interface RetryOptions {
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Time that the read has left, ms. */
  readonly leftMs: () => number;
  /** False while a retry would be refused here. */
  readonly maySend: () => boolean;
  /** Aborts when nobody waits for the read any more. */
  readonly signal: AbortSignal;
  readonly sleep: Sleep;
}

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

const RETRIES_MAX = 2;
const DELAY_MS = 200;
const PASSING: ReadonlySet<number | undefined> = new Set([502, 503, 504]);

/**
 * Sends, and sends again up to twice; `send` is told the failure that it is sent again for. A retry that is refused here, or
 * for which time ran out, ends with that failure.
 * @throws what `send` throws; the signal's reason.
 */
export async function withRetries<T>(
  send: (failure: BackscrollError | undefined) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  let failure: BackscrollError | undefined;
  for (let retries = 0; ; retries++) {
    try {
      // One after the other is what this is about.
      // oxlint-disable-next-line no-await-in-loop
      return await send(failure);
    } catch (error) {
      const isLate = error instanceof BackscrollError && error.code === 'upstream_timeout';
      // Time that was lost to a silent connection was little: running out of the rest says more.
      if (isLate && failure instanceof ConnectionSilent) throw error;
      if (error instanceof Refused || isLate) throw failure ?? error;
      if (!mayPass(error) || retries === RETRIES_MAX) throw error;
      failure = error;
    }
    const delayMs = retryDelayMs(failure, retries, options.random());
    if (delayMs >= options.leftMs() || !options.maySend()) throw failure;
    // oxlint-disable-next-line no-await-in-loop
    await options.sleep(delayMs, options.signal);
  }
}

function mayPass(error: unknown): error is BackscrollError {
  if (!(error instanceof BackscrollError)) return false;
  return error.code === 'upstream_unreachable' || PASSING.has(error.upstream?.status);
}

/**
 * Full jitter: anything from nothing to a limit that doubles, so that reads which failed together do not come back together.
 * A Retry-After is the least.
 */
export function retryDelayMs(failure: BackscrollError, retries: number, random: number): number {
  return Math.max((failure.upstream?.retryAfter ?? 0) * 1000, random * DELAY_MS * 2 ** retries);
}

/** Sleeps that all end early when there is no use in going on. */
export class Sleeper {
  readonly #sleeping = new Set<() => void>();
  #awake = false;

  /** @throws the signal's reason. */
  readonly sleep: Sleep = (ms, signal) =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#sleeping.delete(end);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      const timer = setTimeout(end, ms);
      this.#sleeping.add(end);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted || this.#awake) end();
    });

  /** Nobody sleeps from now on. */
  wake(): void {
    this.#awake = true;
    for (const end of this.#sleeping) end();
  }
}
