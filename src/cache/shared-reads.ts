// Before Chatwoot is read, what other processes have read is taken; and of equal reads in several processes one is sent, while the others
// wait for what it brings. They wait no longer than its process is there, and no longer than a part of their time: a lost lease costs a
// read, never an answer.

import { setTimeout as sleep } from 'node:timers/promises';
import { abortable } from '../upstream/abortable.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Library } from './library.ts';
import { conversationKey } from './memory-store.ts';
import type { Lease } from './shared-level.ts';

/** Between two looks at what another process reads, ms. */
const LOOKS_MS = [5, 10, 20, 30] as const;

/** What took longer is not looked for again, ms: all looks together add at most 0.15 s to a read. */
const LOOK_AGAIN_MS_MAX = 50;

export interface SharedReadsOptions {
  readonly library: Library;
  /** The longest that one waits for another process, ms. */
  readonly waitMaxMs: number;
}

export class SharedReads {
  readonly #options: SharedReadsOptions;
  /** Those that look just now: equal ones look once. */
  readonly #looking = new Map<string, Promise<unknown>>();

  constructor(options: SharedReadsOptions) {
    this.#options = options;
  }

  /**
   * Takes what others know until it is enough, or it is this process's turn to read, or nothing can be had of them.
   * @param name of the read in its conversation
   * @param isEnough whether nothing has to be read any more
   * @returns what to end when what was read is learnt; null where nothing was leased
   */
  async before(conversation: ConversationId, name: string, isEnough: () => boolean, signal: AbortSignal): Promise<Lease | null> {
    const key = `${conversationKey(conversation)} ${name}`;
    const looking = this.#looking.get(key);
    if (looking !== undefined) {
      await abortable(looking, signal);
      return null;
    }
    const look = this.#look(conversation, name, isEnough, signal);
    this.#looking.set(
      key,
      look.catch(() => undefined),
    );
    try {
      return await look;
    } finally {
      this.#looking.delete(key);
    }
  }

  async #look(conversation: ConversationId, name: string, isEnough: () => boolean, signal: AbortSignal): Promise<Lease | null> {
    const startedAt = performance.now();
    let isWithout = false;
    for (let looks = 0; ; looks++) {
      // oxlint-disable-next-line no-await-in-loop -- looks again
      const taken = await this.#options.library.take(conversation, name);
      if (taken === null) return null;
      const { lease, readings } = taken;
      if (lease !== null && lease !== 'held') {
        // Who leaves while it looks, reads for nobody.
        if (!signal.aborted && !isEnough()) return lease;
        lease.end();
        return null;
      }
      const tookMs = performance.now() - startedAt;
      if (signal.aborted || isEnough() || tookMs > this.#options.waitMaxMs) return null;
      // All that came was known, or no lease is to be had, as of a Redis that is full: the next look tells.
      if (lease === null && readings === 0) {
        if (isWithout) return null;
        isWithout = true;
      }
      // What came may be of another read: then whether this one is being read is still to be seen.
      if (readings > 0 && tookMs <= LOOK_AGAIN_MS_MAX) continue;
      if (readings > 0) return null;
      // oxlint-disable-next-line no-await-in-loop
      await sleep(LOOKS_MS[Math.min(looks, LOOKS_MS.length - 1)]);
    }
  }

  /**
   * The same behind an answer.
   * @returns whether to read: not where another process does
   */
  async behind(conversation: ConversationId): Promise<{ reads: boolean; end: () => void }> {
    const taken = await this.#options.library.take(conversation, 'behind');
    const again = taken !== null && taken.readings > 0 ? await this.#options.library.take(conversation, 'behind') : taken;
    const lease = again?.lease ?? null;
    return { reads: lease !== 'held', end: () => (lease === null || lease === 'held' ? undefined : lease.end()) };
  }
}
