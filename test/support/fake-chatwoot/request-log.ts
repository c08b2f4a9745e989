// What the fake was asked, in order of arrival.

/** One request as it arrived. */
export interface LoggedRequest {
  /** 1 for the first since the start or the last `clear`. */
  readonly number: number;
  readonly method: string;
  /** The target before its query, as sent. */
  readonly path: string;
  /** The query with its `?`, as sent; '' when there is none. */
  readonly search: string;
  /** Lower-case names as sent, underscores kept; values of a repeated name joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Names and values by turns, as node:http gives them. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly peer: string;
  /** Milliseconds of the fake's clock. */
  readonly at: number;
}

type Predicate = (request: LoggedRequest) => boolean;

/** The requests, and a way to await them without sleeping. */
export class RequestLog {
  readonly #requests: LoggedRequest[] = [];
  readonly #waiting = new Set<{ readonly predicate: Predicate; readonly resolve: (request: LoggedRequest) => void }>();

  get requests(): readonly LoggedRequest[] {
    return this.#requests;
  }

  /** The number of requests that match. */
  count(predicate: Predicate = () => true): number {
    return this.#requests.filter(predicate).length;
  }

  /** The first matching request, one that is in the log already or the next to arrive. */
  async awaitRequest(predicate: Predicate = () => true): Promise<LoggedRequest> {
    const found = this.#requests.find(predicate);
    if (found !== undefined) return found;
    return new Promise((resolve) => {
      this.#waiting.add({ predicate, resolve });
    });
  }

  /** Resolves once at least `count` requests are in the log. */
  async awaitCount(count: number): Promise<void> {
    if (count > 0) await this.awaitRequest((request) => request.number >= count);
  }

  /** Empties the log; numbers start at 1 again. */
  clear(): void {
    this.#requests.length = 0;
  }

  /** Logs a request under the next number. */
  add(request: Omit<LoggedRequest, 'number'>): LoggedRequest {
    const logged = { number: this.#requests.length + 1, ...request };
    this.#requests.push(logged);
    for (const waiter of this.#waiting) {
      if (!waiter.predicate(logged)) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(logged);
    }
    return logged;
  }
}
