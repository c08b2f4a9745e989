// Keeps reads away from a Chatwoot that fails: it opens on a failing share, lets one read through now and then, and closes
// when that one is answered.
//
// The share is that of the last reads, whenever they were (cockatiel's CountBreaker). Of the others, the consecutive one never
// opens while every tenth read still succeeds, and the sampling one forgets nothing while nothing is read: its windows move
// only when it counts, so failures of an hour ago weigh like those of now. Its times are read from the wall clock, which may
// step; ours come from the engine's clock, so the library is told to be always due.
//
// What counts as a failure is what tells of Chatwoot as a whole: it cannot be reached, a proxy has nobody to ask. A 4xx is an
// answer. What may be the trouble of one conversation comes again each time that it is asked for: a 500 (contract 2.2), an
// answer that cannot be used or breaks off, time that is up. It counts once for a conversation, until that conversation is
// answered well. Silence counts again while nothing at all is heard of Chatwoot: then it is not that conversation's.

import { circuitBreaker, CircuitState, ConstantBackoff, CountBreaker, handleWhenResult } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { BackscrollError, type ErrorCode } from '../errors.ts';
import { AnswerCut, ConnectionSilent } from './map-broken-exchange.ts';
import { Refused } from './refused.ts';

export type BreakerState = 'closed' | 'half-open' | 'open';

export interface BreakerOptions {
  /** Time from opening to the next probe. */
  readonly halfOpenAfterMs: number;
  /** Must not step, ms. */
  readonly now: () => number;
  /** It opened: `probe` where it was open before and a probe failed. */
  readonly onOpen: (failure: ErrorCode, probe: boolean) => void;
  readonly onClose: () => void;
}

/** One read as the breaker sees it. */
export interface Attempt {
  /** Which conversation is read. */
  readonly key: string;
  /** False where waiting took so much of its time that running out of the rest says nothing of Chatwoot. */
  readonly hasTime: boolean;
  readonly patienceMs: number;
  /** Aborts when its caller goes away, which says nothing of Chatwoot either, unless Chatwoot had `patienceMs` to answer. */
  readonly caller: AbortSignal | undefined;
}

/**
 * What an attempt says of Chatwoot.
 * - `answers`: it works, also where the answer is a refusal.
 * - `fails`: it does not.
 * - `own-trouble`: this conversation fails, as it did before.
 * - `nothing`: it was not asked, or nobody waited for its answer.
 */
type Verdict = 'answers' | 'fails' | 'own-trouble' | 'nothing';

/** An attempt that counts as failed. */
interface Failure {
  readonly code: ErrorCode;
  readonly verdict: Verdict;
  readonly probe: boolean;
}

/** How an attempt ended, in the form that the library counts. */
class Outcome<T> {
  readonly failure: Failure | undefined;
  /** Returns the answer or throws the error. */
  readonly end: () => T;

  constructor(end: () => T, failure?: Failure) {
    this.end = end;
    this.failure = failure;
  }
}

const SHARE = 0.5;
const READS = 20;
const READS_MIN = 10;
/** Of the time between two probes, how long it takes to the next after one that did not find out how Chatwoot is. */
const PROBE_AGAIN_SHARE = 1 / 5;
/** Conversations in trouble that are remembered. */
const TROUBLED_MAX = 1000;

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #policy = circuitBreaker(
    handleWhenResult((outcome) => outcome instanceof Outcome && outcome.failure !== undefined),
    {
      halfOpenAfter: new ConstantBackoff(-Infinity),
      breaker: new CountBreaker({ threshold: SHARE, size: READS, minimumNumberOfCalls: READS_MIN }),
    },
  );
  /** With what had been heard of Chatwoot when the trouble began. */
  readonly #troubled = new LRUCache<string, { readonly heard: number }>({ max: TROUBLED_MAX });
  /** Counts the reads on which Chatwoot said anything. */
  #heard = 0;
  #openedAt = -Infinity;
  #openings = 0;
  #failure: ErrorCode | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
    this.#policy.onReset(() => options.onClose());
    this.#policy.onBreak((reason) => {
      if ('value' in reason && reason.value instanceof Outcome && reason.value.failure !== undefined) {
        this.#opened(reason.value.failure);
      }
    });
  }

  get state(): BreakerState {
    switch (this.#policy.state) {
      case CircuitState.Closed:
        return 'closed';
      case CircuitState.HalfOpen:
        return 'half-open';
      case CircuitState.Open:
      case CircuitState.Isolated:
        return 'open';
    }
  }

  /** The refusal of a read of this conversation; null where it may be sent. */
  refusal(key: string): Refused | null {
    const { state } = this;
    if (state === 'closed') return null;
    const { halfOpenAfterMs, now } = this.#options;
    // One that failed alone before might fail alone again and keep it open: others are asked first.
    const wait = this.#troubled.has(key) ? 2 * halfOpenAfterMs : halfOpenAfterMs;
    const leftMs = this.#openedAt + wait - now();
    if (state === 'open' && leftMs <= 0) return null;
    return this.#failure === 'upstream_unreachable'
      ? new Refused('open', this.#failure, 'Chatwoot cannot be reached and is left alone for a moment; try again later', leftMs)
      : new Refused('open', 'upstream_error', 'Chatwoot fails to answer and is left alone for a moment; try again later', leftMs);
  }

  /**
   * Sends one read and counts how it ends.
   * @throws Refused at once while open; what `send` throws.
   */
  async run<T>(attempt: Attempt, send: () => Promise<T>): Promise<T> {
    const refusal = this.refusal(attempt.key);
    if (refusal !== null) throw refusal;
    const probe = this.state === 'open';
    const outcome = await this.#policy.execute(() => this.#judged(attempt, probe, send));
    return outcome.end();
  }

  /** Throws what is to be counted neither way. */
  async #judged<T>(attempt: Attempt, probe: boolean, send: () => Promise<T>): Promise<Outcome<T>> {
    const openings = this.#openings;
    const sentAt = this.#options.now();
    try {
      const answer = await send();
      this.#heard++;
      this.#troubled.delete(attempt.key);
      return new Outcome(() => answer);
    } catch (error) {
      const verdict = this.#verdict(attempt, probe, error, this.#options.now() - sentAt);
      const end = (): never => {
        throw error;
      };
      if (verdict === 'answers') return new Outcome(end);
      const code = error instanceof BackscrollError ? error.code : 'upstream_timeout'; // Whoever left, left before that.
      // A probe must not close it by saying nothing.
      if (probe) return new Outcome(end, { code, verdict, probe });
      // What was sent before it opened may fail long after; it says nothing of the time since.
      if (verdict === 'fails' && openings === this.#openings) return new Outcome(end, { code, verdict, probe });
      throw error;
    }
  }

  #verdict({ key, hasTime, patienceMs, caller }: Attempt, probe: boolean, error: unknown, tookMs: number): Verdict {
    if (caller?.aborted === true) return tookMs >= patienceMs ? this.#silence(key, probe) : 'nothing';
    if (!(error instanceof BackscrollError)) return 'nothing';
    const { code } = error;
    const status = error.upstream?.status;
    if (status === 504) return this.#silence(key, probe); // Of a proxy that waited for Chatwoot.
    if (status === undefined && code === 'upstream_timeout') return hasTime ? this.#silence(key, probe) : 'nothing';
    if (status === 500 || code === 'upstream_timeout' || code === 'upstream_invalid' || error instanceof AnswerCut) {
      this.#heard++;
      return this.#trouble(key);
    }
    if (error instanceof ConnectionSilent) return 'nothing'; // A new one finds out.
    if (code === 'upstream_unreachable') return 'fails';
    if (status === undefined) return 'nothing';
    if (status > 500) return 'fails';
    this.#heard++;
    this.#troubled.delete(key);
    return 'answers';
  }

  #trouble(key: string): Verdict {
    if (this.#troubled.has(key)) return 'own-trouble';
    this.#troubled.set(key, { heard: this.#heard });
    return 'fails';
  }

  /** A probe is silent for whatever reason the conversation has; others find out. */
  #silence(key: string, probe: boolean): Verdict {
    return !probe && this.#troubled.get(key)?.heard === this.#heard ? 'fails' : this.#trouble(key);
  }

  #opened(failure: Failure): void {
    const { halfOpenAfterMs, now } = this.#options;
    // A probe that did not find out: the next is due soon, by others first, but not at once for each caller that leaves.
    const foundOut = failure.verdict === 'fails';
    this.#openedAt = foundOut ? now() : now() - halfOpenAfterMs * (1 - PROBE_AGAIN_SHARE);
    if (failure.verdict === 'nothing') return;
    this.#openings++;
    this.#failure = failure.code;
    this.#options.onOpen(failure.code, failure.probe);
  }
}
