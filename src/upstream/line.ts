// The line before Chatwoot: who may send next. Callers go first, by turns of their readers; reads behind answers go only while
// no caller can, and have at most half of the connections. One conversation has a part of the connections, so that one on which
// Chatwoot hangs leaves others theirs. The line has an end, and so has the time in it.

import { BackscrollError } from '../errors.ts';
import { behindShare, type ReadBudget } from './budget.ts';
import type { Readers } from './readers.ts';
import { Refused } from './refused.ts';
import { Turns } from './turns.ts';
import type { ReadPriority } from './upstream.ts';

export interface LineOptions {
  readonly budget: ReadBudget;
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
  /** Who wants it; others may join while it waits. */
  readonly readers: Readers;
  readonly priority: ReadPriority;
  /** It had its turn before and goes before others of its reader. */
  readonly again: boolean;
  /** Aborts with a BackscrollError when its time is up, with anything else when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /**
   * When its turn is of use at the latest, ms of the engine's clock: Chatwoot would work for nobody on a read that is given up
   * as soon as it is sent.
   */
  readonly turnBy: number;
}

interface Waiter extends Ticket {
  readonly start: () => void;
  /** Leaves the line, then is told what the line that it left says. */
  readonly refuse: (error: () => Error) => void;
}

/** Of the connections, what one conversation may have; at least two, and never the last one. */
const CONVERSATION_SHARE = 1 / 4;

function conversationShare(connections: number): number {
  return Math.max(1, Math.min(connections - 1, Math.max(2, Math.floor(connections * CONVERSATION_SHARE))));
}

/** Weight of the latest read in the mean of how long reads take. */
const MEAN_WEIGHT = 1 / 16;

export class Line {
  readonly #options: LineOptions;
  readonly #callers = new Turns<Waiter>();
  readonly #behind = new Turns<Waiter>();
  readonly #runningOf = new Map<string, number>();
  #running = 0;
  #runningBehind = 0;
  #meanMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: Refused | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    options.budget.onSooner?.(() => this.#startNext());
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#callers.size + this.#behind.size;
  }

  /**
   * Runs `send` when it is its turn.
   * @throws Refused if the line is full, or its turn does not come in time; the signal's reason if nobody waits any more.
   */
  run<T>(ticket: Ticket, send: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      // Sent in the turn in which the budget is spent: a turn later, under load, may be a good part of a window later.
      const start = (): void => void this.#send(ticket, send).then(resolve, reject);
      this.#enter(ticket, start, reject);
    });
  }

  /** Those who wait get what `refusal` says of the conversation that they want to read; those under way go on. */
  refuseWaiting(refusal: (key: string) => Refused | null): void {
    for (const waiter of [...this.#callers, ...this.#behind]) {
      const refused = refusal(waiter.key);
      if (refused !== null) waiter.refuse(() => refused);
    }
    this.#startNext(); // Often nobody is left to wake for.
  }

  /** Takes nobody any more. */
  close(refusal: Refused): void {
    this.#closed = refusal;
    this.refuseWaiting(() => refusal);
  }

  /** Takes a place, in the budget and among the connections, and gives back the latter. */
  async #send<T>(ticket: Ticket, send: () => Promise<T>): Promise<T> {
    const { budget, now } = this.#options;
    const { key, priority } = ticket;
    const startedAt = now();
    budget.spend(priority, startedAt);
    if (priority === 'caller') this.#callers.took(ticket);
    this.#running++;
    if (priority === 'behind') this.#runningBehind++;
    this.#runningOf.set(key, this.#runningIn(key) + 1);
    try {
      return await send();
    } finally {
      const tookMs = now() - startedAt;
      this.#meanMs += (tookMs - this.#meanMs) * (this.#meanMs === 0 ? 1 : MEAN_WEIGHT);
      this.#running--;
      if (priority === 'behind') this.#runningBehind--;
      if (this.#runningIn(key) > 1) this.#runningOf.set(key, this.#runningIn(key) - 1);
      else this.#runningOf.delete(key);
      this.#startNext();
    }
  }

  /** Calls one of the two, `start` at once where nobody is ahead. */
  #enter(ticket: Ticket, start: () => void, refuse: (error: Error) => void): void {
    const { priority, signal, turnBy } = ticket;
    const { budget } = this.#options;
    if (signal.aborted) return refuse(this.#reasonOf(ticket));
    if (this.#closed !== undefined) return refuse(this.#closed);
    // Those ahead may leave, but most stay: who would wait in vain is told so at once and not at the deadline.
    const now = this.#options.now();
    const waitMs = budget.waitMs(priority, this.#ahead(ticket), now);
    if (now + waitMs > turnBy) return refuse(this.#late(ticket));
    if (this.waiting === 0 && waitMs <= 0 && this.#hasConnection(priority) && this.#mayBeRead(ticket)) return start();
    const line = priority === 'behind' ? this.#behind : this.#callers;
    let waits = true;
    const leave = (): void => {
      waits = false;
      ticket.readers.onJoin = undefined;
      line.delete(waiter);
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = {
      ...ticket,
      start: () => {
        leave();
        start();
      },
      refuse: (error) => {
        leave();
        refuse(error());
      },
    };
    const onAbort = (): void => {
      waiter.refuse(() => this.#reasonOf(ticket));
      this.#startNext(); // A read behind an answer may have waited for this caller.
    };
    line.add(waiter);
    ticket.readers.onJoin = (reader) => line.join(waiter, reader);
    this.#startNext();
    if (!waits) return;
    signal.addEventListener('abort', onAbort, { once: true });
    if (this.waiting > this.#options.waitingMax) this.#makeRoom(waiter);
  }

  /** Starts all who may start now, and wakes when the budget lets the next one. */
  #startNext(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.waiting === 0) return;
    const mayGo = (waiter: Waiter): boolean => this.#mayBeRead(waiter);
    while (this.#running < this.#options.connections) {
      const waiter = this.#callers.next(mayGo) ?? this.#behind.next(mayGo);
      if (waiter === undefined) return;
      if (this.#options.now() > waiter.turnBy) {
        waiter.refuse(() => this.#late(waiter));
        continue;
      }
      if (!this.#mayStart(waiter.priority)) return this.#wake(waiter.priority);
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

  #mayBeRead({ key }: Ticket): boolean {
    return this.#runningIn(key) < conversationShare(this.#options.connections);
  }

  #runningIn(key: string): number {
    return this.#runningOf.get(key) ?? 0;
  }

  /** How many go before one that comes now. */
  #ahead(ticket: Ticket): number {
    return ticket.priority === 'behind' ? this.waiting : this.#callers.ahead(ticket);
  }

  /** A caller takes the place of a read behind an answer, or of one of a reader that has more. */
  #makeRoom(latecomer: Waiter): void {
    const leaves = latecomer.priority === 'behind' ? latecomer : ([...this.#behind].at(-1) ?? this.#callers.surplus(latecomer));
    leaves.refuse(() => this.#full(leaves));
  }

  /** Why a read leaves the line before its turn. */
  #reasonOf(ticket: Ticket): Error {
    const { signal } = ticket;
    if (signal.reason instanceof BackscrollError) return this.#late(ticket);
    return signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
  }

  #full(ticket: Ticket): Refused {
    return new Refused('full', 'overloaded', 'Too many reads wait for Chatwoot; try again later', this.#waitMs(ticket));
  }

  #late(ticket: Ticket): Refused {
    return new Refused('late', 'upstream_busy', 'Too many reads wait for Chatwoot; try again later', this.#waitMs(ticket));
  }

  /** How long one that came now would wait, as far as can be told: for the budget, and for connections at the present pace. */
  #waitMs(ticket: Ticket): number {
    const { budget, connections, now } = this.#options;
    const ahead = this.#ahead(ticket);
    const rounds = Math.max(0, Math.ceil((this.#running + ahead + 1 - connections) / connections));
    return Math.max(budget.waitMs(ticket.priority, ahead, now()), rounds * this.#meanMs);
  }
}
