// Whether the feed missed a message: each reading that shows one is a witness. An event may come later than the reading, so judgement
// waits as long as an event may take.

/** As the engine tells it of a reading. */
export interface ReadingTimes {
  readonly askedAt: number;
  /** Of the reading before, which did not show the message. */
  readonly previousAskedAt: number;
}

interface Suspect {
  readonly accountId: number;
  /** Since when it would have been announced, on the engine's clock. */
  readonly previousAskedAt: number;
  readonly judgedAt: number;
}

const ANNOUNCED_MAX = 50_000;
const SUSPECTS_MAX = 10_000;

export class Witness {
  readonly #patienceMs: number;
  /** Ids that were announced, the oldest first, with when. */
  readonly #announced = new Map<number, number>();
  /** Messages that were read and not announced yet, those first that are judged first. */
  readonly #suspects = new Map<number, Suspect>();
  /** What was announced until then may be forgotten. */
  #forgottenUntil = -Infinity;

  constructor({ patienceMs }: { readonly patienceMs: number }) {
    this.#patienceMs = patienceMs;
  }

  announced(id: number, at: number): void {
    this.#suspects.delete(id);
    this.#announced.delete(id);
    this.#announced.set(id, at);
    if (this.#announced.size <= ANNOUNCED_MAX) return;
    for (const [oldest, when] of this.#announced) {
      this.#announced.delete(oldest);
      this.#forgottenUntil = when;
      break;
    }
  }

  /** A reading showed messages above all that were known before it. */
  appeared(accountId: number, ids: readonly number[], { previousAskedAt }: ReadingTimes, now: number): void {
    if (previousAskedAt <= this.#forgottenUntil) return;
    for (const id of ids) {
      if (this.#announced.has(id) || this.#suspects.has(id) || this.#suspects.size >= SUSPECTS_MAX) continue;
      this.#suspects.set(id, { accountId, previousAskedAt, judgedAt: now + this.#patienceMs });
    }
  }

  /** Those whose time is up, once each: accounts, and since when the feed would have had to tell of them. */
  overdue(now: number): readonly Suspect[] {
    const overdue: Suspect[] = [];
    for (const [id, suspect] of this.#suspects) {
      if (suspect.judgedAt > now) break;
      this.#suspects.delete(id);
      overdue.push(suspect);
    }
    return overdue;
  }
}
