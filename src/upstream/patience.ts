// How long a connection that answered before may say nothing. Where its peer is gone without a word, as behind a firewall that
// forgot it, nothing ever comes, and the read is better sent again on a new one. Where Chatwoot is merely slow, that would only
// double its work: so the time follows what it takes just now, and after one read was sent again in vain, none is for a while.

export interface PatienceOptions {
  /** Time that one read may take, ms. */
  readonly timeoutMs: number;
  /** Must not step, ms. */
  readonly now: () => number;
}

/** Of a read's time, the least and the most of silence. What is left then is enough to say something of Chatwoot. */
const LEAST_SHARE = 1 / 5;
const MOST_SHARE = 1 / 3;
/** Times that Chatwoot's slowest answers of late took. */
const TIMES = 4;
/** Where the most is not even so many times that, silence says nothing. */
const TELLING_TIMES = 2;
/** What is left of the slowest answer with each one after it. */
const FADING = 0.9;
const REST_MS = 60_000;

export class Patience {
  readonly #options: PatienceOptions;
  #slowestMs = 0;
  #restsUntil = -Infinity;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** The least that `silenceMs` may be: who is not answered in that time on a new connection either was not given up rightly. */
  get leastMs(): number {
    return this.#options.timeoutMs * LEAST_SHARE;
  }

  /** So long a connection may be silent, ms; null for as long as the read has time. */
  get silenceMs(): number | null {
    const { timeoutMs, now } = this.#options;
    const mostMs = timeoutMs * MOST_SHARE;
    if (now() < this.#restsUntil || this.#slowestMs * TELLING_TIMES > mostMs) return null;
    return Math.min(mostMs, Math.max(this.leastMs, this.#slowestMs * TIMES));
  }

  /** An answer began so long after its question was sent. */
  answered(afterMs: number): void {
    this.#slowestMs = Math.max(afterMs, this.#slowestMs * FADING);
  }

  /** A read was sent again, and the new connection is silent too: it is Chatwoot that takes its time. */
  wasInVain(): void {
    this.#restsUntil = this.#options.now() + REST_MS;
  }
}
