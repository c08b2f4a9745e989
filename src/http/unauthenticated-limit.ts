// Failed attempts to authenticate are limited per address.
//
// Only failures count, and only failures are refused: whoever proves who it is passes, whatever others did at its address. So
// the limit is no lock against guessing, and need not be one: a key made by `key create` is one of 2^256, and the shortest that is
// accepted, 16 random letters and digits, one of 2^95; at a million guesses a second that takes longer than the universe has
// been. What it does is to tell a broken or hostile caller to stop, and to keep counters for it.
//
// For that, a credential must cost little to refuse, past the limit too. A key costs one hash and one look into a table, with one
// client or 16,000. A token costs one HMAC for each secret, or one check of an asymmetric signature (some 0.1 ms) by a key that is
// held: as much as reading its request. Nothing is remembered of those that were refused.

import type { Rate } from '../rate.ts';
import { WindowCounters } from './window-counters.ts';

const DEFAULT: Rate = { max: 60, windowMs: 60_000 };
/** Where those under way might become too many: by then some have come to an end. */
const UNDER_WAY_MS = 1000;

export class UnauthenticatedLimit {
  readonly #rate: Rate;
  readonly #counters = new WindowCounters();

  constructor(rate: Rate = DEFAULT) {
    this.#rate = rate;
  }

  /** Milliseconds until failures from this address are counted anew; 0 where it has some left beside those `underWay`, which may fail. */
  waitMs(address: string, now: number, underWay = 0): number {
    const { count, leftMs } = this.#counters.read(address, now);
    if (count + underWay < this.#rate.max) return 0;
    return count < this.#rate.max ? UNDER_WAY_MS : leftMs;
  }

  failed(address: string, now: number): void {
    this.#counters.count(address, this.#rate, now);
  }
}
