// The shared level over Redis or Valkey: the door of this room.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../cache/changes.ts';
import type { Extent } from '../cache/extent.ts';
import type {
  AnnounceOptions,
  Announcement,
  Reach,
  SharedLevel,
  SharedReading,
  Taken,
  TakeOptions,
} from '../cache/shared-level.ts';
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
  /** What changed until `at` (ms) is not known of anything that is taken from others. */
  lose(at: number): void;
  /** All processes are to forget, and to let rows created before `marksFrom` (s) vouch for nothing. */
  forget(extent: Extent, marksFrom?: number): void;
}

export class RedisLevel implements SharedLevel {
  readonly link: Link;
  readonly #logs: SharedLogs;
  readonly #changes: SharedChanges;
  readonly #times: SharedTimes;
  #listener: Listener | null = null;

  constructor(given: SharedOptions) {
    const options = { times: SHARED_TIMES, ...given };
    const linkOptions: LinkOptions = options;
    const writer = randomBytes(9).toString('base64url');
    this.#times = options.times;
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
      onUnknownGone: (conversation, epoch) => void this.#hearGone(conversation, epoch),
      onLost: (at) => this.#listener?.lose(at),
      onForget: (extent, marksFrom) => this.#listener?.forget(extent, marksFrom),
    });
  }

  /** Has the engine hear of what others announce; before, nothing is shared. */
  listen(listener: Listener): void {
    this.#listener = listener;
  }

  /** How many of its own announcements this process waits to hear. */
  get unheard(): number {
    return this.#changes.unheard;
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

  async announce(announcement: Announcement, options: AnnounceOptions = {}): Promise<Reach> {
    const { isKnown = true, waits } = options;
    if (announcement.kind === 'gone') {
      const epoch = this.#changes.epochOf(announcement.conversation);
      if (!isKnown) return this.#announceUnknownGone(announcement, epoch);
      if (epoch !== null) void this.#logs.drop(announcement.conversation, epoch);
    }
    const heard = this.#changes.announce(announcement, { waitMs: waits === undefined ? 0 : this.#times.waitMs[waits] });
    // Redis may take its time on the way there and back besides.
    return waits === 'short' ? Promise.race([heard, sleep(this.#times.waitMs.short, null, { ref: false })]) : heard;
  }

  /**
   * Announces that a conversation has gone of which nothing is known here. It gets a new epoch only where something is in its log: anybody
   * may ask for any number of conversations that are not there.
   */
  async #announceUnknownGone(gone: Change & { kind: 'gone' }, epoch: string | null): Promise<Reach> {
    const isKnown = epoch === null || (await this.#logs.drop(gone.conversation, epoch));
    return this.#changes.announce(gone, { isKnown });
  }

  /** What this process has appended since the other found nothing is announced to have gone, too. */
  async #hearGone(conversation: ConversationId, epoch: string): Promise<void> {
    if (await this.#logs.drop(conversation, epoch)) await this.#changes.announce({ kind: 'gone', conversation });
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
