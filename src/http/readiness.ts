// Able or not: whether Chatwoot accepts the token for listing messages, and whatever else must be well. Chatwoot is asked at
// start, then rarely; sooner while the answer is no. A load balancer reads it at /readyz.

/** While all is well. */
const RECHECK_ABLE_MS = 5 * 60_000;
/** While it is not. */
const RECHECK_UNABLE_MS = 10_000;

/** What must be well, the most telling first. */
const CONDITIONS = ['end', 'chatwoot', 'clients-file'] as const;

export type Condition = (typeof CONDITIONS)[number];

export interface ReadinessOptions {
  /** Null when able, else what stands in the way, in a sentence for operators. */
  readonly check: (signal: AbortSignal) => Promise<string | null>;
  readonly onChange: (problem: string | null) => void;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #abort = new AbortController();
  readonly #problems = new Map<Condition, string>([['chatwoot', 'Chatwoot has not answered yet']]);
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;
  #suspectedAt = -Infinity;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Null when able. */
  get problem(): string | null {
    for (const condition of CONDITIONS) {
      const problem = this.#problems.get(condition);
      if (problem !== undefined) return problem;
    }
    return null;
  }

  /** What stands in the way of one condition now, or null. */
  report(condition: Condition, problem: string | null): void {
    const before = this.problem;
    if (problem === null) this.#problems.delete(condition);
    else this.#problems.set(condition, problem);
    if (this.problem !== before && !this.#abort.signal.aborted) this.#options.onChange(this.problem);
  }

  /** Asks now, unless it is being asked already. Resolves when the answer is there; never rejects. */
  recheck(): Promise<void> {
    this.#checking ??= this.#ask().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** A read was refused: asks now, but not for each of many such reads. */
  suspect(): void {
    const now = performance.now();
    if (now - this.#suspectedAt < RECHECK_UNABLE_MS) return;
    this.#suspectedAt = now;
    void this.recheck();
  }

  /** Not able from now on, for good. */
  drain(): void {
    this.#abort.abort(new Error('draining'));
    clearTimeout(this.#timer);
    this.report('end', 'Shutting down');
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    const { signal } = this.#abort;
    const problem = await this.#options.check(signal).catch(() => 'Chatwoot cannot be asked');
    if (signal.aborted) return;
    this.report('chatwoot', problem);
    this.#timer = setTimeout(() => void this.recheck(), problem === null ? RECHECK_ABLE_MS : RECHECK_UNABLE_MS).unref();
  }
}
