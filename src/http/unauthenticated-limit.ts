// Failed attempts to authenticate are limited per address, so that keys cannot be guessed at speed.
//
// Only failures count. Once an address has spent its share, everything from it is refused, a right guess as well as a wrong
// one, except readers who were let in from there before: one broken or hostile caller behind a shared address must not lock
// out the others, and who is let in that way learns nothing that was not in use at that very address.

import { normalizeIP } from '@fastify/rate-limit';
import { LRUCache } from 'lru-cache';
import type { Rate } from '../clients/rate.ts';

const DEFAULT: Rate = { max: 60, windowMs: 60_000 };
/** Whoever was let in stays known at its address for so long. */
const KNOWN_MS = 60 * 60_000;
const ENTRIES_MAX = 10_000;

interface Window {
  readonly startedAt: number;
  readonly failures: number;
}

export class UnauthenticatedLimit {
  readonly #rate: Rate;
  readonly #windows = new LRUCache<string, Window>({ max: ENTRIES_MAX });
  readonly #known = new LRUCache<string, number>({ max: ENTRIES_MAX });
  readonly #networks = new LRUCache<string, string>({ max: ENTRIES_MAX });

  constructor(rate: Rate = DEFAULT) {
    this.#rate = rate;
  }

  /** Milliseconds until the address may try again; 0 where it may now. */
  waitMs(address: string, now: number): number {
    const window = this.#windows.get(this.#networkOf(address));
    if (window === undefined || window.failures < this.#rate.max) return 0;
    return Math.max(0, window.startedAt + this.#rate.windowMs - now);
  }

  failed(address: string, now: number): void {
    const network = this.#networkOf(address);
    const window = this.#windows.get(network);
    const isOver = window === undefined || now >= window.startedAt + this.#rate.windowMs;
    this.#windows.set(network, isOver ? { startedAt: now, failures: 1 } : { ...window, failures: window.failures + 1 });
  }

  succeeded(address: string, clientName: string, now: number): void {
    this.#known.set(`${this.#networkOf(address)} ${clientName}`, now);
  }

  /** Whether that reader was let in from there lately. */
  knows(address: string, clientName: string, now: number): boolean {
    const at = this.#known.get(`${this.#networkOf(address)} ${clientName}`);
    return at !== undefined && now - at < KNOWN_MS;
  }

  /** The address, or of an IPv6 address the network of 64 bits: anybody has that many of them. Kept, since reading it is slow. */
  #networkOf(address: string): string {
    const known = this.#networks.get(address);
    if (known !== undefined) return known;
    const network = normalizeIP(address, 64);
    this.#networks.set(address, network);
    return network;
  }
}
