// Takes what other processes have read since the last time. What was on its way while something was forgotten is left: it may be of what
// is gone.

import type { ConversationId } from '../upstream/upstream.ts';
import type { MemoryStore } from './memory-store.ts';
import type { Lease, SharedLevel, SharedReading } from './shared-level.ts';

export interface TakingOptions {
  readonly shared: SharedLevel;
  readonly store: MemoryStore;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly learn: (conversation: ConversationId, reading: SharedReading) => void;
}

/** How many readings there were, and the lease that was wanted. */
export interface Took {
  readonly readings: number;
  readonly lease: Lease | 'held' | null;
}

/** After so long it is looked again for what others have learnt of old rows, although the newest are what is missing. */
const TAKEN_ANEW_MS = 10_000;

export class Taking {
  readonly #options: TakingOptions;
  /** How often something has been forgotten. */
  #forgotten = 0;

  constructor(options: TakingOptions) {
    this.#options = options;
  }

  /** Something has been forgotten. */
  forgot(): void {
    this.#forgotten++;
  }

  /** Whether there is anything to take from, and whether that was done just now. */
  lastTake(conversation: ConversationId): 'impossible' | 'recent' | 'due' {
    const { shared, store, now } = this.#options;
    const epoch = shared.epochOf(conversation);
    if (epoch === null) return 'impossible';
    const { taken } = store.get(conversation);
    return taken?.epoch === epoch && now() - taken.at <= TAKEN_ANEW_MS ? 'recent' : 'due';
  }

  /** @param wants the name of the read that a lease is wanted for. @returns null where nothing can be had of others */
  async take(conversation: ConversationId, wants: string | undefined): Promise<Took | null> {
    const { shared, store, now, learn } = this.#options;
    const epoch = shared.epochOf(conversation);
    if (epoch === null) return null;
    const forgotten = this.#forgotten;
    const before = store.get(conversation).taken;
    const cursor = before?.epoch === epoch ? before.cursor : '';
    const taken = await shared.take(conversation, { epoch, cursor, wants });
    if (taken === null) return null;
    const isSame = forgotten === this.#forgotten && shared.epochOf(conversation) === epoch;
    const current = store.get(conversation).taken;
    // What went from memory meanwhile is not known any more, so the next take begins anew.
    const isRest = cursor === '' || (current?.epoch === epoch && current.cursor !== '');
    if (!isSame || !isRest) return { readings: 0, lease: taken.lease };
    for (const reading of taken.readings) {
      learn(conversation, reading);
      if (forgotten !== this.#forgotten) return { readings: 0, lease: taken.lease };
    }
    if (store.has(conversation))
      store.set(conversation, { ...store.get(conversation), taken: { epoch, cursor: taken.cursor, at: now() } });
    return { readings: taken.readings.length, lease: taken.lease };
  }
}
