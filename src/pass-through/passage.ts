// The connections over which other callers' requests go to Chatwoot. They are not those of the cache, so that a slow caller takes none
// of its; what is sent counts in the same budget.

import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { HeaderList } from '../http/header-list.ts';
import type { ReadBudget } from '../upstream/budget.ts';
import { pathPrefix } from '../upstream/chatwoot-url.ts';
import { Carriage, openConnections } from '../upstream/connections.ts';
import { startDeadline } from '../upstream/deadline.ts';
import { Line } from '../upstream/line.ts';
import { mapBrokenExchange } from '../upstream/map-broken-exchange.ts';
import { isToAnother, MisplacedAnswer } from '../upstream/misplaced.ts';
import type { Proxies } from '../upstream/proxies.ts';
import { Readers } from '../upstream/readers.ts';
import { Refused } from '../upstream/refused.ts';

export interface PassageOptions {
  readonly baseUrl: URL;
  readonly connections: number;
  readonly proxies: Proxies;
  /** For its turn, for the head of its answer, and between any two parts of that, ms. */
  readonly timeoutMs: number;
  readonly budget: ReadBudget;
  /** Must not step, ms. */
  readonly now: () => number;
}

export interface PassedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly questionId: string;
  readonly body: Readable | null;
  /** Whose it is, for turns to be fair. */
  readonly who: string;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
  /** Called when it has its turn: from then on Chatwoot may have got it. */
  readonly onSent: () => void;
}

export interface PassedAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** As it comes, in its coding. */
  readonly body: Readable;
}

/** Requests that may wait for their turn. */
const WAITING_MAX = 1000;
/** Of its time, what may be left when its turn comes. */
const TURN_BY_SHARE = 9 / 10;

export class Passage {
  readonly #options: PassageOptions;
  readonly #prefix: string;
  readonly #connections: Dispatcher;
  readonly #line: Line;

  constructor(options: PassageOptions) {
    const { baseUrl, budget, connections, now } = options;
    this.#options = options;
    this.#prefix = pathPrefix(baseUrl);
    this.#connections = openConnections(baseUrl, options);
    this.#line = new Line({ budget, connections, waitingMax: WAITING_MAX, now });
  }

  get running(): number {
    return this.#line.running;
  }

  /**
   * Sends it once and resolves with the beginning of its answer, whatever that is. It keeps its connection until all of the answer is taken.
   * @throws BackscrollError; the signal's reason.
   */
  send(request: PassedRequest): Promise<PassedAnswer> {
    const { timeoutMs, now } = this.#options;
    const waiting = startDeadline(timeoutMs, request.signal);
    const ticket = {
      // One of them has a part of the connections at most, however slow it is.
      key: request.who,
      readers: new Readers(request.who),
      priority: 'caller',
      again: false,
      signal: waiting.signal,
      turnBy: now() + timeoutMs * TURN_BY_SHARE,
    } as const;
    return new Promise((resolve, reject) => {
      const run = async (): Promise<void> => {
        waiting.clear();
        request.onSent();
        const answer = await this.#exchange(request);
        resolve(answer);
        await closed(answer.body);
      };
      this.#line.run(ticket, run).catch((error: unknown) => {
        waiting.clear();
        reject(error);
      });
    });
  }

  async #exchange({ method, target, headers, questionId, body, signal }: PassedRequest): Promise<PassedAnswer> {
    const carriage = new Carriage(() => {});
    const path = this.#prefix + target;
    try {
      signal.throwIfAborted();
      const asked = { method, path, headers, body, signal, opaque: carriage };
      const answer = await this.#connections.request(asked);
      carriage.answered();
      const echoed = answer.headers['x-request-id'];
      if (isToAnother(questionId, Array.isArray(echoed) ? echoed[0] : echoed)) {
        answer.body.on('error', () => {}).destroy();
        carriage.close();
        throw new MisplacedAnswer();
      }
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw mapBrokenExchange(error, 'head') ?? error;
    }
  }

  async close(): Promise<void> {
    this.#line.close(new Refused('closed', 'draining', 'This server is shutting down; try again', 0));
    await this.#connections.destroy();
  }
}

function closed(body: Readable): Promise<void> {
  if (body.closed) return Promise.resolve();
  return new Promise((resolve) => {
    body.once('close', resolve);
  });
}
