// How what is announced reaches those who listen, and how it fails to.

interface Waiting {
  readonly event: string;
  readonly send: () => void;
}

/** Passes announcements on: at once, or as a test wants it. */
export class Delivery {
  /** Loses those of which it is true. */
  drop: ((event: string) => boolean) | undefined;
  /** Sends each twice. */
  doubles = false;
  readonly #held: Waiting[] = [];
  #holds = false;

  /** How many are held back. */
  get held(): number {
    return this.#held.length;
  }

  /** Holds back all that come from now on. */
  hold(): void {
    this.#holds = true;
  }

  /** Sends what was held back, and holds nothing more. */
  release(order: 'kept' | 'reversed' = 'kept'): void {
    this.#holds = false;
    const waiting = this.#held.splice(0);
    for (const { event, send } of order === 'kept' ? waiting : waiting.toReversed()) this.pass(event, send);
  }

  pass(event: string, send: () => void): void {
    if (this.#holds) {
      this.#held.push({ event, send });
      return;
    }
    if (this.drop?.(event) === true) return;
    send();
    if (this.doubles) send();
  }
}
