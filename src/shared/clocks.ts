// The clocks of the servers that keep logs: one, or in a cluster one for each conversation, since its log may be moved to any.

import { LRUCache } from 'lru-cache';
import { type ClockSample, ServerClock } from './clock.ts';

const CLOCKS_MAX = 10_000;
const UNKNOWN = new ServerClock();

export class Clocks {
  readonly #one: ServerClock | null;
  readonly #clocks = new LRUCache<string, ServerClock>({ max: CLOCKS_MAX });
  readonly #onStep: (backMs: number) => void;

  /** @param onStep a server's clock was set back: what was appended before looks younger than it is */
  constructor({ isCluster, onStep }: { readonly isCluster: boolean; readonly onStep: (backMs: number) => void }) {
    this.#one = isCluster ? null : new ServerClock();
    this.#onStep = onStep;
  }

  /** False where the clock has been set back, so that nothing can be said of what was appended before. */
  sample(key: string, sample: ClockSample): boolean {
    const known = this.of(key);
    const clock = known === UNKNOWN ? new ServerClock() : known;
    if (known === UNKNOWN) this.#clocks.set(key, clock);
    const backMs = clock.sample(sample);
    if (backMs > 0) this.#onStep(backMs);
    return backMs === 0;
  }

  of(key: string): ServerClock {
    return this.#one ?? this.#clocks.get(key) ?? UNKNOWN;
  }
}
