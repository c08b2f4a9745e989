// The door of the room: hears what Chatwoot announces, hands changes to the cache, and says since when the feed of an account may be
// trusted.

import type { Change } from '../cache/changes.ts';
import { Cable, CABLE_BOUNDS, type CableBounds, type CableListener, type CableOptions, type Profile } from './cable.ts';
import { ContactMemory } from './contact-memory.ts';
import type { Members } from './json-members.ts';
import type { FeedObserver } from './observer.ts';
import { Standings } from './standings.ts';
import { EVENT_NAMES, translateCable } from './translate.ts';
import type { TrustBounds } from './trust.ts';
import { type ReadingTimes, Witness } from './witness.ts';

/** A token and the accounts that it serves. */
export interface FeedToken {
  readonly serves: (accountId: number) => boolean;
  readonly profile: (signal: AbortSignal) => Promise<Profile>;
}

export interface FeedOptions {
  /** Chatwoot's address, with its path where it has one. */
  readonly baseUrl: URL;
  readonly version: string;
  readonly tokens: readonly FeedToken[];
  /** Where Chatwoot is reached through a proxy. */
  readonly tunnel?: CableOptions['tunnel'];
  readonly apply: (change: Change) => void;
  readonly observer: FeedObserver;
  /** The engine's clock, ms. */
  readonly now: () => number;
  /** The wall clock, ms since the epoch. */
  readonly wallNow: () => number;
  /** FEED_LAG_MAX. */
  readonly lagMaxMs: number;
  readonly bounds?: FeedBounds;
}

export interface FeedBounds {
  readonly trust: Omit<TrustBounds, 'lagMaxMs'>;
  readonly cable: CableBounds;
  /** How often it is looked whether trust has run out. */
  readonly lookEveryMs: number;
}

export const FEED_BOUNDS: FeedBounds = {
  trust: {
    pingAgeMaxMs: 6_000,
    frameAgeMaxMs: 60_000,
    lagCalmMs: 60_000,
    distrustMs: 60_000,
    distrustMaxMs: 60 * 60_000,
  },
  cable: CABLE_BOUNDS,
  lookEveryMs: 1_000,
};

export class Feed {
  readonly #options: FeedOptions;
  readonly #cables: readonly Cable[];
  readonly #standings: Standings;
  readonly #contacts = new ContactMemory();
  readonly #witness: Witness;
  readonly #looking: NodeJS.Timeout;

  constructor(options: FeedOptions) {
    const { lagMaxMs, bounds = FEED_BOUNDS, baseUrl, version, tunnel } = options;
    this.#options = options;
    this.#standings = new Standings({ ...options, bounds: { ...bounds.trust, lagMaxMs } });
    this.#witness = new Witness({ patienceMs: lagMaxMs });
    const url = cableUrl(baseUrl);
    this.#cables = options.tokens.map(
      (token) => new Cable({ url, version, tunnel, ...token, listener: this.#listener(), bounds: bounds.cable }),
    );
    this.#looking = setInterval(() => this.#look(), bounds.lookEveryMs).unref();
  }

  /** Begins to listen. */
  start(): void {
    for (const cable of this.#cables) cable.start();
  }

  /** Since when, on the engine's clock, the feed of an account is trusted; null where it is not. */
  fedSince(accountId: number): number | null {
    return this.#standings.fedSince(accountId);
  }

  /** A reading showed messages above all that were known before it: each had to be announced. */
  appeared(accountId: number, ids: readonly number[], reading: ReadingTimes): void {
    this.#witness.appeared(accountId, ids, reading, this.#options.now());
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await Promise.all(this.#cables.map((cable) => cable.close()));
  }

  #heardSince(accountId: number, at: number): boolean {
    const since = this.fedSince(accountId);
    return since !== null && since <= at;
  }

  /** One for each connection. */
  #listener(): CableListener {
    const accounts = new Set<number>();
    let told: string | null = null;
    let passedOver = 0;
    return {
      confirmed: (accountId, isAdministrator) => {
        accounts.add(accountId);
        // What was missed in between may be anything.
        this.#contacts.clear();
        this.#standings.confirmed(accountId, isAdministrator);
      },
      ended: (accountId, because) => {
        if (accountId !== null) accounts.add(accountId);
        for (const each of accountId === null ? accounts : [accountId]) this.#standings.ended(each, because);
        // It may be so for ever.
        if (accounts.size === 0 && told !== because.text) this.#options.observer.unheard(because);
        told = because.text;
      },
      passedOver: (count) => {
        if (count !== 0 && count !== passedOver) this.#options.observer.passedOver(count);
        passedOver = count;
      },
      pinged: () => {
        for (const accountId of accounts) this.#standings.happened(accountId, { kind: 'ping' });
      },
      event: (accountId, name, data) => this.#event(accountId, name, data),
      garbage: () => this.#options.observer.garbage(),
    };
  }

  #event(accountId: number, name: string, data: Members): void {
    const { observer, now, wallNow } = this.#options;
    this.#standings.happened(accountId, { kind: 'frame' });
    const translation = translateCable(accountId, name, data);
    const shown = EVENT_NAMES.has(name) ? name : 'other';
    if (translation.kind !== 'changes') return observer.event('cable', shown, translation.kind);
    let outcome: 'applied' | 'nothing' = 'nothing';
    for (const change of translation.changes) {
      if (change.kind === 'contact' && this.#contacts.isSame(accountId, change.contactId, data)) continue;
      outcome = 'applied';
      this.#apply(accountId, change);
      if (change.kind === 'tail' && change.seenId !== undefined) this.#witness.announced(change.seenId, now());
    }
    observer.event('cable', shown, outcome);
    if (translation.at === null) return;
    const lagMs = Math.max(0, wallNow() - translation.at);
    observer.lag(lagMs);
    this.#standings.happened(accountId, { kind: 'lag', lagMs });
  }

  /** A change that was not applied is as good as one that never came. */
  #apply(accountId: number, change: Change): void {
    try {
      this.#options.apply(change);
    } catch (error) {
      this.#options.observer.failed(error);
      this.#standings.happened(accountId, { kind: 'missed' });
    }
  }

  #look(): void {
    const overdue = this.#witness.overdue(this.#options.now());
    // Where there was none when it was written, or where it has ended since, its event may have gone with it.
    for (const { accountId } of overdue.filter((suspect) => this.#heardSince(suspect.accountId, suspect.previousAskedAt))) {
      this.#options.observer.missed(accountId);
      this.#standings.happened(accountId, { kind: 'missed' });
    }
    this.#standings.look();
  }
}

/** `https://chatwoot.example.com/at/home` has its cable at `wss://chatwoot.example.com/at/home/cable`. */
export function cableUrl(baseUrl: URL): URL {
  const url = new URL(`${baseUrl.pathname.replace(/\/+$/, '')}/cable`, baseUrl);
  url.protocol = baseUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
