// The requests of clients, counted over all processes. Each counts by itself, and answers by that, without waiting for anything; behind it,
// it tells Redis what it has counted and hears what all have. So a hit costs nothing more, and Redis little, however many there are.

import { createHmac, hkdfSync } from 'node:crypto';
import type { Rate } from '../rate.ts';
import { COUNT } from './limit-scripts.ts';
import type { Link } from './link.ts';
import { listOf } from './replies.ts';
import type { Secrets } from './secrets.ts';

export interface SharedCountsOptions {
  readonly link: Link;
  readonly prefix: string;
  readonly secrets: Secrets;
  /** All processes have counted so many requests of a client in a window that ends after so long. */
  readonly onHeard: (client: string, rate: Rate, counted: { readonly count: number; readonly leftMs: number }) => void;
}

/** What is counted in this time is told together, ms. */
export const TELL_EVERY_MS = 100;
/** Clients whose requests are told together. */
const TOLD_AT_ONCE_MAX = 500;
/** Clients whose requests wait to be told; those of others are counted here only. */
export const UNTOLD_MAX = 10_000;

interface Untold {
  count: number;
  readonly rate: Rate;
}

export class SharedCounts {
  readonly #options: SharedCountsOptions;
  readonly #nameKey: Buffer;
  readonly #untold = new Map<string, Untold>();
  #toldAt = -Infinity;
  #isTelling = false;

  constructor(options: SharedCountsOptions) {
    this.#options = options;
    const { changesKey, installation } = options.secrets;
    this.#nameKey = Buffer.from(hkdfSync('sha256', changesKey, installation, 'names of clients', 32));
  }

  /** One more was counted here. */
  readonly counted = (client: string, rate: Rate): void => {
    const untold = this.#untold.get(client);
    if (untold !== undefined) untold.count++;
    else if (this.#untold.size < UNTOLD_MAX) this.#untold.set(client, { count: 1, rate });
    if (!this.#isTelling) this.#tellSoon();
  };

  /** Clients of whom something has yet to be told. */
  get size(): number {
    return this.#untold.size;
  }

  #tellSoon(): void {
    this.#isTelling = true;
    const inMs = Math.max(1, this.#toldAt + TELL_EVERY_MS - performance.now());
    setTimeout(() => void this.#tell(), inMs).unref();
  }

  async #tell(): Promise<void> {
    this.#toldAt = performance.now();
    // What nobody can be told now belongs to a window that may be over when somebody can.
    if (!this.#options.link.isUp) this.#untold.clear();
    const told = [...this.#untold].slice(0, TOLD_AT_ONCE_MAX);
    for (const [client] of told) this.#untold.delete(client);
    try {
      if (told.length > 0) await this.#exchange(told);
    } catch {
      // Each counts on by itself.
    }
    this.#isTelling = false;
    if (this.#untold.size > 0) this.#tellSoon();
  }

  async #exchange(told: readonly (readonly [string, Untold])[]): Promise<void> {
    const { link, onHeard } = this.#options;
    const replies = await link.run('limit', (redis) =>
      Promise.all(told.map(([client, { count, rate }]) => COUNT.run(redis, [this.#nameOf(client)], [count, rate.windowMs]))),
    );
    for (const [at, [client, { rate }]] of told.entries()) {
      const [count = NaN, leftMs = NaN] = listOf(replies[at]).map(Number);
      const since = this.#untold.get(client)?.count ?? 0;
      if (Number.isSafeInteger(count) && leftMs > 0) onHeard(client, rate, { count: count + since, leftMs });
    }
  }

  /** Gives neither name nor address away. */
  #nameOf(client: string): string {
    const { prefix, secrets } = this.#options;
    const name = createHmac('sha256', this.#nameKey).update(client).digest('base64url').slice(0, 22);
    return `${prefix}:{limit-${secrets.installation}-${name}}`;
  }
}
