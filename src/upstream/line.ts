// The line before Chatwoot: who may send next. Callers go first, in the order in which they came; reads behind answers go
// only while no caller waits, and have at most half of the connections. The line has an end, and so has the time in it.

import { BackscrollError } from '../errors.ts';
import { behindShare, type Budget } from './budget.ts';
import { Refused } from './refused.ts';
import type { ReadPriority } from './upstream.ts';

export interface LineOptions {
  readonly budget: Budget;
  /** Reads under way at once. */
  readonly connections: number;
  /** Reads that may wait. */
  readonly waitingMax: number;
  /** Must not step, ms. */
  readonly now: () => number;
}

/** One read that wants its turn. */
export interface Ticket {
  /** Which conversation is read. */
  readonly key: string;
  readonly priority: ReadPriority;
  /** It had its turn before and goes before those that came after it. */
  readonly again: boolean;
  /** Aborts with a BackscrollError when its time is up, with anything else when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /**
   * When its turn is of use at the latest, ms of the engine's clock: Chatwoot would work for nobody on a read that is given up
   * as soon as it is sent.
   */
  readonly turnBy: number;
}

interface Waiter {
  readonly ticket: Ticket;
  readonly start: () => void;
  readonly refuse: (error: Error) => void;
}

/** Weight of the latest read in the mean of how long reads take. */
const MEAN_WEIGHT = 1 / 16;

export class Line {
  readonly #options: LineOptions;
  readonly #again = new Set<Waiter>();
  readonly #callers = new Set<Waiter>();
  readonly #behind = new Set<Waiter>();
  #running = 0;
  #runningBehind = 0;
  #meanMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: Refused | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#again.size + this.#callers.size + this.#behind.size;
  }

  /**
   * Runs `send` when it is its turn.
   * @throws Refused if the line is full, or its turn does not come in time; the signal's reason if nobody waits any more.
   */
  run<T>(ticket: Ticket, send: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // Sent in the turn in which the budget is spent: a turn later, under load, may be a good part of a window later.
      const start = (): void => void this.#send(ticket.priority, send).then(resolve, reject);
      this.#enter(ticket, start, reject);
    });
  }

  /** Those who wait get what `refusal` says of the conversation that they want to read; those under way go on. */
  refuseWaiting(refusal: (key: string) => Refused | null): void {
    for (const line of [this.#again, this.#callers, this.#behind]) {
      for (const waiter of line) {
        const refused = refusal(waiter.ticket.key);
        if (refused !== null) waiter.refuse(refused);
      }
    }
    this.#startNext(); // Often nobody is left to wake for.
  }

  /** Takes nobody any more. */
  close(refusal: Refused): void {
    this.#closed = refusal;
    this.refuseWaiting(() => refusal);
  }

  /** Takes a place, in the budget and among the connections, and gives back the latter. */
  async #send<T>(priority: ReadPriority, send: () => Promise<T>): Promise<T> {
    const { budget, now } = this.#options;
    const startedAt = now();
    budget.spend(priority, startedAt);
    this.#running++;
    if (priority === 'behind') this.#runningBehind++;
    try {
      return await send();
    } finally {
      const tookMs = now() - startedAt;
      this.#meanMs += (tookMs - this.#meanMs) * (this.#meanMs === 0 ? 1 : MEAN_WEIGHT);
      this.#running--;
      if (priority === 'behind') this.#runningBehind--;
      this.#startNext();
    }
  }

  /** Calls one of the two, `start` at once where nobody is ahead. */
  #enter(ticket: Ticket, start: () => void, refuse: (error: Error) => void): void {
    const { priority, signal, turnBy } = ticket;
    const { budget, waitingMax, now } = this.#options;
    if (signal.aborted) return refuse(this.#reasonOf(ticket));
    if (this.#closed !== undefined) return refuse(this.#closed);
    // Those ahead may leave, but most stay: who would wait in vain is told so at once and not at the deadline.
    const ahead = ticket.again ? this.#again.size : this.#ahead(priority);
    if (now() + budget.waitMs(priority, ahead, now()) > turnBy) return refuse(this.#late(priority));
    if (this.#ahead(priority) === 0 && this.#mayStart(priority)) return start();
    if (this.waiting >= waitingMax && !this.#makeRoom(priority)) return refuse(this.#full(priority));
    const line = priority === 'behind' ? this.#behind : ticket.again ? this.#again : this.#callers;
    const leave = (): void => {
      line.delete(waiter);
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = {
      ticket,
      start: () => {
        leave();
        start();
      },
      refuse: (error) => {
        leave();
        refuse(error);
      },
    };
    const onAbort = (): void => {
      waiter.refuse(this.#reasonOf(ticket));
      this.#startNext(); // A read behind an answer may have waited for this caller.
    };
    signal.addEventListener('abort', onAbort, { once: true });
    line.add(waiter);
    this.#startNext();
  }

  /** Starts all who may start now, and wakes when the budget lets the next one. */
  #startNext(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (;;) {
      const waiter = first(this.#again) ?? first(this.#callers) ?? first(this.#behind);
      if (waiter === undefined) return;
      const { priority, turnBy } = waiter.ticket;
      if (this.#options.now() > turnBy) {
        waiter.refuse(this.#late(priority));
        continue;
      }
      if (!this.#mayStart(priority)) return this.#wake(priority);
      waiter.start();
    }
  }

  #wake(priority: ReadPriority): void {
    if (!this.#hasConnection(priority)) return; // The end of a read under way wakes it.
    const waitMs = this.#options.budget.waitMs(priority, 0, this.#options.now());
    this.#timer = setTimeout(() => this.#startNext(), Math.max(1, Math.ceil(waitMs)));
  }

  #mayStart(priority: ReadPriority): boolean {
    return this.#hasConnection(priority) && this.#options.budget.waitMs(priority, 0, this.#options.now()) <= 0;
  }

  #hasConnection(priority: ReadPriority): boolean {
    const { connections } = this.#options;
    return this.#running < connections && (priority === 'caller' || this.#runningBehind < behindShare(connections));
  }

  /** Those who go before one that comes now. */
  #ahead(priority: ReadPriority): number {
    return priority === 'behind' ? this.waiting : this.#again.size + this.#callers.size;
  }

  /** A caller takes the place of a read behind an answer. */
  #makeRoom(priority: ReadPriority): boolean {
    const last = priority === 'caller' ? [...this.#behind].at(-1) : undefined;
    last?.refuse(this.#full('behind'));
    return last !== undefined;
  }

  /** Why a read leaves the line before its turn. */
  #reasonOf({ priority, signal }: Ticket): Error {
    if (signal.reason instanceof BackscrollError) return this.#late(priority);
    return signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
  }

  #full(priority: ReadPriority): Refused {
    return new Refused('full', 'overloaded', 'Too many reads wait for Chatwoot; try again later', this.#waitMs(priority));
  }

  #late(priority: ReadPriority): Refused {
    return new Refused('late', 'upstream_busy', 'Too many reads wait for Chatwoot; try again later', this.#waitMs(priority));
  }

  /** How long one that came now would wait, as far as can be told: for the budget, and for connections at the present pace. */
  #waitMs(priority: ReadPriority): number {
    const { budget, connections, now } = this.#options;
    const ahead = this.#ahead(priority);
    const rounds = Math.max(0, Math.ceil((this.#running + ahead + 1 - connections) / connections));
    return Math.max(budget.waitMs(priority, ahead, now()), rounds * this.#meanMs);
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const value of set) return value;
  return undefined;
}
