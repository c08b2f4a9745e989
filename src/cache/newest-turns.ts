// Which newest pages are read as they are asked although less would do, so that a row which refutes that ids rise is seen
// (timeline/sequence.ts): at most 16 in SETTLE in the installation, of each conversation in its turn, again when all had theirs.

const TURNS_PER_SETTLE = 16;

export class NewestTurns {
  readonly #settleMs: number;
  #takenAt = -Infinity;
  /** Conversations that were read since have had their turn. */
  #roundFrom = -Infinity;

  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  /** The time between two turns, ms. */
  get everyMs(): number {
    return this.#settleMs / TURNS_PER_SETTLE;
  }

  /** Takes the turn at `now` for a conversation whose newest page was last read as it is asked at `readAt` (both ms), if there is one. */
  take(now: number, readAt: number): boolean {
    if (!this.mayTake(now, readAt)) return false;
    if (readAt >= this.#roundFrom) this.#roundFrom = now;
    this.#takenAt = now;
    return true;
  }

  /** Whether there is one to take. */
  mayTake(now: number, readAt: number): boolean {
    return now - this.#takenAt >= (readAt >= this.#roundFrom ? this.#settleMs : this.everyMs);
  }
}
