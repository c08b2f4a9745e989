// One connection to Chatwoot's cable, as the user of one token: connects, subscribes to the accounts that the token serves, keeps
// the connection alive, and comes back after it ended. What it hears it tells; what that is worth is decided elsewhere.

import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CableSession } from './cable-session.ts';
import type { Members } from './json-members.ts';
import { CLOSED_HERE, sentenceOf, type EndedBecause } from './cable-endings.ts';

/** The user of a token, and where it is an administrator. */
export interface Profile {
  readonly userId: number;
  readonly pubsubToken: string;
  readonly accounts: readonly { readonly id: number; readonly isAdministrator: boolean }[];
}

/** All that a cable is told by. */
export interface CableListener {
  /** A subscription was confirmed: from now on the account's events come, all of them where the user is its administrator. */
  confirmed(accountId: number, isAdministrator: boolean): void;
  /** There is none (any more): of this account, or, where it is null, of all. */
  ended(accountId: number | null, because: EndedBecause): void;
  /** The user is a member of so many more accounts than are subscribed to; 0 where of none. */
  passedOver(count: number): void;
  /** The connection lives. */
  pinged(): void;
  /** An event, of the account whose subscription it came with. */
  event(accountId: number, name: string, data: Members): void;
  /** Something that is no frame, or of no subscription. */
  garbage(): void;
}

export interface CableBounds {
  readonly frameBytesMax: number;
  /** For the connection, its welcome, and the confirmation of a subscription, each. */
  readonly answerTimeoutMs: number;
  /** A connection that says nothing, not even pings, for so long is given up. */
  readonly silenceMaxMs: number;
  /** Where nothing came through Redis for so long, something is asked for that does. */
  readonly presenceAfterMs: number;
  readonly profileEveryMs: number;
  readonly reconnectMs: number;
  readonly reconnectMaxMs: number;
  /** Where there is no cable. */
  readonly absentMs: number;
  /** A connection that lasted so long was good: the next is tried soon. */
  readonly stableMs: number;
  readonly tickMs: number;
}

export const CABLE_BOUNDS: CableBounds = {
  frameBytesMax: 1024 * 1024,
  answerTimeoutMs: 10_000,
  silenceMaxMs: 6_000,
  presenceAfterMs: 25_000,
  profileEveryMs: 3 * 60_000,
  reconnectMs: 1_000,
  reconnectMaxMs: 60_000,
  absentMs: 5 * 60_000,
  stableMs: 30_000,
  tickMs: 1_000,
};
/** Each of a user's events comes once for each subscription, so that accounts cost by their square. */
const ACCOUNTS_MAX = 50;

export interface CableOptions {
  /** `wss://chatwoot.example.com/cable` */
  readonly url: URL;
  /** For the User-Agent. */
  readonly version: string;
  /** Reads the profile of the token's user. @throws where that fails */
  readonly profile: (signal: AbortSignal) => Promise<Profile>;
  /** Whether the token serves an account. */
  readonly serves: (accountId: number) => boolean;
  readonly listener: CableListener;
  /** Opens a connection to the host, where it is not reached directly. @throws where that fails */
  readonly tunnel?: ((signal: AbortSignal) => Promise<Duplex>) | undefined;
  readonly bounds?: CableBounds;
}

export class Cable {
  readonly #options: CableOptions;
  readonly #bounds: CableBounds;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  /** A subscription was confirmed once: a cable that is not there now is most likely away for a moment. */
  #wasThere = false;

  constructor(options: CableOptions) {
    this.#options = options;
    this.#bounds = options.bounds ?? CABLE_BOUNDS;
  }

  /** Connects, and comes back until it is closed. */
  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let attempts = 0;
    while (!signal.aborted) {
      const startedAt = performance.now();
      // One connection after the other is what this is about.
      // oxlint-disable-next-line no-await-in-loop
      const because = await this.#session();
      if (signal.aborted) return;
      this.#options.listener.ended(null, because);
      if (performance.now() - startedAt >= this.#bounds.stableMs) attempts = 0;
      const delayMs = reconnectDelayMs(because, { attempts: attempts++, wasThere: this.#wasThere }, this.#bounds);
      // oxlint-disable-next-line no-await-in-loop
      await sleep(delayMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** One connection from its beginning to its end. @returns why it ended */
  async #session(): Promise<EndedBecause> {
    const { profile: readProfile, serves } = this.#options;
    const { signal } = this.#closing;
    let profile: Profile;
    try {
      profile = await readProfile(signal);
    } catch (error) {
      return { why: 'no-profile', text: sentenceOf(error), retry: 'soon' };
    }
    const served = profile.accounts.filter(({ id }) => serves(id));
    if (served.length === 0)
      return { why: 'no-profile', text: 'its user is a member of no account that is served', retry: 'late' };
    let through: Duplex | undefined;
    try {
      through = await this.#options.tunnel?.(AbortSignal.any([signal, AbortSignal.timeout(this.#bounds.answerTimeoutMs)]));
    } catch (error) {
      return { why: 'unreachable', text: sentenceOf(error), retry: 'soon' };
    }
    if (signal.aborted) {
      through?.destroy();
      return CLOSED_HERE;
    }
    this.#options.listener.passedOver(Math.max(0, served.length - ACCOUNTS_MAX));
    const session = new CableSession(this.#options, this.#bounds, profile, served.slice(0, ACCOUNTS_MAX), { signal, through });
    const because = await session.ended;
    session.end(CLOSED_HERE);
    this.#wasThere ||= session.wasConfirmed;
    return because;
  }
}

/**
 * How long a cable waits before it connects again, after so many attempts since it was last good. Half of it is chance, so that those who
 * lost their connections together do not come back together.
 */
export function reconnectDelayMs(
  { why, retry }: EndedBecause,
  { attempts, wasThere }: { readonly attempts: number; readonly wasThere: boolean },
  { reconnectMs, reconnectMaxMs, absentMs }: Pick<CableBounds, 'reconnectMs' | 'reconnectMaxMs' | 'absentMs'>,
): number {
  const isSoon = retry === 'soon' || (why === 'no-cable' && wasThere);
  const rare = why === 'no-cable' ? absentMs : reconnectMaxMs;
  const delayMs = isSoon ? Math.min(reconnectMs * 2 ** attempts, reconnectMaxMs) : rare;
  return delayMs * (0.5 + Math.random() / 2);
}
