// Which conversations are worth a probe when they change: those that somebody has just read, each now and then, so that a burst of
// events is one.

import { LRUCache } from 'lru-cache';

/** Who read within this time reads again, ms. */
const READ_WITHIN_MS = 60_000;
/** Between two probes of a conversation, ms: what comes meanwhile is read when somebody asks for it. */
const PROBE_EVERY_MS = 1000;
const CONVERSATIONS_MAX = 10_000;

interface Moments {
  readAt: number;
  probedAt: number;
}

export class Probes {
  readonly #moments = new LRUCache<string, Moments>({ max: CONVERSATIONS_MAX });

  /** Somebody reads the conversation at `now`, ms. */
  wasRead(key: string, now: number): void {
    const moments = this.#moments.get(key);
    if (moments === undefined) this.#moments.set(key, { readAt: now, probedAt: -Infinity });
    else moments.readAt = now;
  }

  /** Takes the probe of a conversation that changed at `now`, ms, if there is to be one. */
  take(key: string, now: number): boolean {
    const moments = this.#moments.peek(key);
    if (moments === undefined || now - moments.readAt > READ_WITHIN_MS || now - moments.probedAt < PROBE_EVERY_MS) return false;
    moments.probedAt = now;
    return true;
  }
}
