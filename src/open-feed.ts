// Opens the room `feed/`: loaded only where FEED is not off.

import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import type { Registry } from 'prom-client';
import type { Change } from './cache/changes.ts';
import type { Config } from './config/load-config.ts';
import { Feed } from './feed/feed.ts';
import { feedTokens } from './feed/feed-tokens.ts';
import type { ReadingTimes } from './feed/witness.ts';
import { Webhooks } from './feed/webhooks.ts';
import { feedObserver } from './http/feed-told.ts';
import { webhookRoute } from './http/webhook-route.ts';
import type { Chatwoot } from './upstream/chatwoot.ts';
import { tunnelTo } from './upstream/proxies.ts';
import { VERSION } from './version.ts';

export interface FeedParts {
  readonly config: Config;
  readonly http: FastifyInstance;
  readonly chatwoot: Chatwoot;
  readonly apply: (change: Change) => void;
  /** The same for what the other processes do not hear of by themselves. */
  readonly announce: (change: Change) => void;
  readonly registry: Registry;
  readonly logger: FastifyBaseLogger;
  readonly addressOf: (request: FastifyRequest) => string;
  /** The engine's clock, ms. */
  readonly now: () => number;
  /** The wall clock, ms since the epoch. */
  readonly wallNow: () => number;
}

/** A running feed, as far as the app knows it. */
export interface OpenFeed {
  /** Null where the feed of the account is not trusted. */
  fedSince(accountId: number): number | null;
  appeared(accountId: number, ids: readonly number[], reading: ReadingTimes): void;
  close(): Promise<void>;
}

/** Puts the webhooks' route on the server, and listens to the cable as soon as the server listens. */
export async function openFeed(parts: FeedParts): Promise<OpenFeed> {
  const { config, http, chatwoot, apply, announce, registry, logger, addressOf, now, wallNow } = parts;
  const observer = feedObserver(registry, logger, now);
  if (config.feed.has('webhook')) {
    const webhooks = new Webhooks({ secrets: config.webhookSecrets, wallNow, apply: announce, observer });
    await webhookRoute(http, { webhooks, addressOf, onRefused: (because) => observer.webhookRefused(because) });
  }
  const tokens = config.feed.has('cable') ? feedTokens(config) : [];
  const baseUrl = new URL(config.chatwootUrl);
  const feed = new Feed({
    baseUrl,
    tunnel: tunnelTo(baseUrl, config.proxies),
    version: VERSION,
    tokens: tokens.map(({ token, serves }) => ({ serves, profile: (signal) => chatwoot.profile(token, signal) })),
    apply,
    observer,
    now,
    wallNow,
    lagMaxMs: config.feedLagMaxMs,
  });
  http.addHook('onListen', (done) => {
    feed.start();
    done();
  });
  return feed;
}
