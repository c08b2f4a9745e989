// The feed before a fake Chatwoot, with bounds short enough to be lived through.

import { onTestFinished } from 'vitest';
import type { Change } from '../../src/cache/changes.ts';
import type { Profile } from '../../src/feed/cable.ts';
import { Feed, FEED_BOUNDS, type FeedBounds } from '../../src/feed/feed.ts';
import type { EventOutcome, FeedObserver, Standing } from '../../src/feed/observer.ts';
import { createChatwoot } from '../../src/upstream/chatwoot.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

export const PING_MS = 20;

/** Everything a hundred times as fast. */
export const SHORT: FeedBounds = {
  trust: { pingAgeMaxMs: 400, frameAgeMaxMs: 1200, lagCalmMs: 300, distrustMs: 100, distrustMaxMs: 2000 },
  cable: {
    ...FEED_BOUNDS.cable,
    answerTimeoutMs: 400,
    silenceMaxMs: 300,
    presenceAfterMs: 200,
    profileEveryMs: 60_000,
    reconnectMs: 10,
    reconnectMaxMs: 100,
    absentMs: 200,
    stableMs: 60_000,
    tickMs: 10,
  },
  lookEveryMs: 10,
};

export interface Told {
  readonly changes: Change[];
  readonly events: { readonly name: string; readonly outcome: EventOutcome }[];
  readonly standings: { readonly accountId: number; readonly standing: Standing }[];
  readonly lags: number[];
  readonly unheard: string[];
  readonly passedOver: number[];
  readonly failed: unknown[];
  garbage: number;
  gaps: number;
  missed: number;
}

export interface FeedHouse {
  readonly chatwoot: FakeChatwoot;
  readonly feed: Feed;
  readonly told: Told;
  readonly now: () => number;
  /** Resolves once it is so; looked at after everything that the feed tells. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** Resolves once account 1 is trusted, and once it is not, with why. */
  readonly fed: () => Promise<void>;
  readonly notFed: () => Promise<string>;
}

export interface HouseOptions {
  readonly chatwoot?: FakeChatwoot;
  readonly bounds?: { readonly trust?: Partial<FeedBounds['trust']>; readonly cable?: Partial<FeedBounds['cable']> };
  readonly url?: string;
  readonly apply?: (change: Change) => void;
  readonly lagMaxMs?: number;
  /** What becomes of the profile on its way. */
  readonly profileAs?: (profile: Profile) => Profile;
}

/** A feed that has not started to listen. */
export async function feedHouse(options: HouseOptions = {}): Promise<FeedHouse> {
  const chatwoot = options.chatwoot ?? (await startSampleChatwoot());
  if (options.chatwoot === undefined) onTestFinished(() => chatwoot.close());
  chatwoot.cable.pingEvery(PING_MS);
  const told: Told = {
    changes: [],
    events: [],
    standings: [],
    lags: [],
    unheard: [],
    passedOver: [],
    failed: [],
    garbage: 0,
    gaps: 0,
    missed: 0,
  };
  const waiting = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  const look = (): void => {
    for (const waiter of waiting) {
      if (!waiter.condition()) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
  };
  const telling =
    <Args extends readonly unknown[]>(tell: (...args: Args) => unknown) =>
    (...args: Args): void => {
      tell(...args);
      look();
    };
  const observer: FeedObserver = {
    event: telling((_source, name, outcome) => told.events.push({ name, outcome })),
    garbage: telling(() => told.garbage++),
    lag: telling((lagMs) => told.lags.push(lagMs)),
    standing: telling((accountId, standing) => told.standings.push({ accountId, standing })),
    unheard: telling(({ text }) => told.unheard.push(text)),
    passedOver: telling((count) => told.passedOver.push(count)),
    gap: telling(() => told.gaps++),
    missed: telling(() => told.missed++),
    failed: telling((error) => told.failed.push(error)),
    webhookRefused: () => undefined,
  };
  const baseUrl = new URL(options.url ?? chatwoot.url);
  const upstream = createChatwoot({
    baseUrl,
    version: '0',
    tokenFor: () => SAMPLE_TOKEN,
    tokens: [],
    connections: 2,
    timeoutMs: 5000,
    bodyMaxBytes: 1024 * 1024,
    now: () => performance.now(),
  });
  // Not that of the wall: events are compared with another one than trust is.
  const now = (): number => performance.now();
  const { profileAs = (profile) => profile } = options;
  const feed = new Feed({
    baseUrl,
    version: '0',
    tokens: [{ serves: () => true, profile: async (signal) => profileAs(await upstream.profile(SAMPLE_TOKEN, signal)) }],
    apply: (change) => {
      told.changes.push(change);
      options.apply?.(change);
    },
    observer,
    now,
    wallNow: Date.now,
    lagMaxMs: options.lagMaxMs ?? 2000,
    bounds: {
      ...SHORT,
      trust: { ...SHORT.trust, ...options.bounds?.trust },
      cable: { ...SHORT.cable, ...options.bounds?.cable },
    },
  });
  onTestFinished(async () => {
    await feed.close();
    await upstream.close();
  });
  const until = async (condition: () => boolean): Promise<void> => {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      waiting.add({ condition, resolve });
    });
  };
  const standing = (): Standing | undefined => told.standings.findLast(({ accountId }) => accountId === 1)?.standing;
  return {
    chatwoot,
    feed,
    told,
    now,
    until,
    fed: () => until(() => standing()?.kind === 'fed'),
    async notFed() {
      await until(() => standing()?.kind === 'not-fed');
      const latest = standing();
      return latest?.kind === 'not-fed' ? latest.why : '';
    },
  };
}
