// Chatwoot's 429 concerns all reads: it counts requests by the address they come from (contract 2.3). It names no time, so
// the pause doubles while more of them come.

export interface PauseOptions {
  /** Length where Chatwoot names none: the first, and the longest. */
  readonly defaultMs: number;
  readonly maxMs: number;
  /** Must not step, ms. */
  readonly now: () => number;
}

export class Pause {
  readonly #options: PauseOptions;
  #until = -Infinity;
  #inARow = 0;
  #era = 0;

  constructor(options: PauseOptions) {
    this.#options = options;
  }

  /** Counts the pauses. What was sent before the latest says nothing about the time after it. */
  get era(): number {
    return this.#era;
  }

  /** How much of it is left, ms; 0 where there is none. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#options.now());
  }

  /** When it ends, ms of the engine's clock; null where there is none. */
  get until(): number | null {
    return this.leftMs > 0 ? this.#until : null;
  }

  /** A read that was sent in `era` met a 429 with this Retry-After, in seconds. True where a pause begins. */
  throttled(era: number, retryAfter: number | undefined): boolean {
    const { defaultMs, maxMs, now } = this.#options;
    const named = retryAfter === undefined ? undefined : retryAfter * 1000;
    // Those that were under way together meet the same 429: one pause, as long as the longest of them says.
    if (era !== this.#era) {
      if (named !== undefined && this.leftMs > 0) this.#until = Math.max(this.#until, now() + named);
      return false;
    }
    this.#until = now() + (named ?? Math.min(maxMs, defaultMs * 2 ** this.#inARow));
    this.#inARow++;
    this.#era++;
    return true;
  }

  /** A read that was sent in `era` was answered. */
  answered(era: number): void {
    if (era === this.#era) this.#inARow = 0;
  }
}
