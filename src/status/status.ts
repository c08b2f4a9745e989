// The numbers of the status page: gathers them while the program runs, and tells them as one JSON.

import type { Registry } from 'prom-client';
import type { Outcome } from '../cache/outcome.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { History } from './history.ts';
import { LastErrors } from './last-errors.ts';
import type { Panel } from './panel.ts';
import { COLUMNS, readCounters, rowOf, type Reading } from './samples.ts';
import { Tally, type Counts, type Ranking } from './tally.ts';

export interface StatusOptions {
  readonly registry: Registry;
  readonly version: string;
  /** One for each part that has something to show, in order. */
  readonly panels: readonly (() => Panel | Promise<Panel>)[];
  /** Between two rows of the history. */
  readonly everyMs?: number | undefined;
}

/** An answered request, as far as it counts here. */
export interface AnsweredRead {
  readonly client: string | null;
  readonly conversation: ConversationId | null;
  readonly outcome: Outcome | null;
  readonly status: number;
}

/** What a page of text costs Rails at least (contract 9). */
const SQL_A_PAGE = 15;
const TOP_MAX = 10;
const EVERY_MS = 5000;
const HOUR_MS = 3_600_000;
/** Answered requests that are noted before they are counted. */
const ANSWERED_MAX = 256;

export class Status {
  readonly #options: StatusOptions;
  readonly #startedAt = new Date();
  readonly #history: History;
  readonly #clients = new Tally();
  readonly #accounts = new Tally();
  readonly #answered: AnsweredRead[] = [];
  readonly errors = new LastErrors();
  #last: Reading | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#history = new History(HOUR_MS / (options.everyMs ?? EVERY_MS));
  }

  /** Adds to the history from now on, until `stop`. */
  start(): void {
    const { everyMs = EVERY_MS } = this.#options;
    this.#timer = setInterval(() => void this.sample(), everyMs).unref();
    void this.sample();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async sample(): Promise<void> {
    const reading = await this.#read();
    if (this.#last !== undefined) this.#history.add(rowOf(this.#last, reading));
    this.#last = reading;
  }

  /** One answered request. */
  answered(read: AnsweredRead): void {
    this.#answered.push(read);
    if (this.#answered.length >= ANSWERED_MAX) this.#countAnswered();
  }

  /** One read of Chatwoot, and for whom; null for one behind an answer. */
  called(client: string | null, { accountId }: ConversationId): void {
    if (client !== null) this.#clients.count(client, 'calls');
    this.#accounts.count(String(accountId), 'calls');
  }

  /** All of it, with the history after a moment (unix seconds). */
  async json(after: number): Promise<string> {
    this.#countAnswered();
    const { version, panels, everyMs = EVERY_MS } = this.#options;
    const { requests, calls, pages } = await this.#read();
    const savedCalls = saved({ reads: pages, calls: sum(calls) });
    const told = JSON.stringify({
      version,
      startedAt: this.#startedAt,
      now: new Date(),
      totals: { requests, calls, pages, savedCalls, savedSql: savedCalls * SQL_A_PAGE },
      panels: await Promise.all(panels.map(async (panel) => panel())),
      clients: ranked(this.#clients.ranking(TOP_MAX)),
      accounts: ranked(this.#accounts.ranking(TOP_MAX)),
      errors: this.errors.list,
      everyMs,
      columns: COLUMNS,
    });
    return `${told.slice(0, -1)},"history":${this.#history.json(after)}}`;
  }

  async #read(): Promise<Reading> {
    return readCounters(this.#options.registry, Date.now());
  }

  #countAnswered(): void {
    for (const { client, conversation, status } of this.#answered) {
      const what = status === 200 || status === 304 ? 'reads' : status >= 400 && status < 500 ? 'refused' : null;
      if (what === null) continue;
      if (client !== null) this.#clients.count(client, what);
      if (conversation !== null) this.#accounts.count(String(conversation.accountId), what);
    }
    this.#answered.length = 0;
  }
}

/** Calls that would have been made without a cache, less those that were. */
function saved({ reads, calls }: Pick<Counts, 'reads' | 'calls'>): number {
  return Math.max(0, reads - calls);
}

function sum(values: Readonly<Record<string, number>>): number {
  return Object.values(values).reduce((total, value) => total + value, 0);
}

function ranked({ top, others }: Ranking): object {
  return { top: top.map(withSaved), others: withSaved(others) };
}

function withSaved(counts: Counts): object {
  return { ...counts, savedCalls: saved(counts), savedSql: saved(counts) * SQL_A_PAGE };
}
