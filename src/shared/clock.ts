// What Redis's clock says of moments of ours. Clocks of processes are hours apart, and none is trusted but that of the server that
// keeps the log: moments there are its own. Each exchange that brings its time bounds how far it is ahead of ours:
//
//   ours    sent ├──────────────┤ received        ahead by at least  told − received
//   Redis's            told                          and at most     told − sent
//
// Translated with the bound on the right side, a reading is never taken for younger than it is.

/** Clocks that run freely drift by less. */
const DRIFT_SHARE = 1 / 2000;
/** What is less is no step of a clock. */
const STEP_MS_MIN = 50;

export interface ClockSample {
  readonly sentAt: number;
  readonly toldMs: number;
  readonly receivedAt: number;
}

export class ServerClock {
  #atLeast = -Infinity;
  #atMost = Infinity;
  #sampledAt = 0;

  /** Takes the sample in. @returns by how much the server's clock was set back since the last one, ms; 0 where it was not */
  sample({ sentAt, toldMs, receivedAt }: ClockSample): number {
    const slack = Math.abs(receivedAt - this.#sampledAt) * DRIFT_SHARE;
    const [atLeast, atMost] = [toldMs - receivedAt, toldMs - sentAt];
    const [before, after] = [this.#atLeast - slack, this.#atMost + slack];
    this.#sampledAt = receivedAt;
    const isSame = atLeast <= after && before <= atMost;
    this.#atLeast = isSame ? Math.max(atLeast, before) : atLeast;
    this.#atMost = isSame ? Math.min(atMost, after) : atMost;
    const backMs = before - atMost;
    return backMs > STEP_MS_MIN ? backMs : 0;
  }

  get isKnown(): boolean {
    return this.#atMost < Infinity;
  }

  /** The server's moment for one of ours, or one a little before it. */
  toServer(at: number): number {
    return Math.floor(at + this.#atLeast);
  }

  /** Our moment for one of the server's, or one a little before it. */
  toOurs(at: number): number {
    return at - this.#atMost;
  }

  /** The same, or one a little after it. */
  toOursAtMost(at: number): number {
    return at - this.#atLeast;
  }
}
