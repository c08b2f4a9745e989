// The budget of reads from Chatwoot over all processes. A process sends what Redis has granted it, which it asks for in the moment in which
// somebody waits for it; without Redis it goes on with its share.

import type { Rate } from '../rate.ts';
import { behindShare, Budget, burst, type ReadBudget } from '../upstream/budget.ts';
import type { ReadPriority } from '../upstream/upstream.ts';
import { GRANT } from './limit-scripts.ts';
import { wordOf, type Link } from './link.ts';
import { Garbled, listOf } from './replies.ts';

export interface SharedBudgetOptions {
  readonly link: Link;
  /** Of this installation, in Redis. */
  readonly key: string;
  /** Of all processes together. */
  readonly rate: Rate;
  /** How many there are, as far as was heard. */
  readonly processes: () => number;
  /** How long a read waits for Redis before this process goes on with its share, ms. */
  readonly patienceMs: number;
  /** The engine's clock, ms. */
  readonly now: () => number;
}

/** The more, the nearer to the limit one gets, and the more there is to count each time. */
const SLICES_MAX = 60;
const SLICE_MS_MIN = 100;
/** While it is asked for, ms; an answer is told of at once. */
const LOOK_AGAIN_MS = 5;
/** After it was asked for in vain, ms. */
const ASK_AGAIN_MS = 250;

/** By how many slices of which length reads are counted. */
export function slicesOf(windowMs: number): { readonly slices: number; readonly sliceMs: number } {
  const slices = Math.max(1, Math.min(SLICES_MAX, Math.floor(windowMs / SLICE_MS_MIN)));
  return { slices, sliceMs: Math.ceil(windowMs / slices) };
}

export class SharedBudget implements ReadBudget {
  readonly #options: SharedBudgetOptions;
  readonly #slices: number;
  readonly #sliceMs: number;
  /** What this process may send by itself. It counts everything that is sent. */
  readonly #alone: Budget;
  readonly #listeners: (() => void)[] = [];
  #isShared = true;
  #isAsking = false;
  #askAgainAt = -Infinity;
  #wanted = { caller: 0, behind: 0 };
  #granted = { caller: 0, behind: 0, until: -Infinity };
  /** Sent while Redis did not know. */
  #untold = { caller: 0, behind: 0 };
  #moreAt = { caller: -Infinity, behind: -Infinity };
  #leftTold = { left: 0, at: -Infinity };
  /** In this slice and in the one before. */
  #sent = { slice: 0, count: 0, before: 0 };

  constructor(options: SharedBudgetOptions) {
    this.#options = options;
    const { slices, sliceMs } = slicesOf(options.rate.windowMs);
    this.#slices = slices;
    this.#sliceMs = sliceMs;
    this.#alone = new Budget(options.rate);
    this.#leftTold.left = options.rate.max;
  }

  onSooner(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whoever asks wants to send: where nothing is left, Redis is asked for more. */
  waitMs(priority: ReadPriority, ahead: number, now: number): number {
    const { link } = this.#options;
    if (this.#isShared && !link.isUp) this.#goAlone();
    const has = this.#has(priority, now);
    if (this.#isShared && ahead < has) return 0;
    const wanted = this.#isShared ? ahead + 1 - has : 0;
    this.#wanted[priority] = Math.max(this.#wanted[priority], wanted);
    if (link.isUp && now >= Math.max(this.#moreAt[priority], this.#askAgainAt)) void this.#ask();
    if (!this.#isShared) return this.#alone.waitMs(priority, ahead, now);
    return this.#isAsking ? LOOK_AGAIN_MS : Math.max(1, this.#moreAt[priority] - now);
  }

  left(now: number): number {
    if (!this.#isShared) return this.#alone.left(now);
    const { left, at } = this.#leftTold;
    return now - at > this.#options.rate.windowMs ? this.#options.rate.max : left;
  }

  spend(priority: ReadPriority, now: number): void {
    this.#alone.spend(priority, now);
    this.#sentLately(now);
    this.#sent.count++;
    const from = priority === 'caller' && this.#granted.caller === 0 ? 'behind' : priority;
    if (this.#isShared) this.#granted[from]--;
    else this.#untold[priority]++;
  }

  /** Callers may have what was granted for reads behind answers. */
  #has(priority: ReadPriority, now: number): number {
    const { caller, behind, until } = this.#granted;
    if (now > until) this.#granted = { caller: 0, behind: 0, until };
    if (now > until) return 0;
    return priority === 'caller' ? caller + behind : behind;
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { link, key, rate, now, patienceMs } = this.#options;
    const wanted = this.#wanted;
    const untold = this.#toTell();
    this.#wanted = { caller: 0, behind: 0 };
    this.#untold = { caller: 0, behind: 0 };
    const sentAt = now();
    const giveUp = setTimeout(() => this.#goOnAlone(), patienceMs);
    try {
      const args = [
        wanted.caller,
        wanted.behind,
        this.#sentLately(sentAt),
        untold.caller,
        untold.behind,
        rate.max,
        behindShare(rate.max),
        burst(rate.max),
        this.#sliceMs,
        this.#slices,
      ];
      const reply = await link.run('limit', (client) => GRANT.run(client, [key], args));
      const [caller = NaN, behind = NaN, waitMs = NaN, left = NaN] = listOf(reply).map(Number);
      if (![caller, behind, waitMs, left].every(Number.isSafeInteger)) throw new Garbled('not a grant');
      this.#isShared = true;
      // What was left before has to be sent as soon as it had.
      const has = this.#has('caller', now());
      const until = sentAt + this.#sliceMs;
      this.#granted = {
        caller: this.#granted.caller + caller,
        behind: this.#granted.behind + behind,
        until: has > 0 ? Math.min(until, this.#granted.until) : until,
      };
      this.#leftTold = { left, at: sentAt };
      const moreAt = now() + waitMs;
      this.#moreAt = {
        caller: caller < wanted.caller ? moreAt : -Infinity,
        behind: caller < wanted.caller || behind < wanted.behind ? moreAt : -Infinity,
      };
    } catch (error) {
      this.#untold = { caller: this.#untold.caller + untold.caller, behind: this.#untold.behind + untold.behind };
      this.#askAgainAt = now() + ASK_AGAIN_MS;
      if (wordOf(error) === 'WRONGTYPE') link.run('forget', (client) => client.unlink(key)).catch(() => undefined);
      this.#goAlone();
    } finally {
      clearTimeout(giveUp);
      this.#isAsking = false;
      this.#tellAll();
    }
  }

  #tellAll(): void {
    for (const tell of this.#listeners) tell();
  }

  #goOnAlone(): void {
    this.#goAlone();
    this.#tellAll();
  }

  /** What Redis has not been told of, as far as it is of the last window. */
  #toTell(): { readonly caller: number; readonly behind: number } {
    const lately = this.#alone.sent(this.#options.now());
    const caller = Math.min(this.#untold.caller, lately);
    return { caller, behind: Math.min(this.#untold.behind, lately - caller) };
  }

  /** How many were sent in the slice before: as many may be wanted in the next. */
  #sentLately(now: number): number {
    const slice = Math.floor(now / this.#sliceMs);
    if (slice === this.#sent.slice) return this.#sent.before;
    this.#sent = { slice, count: 0, before: slice === this.#sent.slice + 1 ? this.#sent.count : 0 };
    return this.#sent.before;
  }

  #goAlone(): void {
    const { rate, processes } = this.#options;
    this.#isShared = false;
    this.#granted = { caller: 0, behind: 0, until: -Infinity };
    this.#moreAt = { caller: -Infinity, behind: -Infinity };
    this.#alone.limitTo(Math.max(1, Math.floor(rate.max / processes())));
  }
}
