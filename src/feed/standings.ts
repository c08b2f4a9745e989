// The feed's standing with each account: what happened to it, and what that makes of trust. Tells when that changes.

import type { EndedBecause } from './cable-endings.ts';
import type { FeedObserver, Standing } from './observer.ts';
import {
  afterEvent,
  type Distrust,
  type Ended,
  judge,
  type Trust,
  type TrustBounds,
  type TrustEvent,
  UNTRUSTED,
} from './trust.ts';

export interface StandingsOptions {
  readonly bounds: TrustBounds;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly observer: Pick<FeedObserver, 'standing' | 'gap'>;
}

interface Account {
  trust: Trust;
  /** Why there is no subscription, in words. */
  text: string;
  /** What was told last. */
  told: Standing | null;
}

const NOT_ADMINISTRATOR = 'the user of the token is no administrator of this account, so that not all of its events come';

const WORDS: Readonly<Record<Exclude<Distrust, Ended>, string>> = {
  'no-pings': 'pings are overdue',
  'no-frames': 'nothing has come through Redis for too long, though the connection lives: has Redis been restarted?',
  late: 'events come too late, later than FEED_LAG_MAX: is Sidekiq behind, or a clock wrong?',
  missed: 'a message was read of which no event had come: was it imported, or are events lost?',
};

export class Standings {
  readonly #options: StandingsOptions;
  readonly #accounts = new Map<number, Account>();

  constructor(options: StandingsOptions) {
    this.#options = options;
  }

  fedSince(accountId: number): number | null {
    const account = this.#accounts.get(accountId);
    if (account === undefined) return null;
    const judgement = judge(account.trust, this.#options.now(), this.#options.bounds);
    return 'since' in judgement ? judgement.since : null;
  }

  /** A subscription was confirmed. Whether that is worth anything shows with the first frame that follows. */
  confirmed(accountId: number, isAdministrator: boolean): void {
    if (!isAdministrator) return this.ended(accountId, { why: 'not-administrator', text: NOT_ADMINISTRATOR, retry: 'late' });
    this.#advance(this.#account(accountId), { kind: 'confirmed' });
  }

  ended(accountId: number, { why, text }: EndedBecause): void {
    const account = this.#account(accountId);
    if (account.trust.confirmedAt !== null) this.#options.observer.gap(accountId);
    account.text = text;
    this.#advance(account, { kind: 'ended', why });
    this.#tell(accountId, account);
  }

  happened(accountId: number, event: Exclude<TrustEvent, { kind: 'confirmed' | 'ended' }>): void {
    const account = this.#accounts.get(accountId);
    if (account === undefined) return;
    this.#advance(account, event);
    this.#tell(accountId, account);
  }

  /** Tells of trust that has run out, or has come back, since nothing happened. */
  look(): void {
    for (const [accountId, account] of this.#accounts) this.#tell(accountId, account);
  }

  #account(accountId: number): Account {
    const known = this.#accounts.get(accountId);
    if (known !== undefined) return known;
    const account: Account = { trust: UNTRUSTED, text: '', told: null };
    this.#accounts.set(accountId, account);
    return account;
  }

  /** Just confirmed: the first frame is under way. */
  #isNew({ confirmedAt, frames }: Trust): boolean {
    return frames === null && confirmedAt !== null && this.#options.now() - confirmedAt <= this.#options.bounds.pingAgeMaxMs;
  }

  #advance(account: Account, event: TrustEvent): void {
    account.trust = afterEvent(account.trust, event, this.#options.now(), this.#options.bounds);
  }

  #tell(accountId: number, account: Account): void {
    const judgement = judge(account.trust, this.#options.now(), this.#options.bounds);
    const { told } = account;
    if ('since' in judgement) {
      if (told?.kind === 'fed' && told.since === judgement.since) return;
      account.told = { kind: 'fed', since: judgement.since };
    } else {
      const { why } = judgement;
      if (why === 'no-frames' && this.#isNew(account.trust)) return;
      if (told?.kind === 'not-fed' && told.why === why) return;
      account.told = { kind: 'not-fed', why, text: isWord(why) ? WORDS[why] : account.text };
    }
    this.#options.observer.standing(accountId, account.told);
  }
}

function isWord(why: Distrust): why is keyof typeof WORDS {
  return why in WORDS;
}
