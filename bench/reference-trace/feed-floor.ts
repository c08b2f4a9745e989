// The fewest reads of newest pages that any cache can do with that hears of every change the moment it happens.

import { FRESHNESS } from './policies.ts';
import type { World } from './world.ts';

export class FeedFloor {
  /** Of conversations that were never read. */
  first = 0;
  /** Since something had changed. */
  changed = 0;
  /** Though nothing had, since they were older than FEED_MAX_AGE. */
  aged = 0;
  readonly #read = new Map<number, { readonly at: number; isChanged: boolean }>();

  constructor(world: World) {
    world.listeners.push(({ conversationId }) => {
      const read = this.#read.get(conversationId);
      if (read !== undefined) read.isChanged = true;
    });
  }

  /** Somebody asks for a newest page at `now`, ms. */
  asked(conversationId: number, now: number): void {
    const read = this.#read.get(conversationId);
    if (read === undefined) this.first++;
    else if (read.isChanged) this.changed++;
    else if (now - read.at > FRESHNESS.feedMaxAgeMs) this.aged++;
    else return;
    this.#read.set(conversationId, { at: now, isChanged: false });
  }
}
