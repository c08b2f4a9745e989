// Reads behind the answers: one job per conversation at a time, a few at once, a bounded line. When the line is full the
// job is dropped: the next answer of that conversation asks for it again.

export interface BehindOptions {
  readonly runningMax: number;
  readonly waitingMax: number;
  /** A job that failed. Failures are nobody's answer, so they are only counted and logged. */
  readonly onFailure: (error: unknown) => void;
}

type Job = (signal: AbortSignal) => Promise<void>;

export class Behind {
  readonly #options: BehindOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Job>();
  readonly #abort = new AbortController();

  constructor(options: BehindOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size + this.#waiting.size;
  }

  /** Runs the job soon, unless one for this key runs or waits already. False if it was not taken. */
  offer(key: string, job: Job): boolean {
    if (this.#running.has(key) || this.#waiting.has(key) || this.#abort.signal.aborted) return false;
    if (this.#waiting.size >= this.#options.waitingMax) return false;
    this.#waiting.set(key, job);
    this.#startNext();
    return true;
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Ends all jobs and takes no more. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('shutting down'));
    this.#waiting.clear();
    await this.idle();
  }

  #startNext(): void {
    for (const [key, job] of this.#waiting) {
      if (this.#running.size >= this.#options.runningMax) return;
      this.#waiting.delete(key);
      this.#running.set(key, this.#run(key, job));
    }
  }

  async #run(key: string, job: Job): Promise<void> {
    await Promise.resolve(); // The caller's answer goes first.
    try {
      await job(this.#abort.signal);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#options.onFailure(error);
    } finally {
      this.#running.delete(key);
      this.#startNext();
    }
  }
}
