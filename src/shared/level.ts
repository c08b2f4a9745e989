// The shared level over Redis or Valkey: the door of this room.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../cache/changes.ts';
import type { Extent } from '../cache/library.ts';
import type { Announcement, Reach, SharedLevel, SharedReading, Taken, TakeOptions } from '../cache/shared-level.ts';
import type { Freshness } from '../timeline/freshness.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { SharedChanges } from './changes.ts';
import { Clocks } from './clocks.ts';
import { Link, type LinkOptions } from './link.ts';
import { logMs, SharedLogs } from './log.ts';
import type { SharedObserver } from './observer.ts';
import type { Secrets } from './secrets.ts';
import { SHARED_TIMES, type SharedTimes } from './times.ts';

export interface SharedOptions {
  readonly urls: readonly string[];
  readonly isCluster: boolean;
  readonly prefix: string;
  readonly secrets: Secrets;
  readonly freshness: Freshness;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly observer: SharedObserver;
  readonly times?: SharedTimes;
}

/** What this process does about what others announce. */
export interface Listener {
  /** Another process announced it, at `at` of the engine's clock (ms) at the latest. */
  hear(change: Change, at: number): void;
  /** All processes are to forget. */
  forget(extent: Extent): void;
}

export class RedisLevel implements SharedLevel {
  readonly link: Link;
  readonly #logs: SharedLogs;
  readonly #changes: SharedChanges;
  #listener: Listener | null = null;

  constructor(given: SharedOptions) {
    const options = { times: SHARED_TIMES, ...given };
    const linkOptions: LinkOptions = options;
    const writer = randomBytes(9).toString('base64url');
    this.link = new Link(linkOptions);
    const clocks = new Clocks({
      isCluster: options.isCluster,
      // What was appended before would look younger than it is. It stays under the old name.
      onStep: () => void this.announce({ kind: 'purge', extent: {} }),
    });
    this.#logs = new SharedLogs({ ...options, link: this.link, clocks, writer });
    this.#changes = new SharedChanges({
      ...options,
      link: this.link,
      linkOptions,
      clocks,
      writer,
      logMs: logMs(options.freshness),
      onChange: (change, at) => this.#listener?.hear(change, at),
      onForget: (extent) => this.#listener?.forget(extent),
    });
  }

  /** Has the engine hear of what others announce; before, nothing is shared. */
  listen(listener: Listener): void {
    this.#listener = listener;
  }

  /** How many processes there are, as far as was heard. */
  get processes(): number {
    return this.#changes.members;
  }

  epochOf(conversation: ConversationId): string | null {
    return this.#listener === null ? null : this.#changes.epochOf(conversation);
  }

  take(conversation: ConversationId, options: TakeOptions): Promise<Taken | null> {
    return this.#logs.take(conversation, options);
  }

  append(conversation: ConversationId, epoch: string, reading: SharedReading): void {
    this.#logs.append(conversation, epoch, reading);
  }

  async announce(announcement: Announcement, options?: { isKnown?: boolean; waits?: boolean }): Promise<Reach> {
    if (announcement.kind === 'gone') {
      const epoch = this.#changes.epochOf(announcement.conversation);
      if (epoch !== null) this.#logs.forget(announcement.conversation, epoch);
    }
    return this.#changes.announce(announcement, options);
  }

  /** Resolves when what is known can be shared. */
  async isSharing(): Promise<void> {
    while (!this.#changes.isHearing) {
      // oxlint-disable-next-line no-await-in-loop -- looks again
      await sleep(5);
    }
  }

  /** Resolves when nothing is on its way to Redis. */
  idle(): Promise<void> {
    return this.#logs.idle();
  }

  async close(): Promise<void> {
    this.#logs.close();
    await this.#changes.close();
    this.link.close();
  }
}
