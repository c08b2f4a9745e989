// Opens the shared level as the settings have it, and tells of it. Loaded only where REDIS_URL is set.

import type { FastifyBaseLogger } from 'fastify';
import type { Registry } from 'prom-client';
import type { CacheObserver } from './cache/observer.ts';
import type { Config } from './config/load-config.ts';
import { SharedBudget } from './shared/budget.ts';
import { SharedCounts, type SharedCountsOptions } from './shared/counts.ts';
import { RedisLevel } from './shared/level.ts';
import { sharedMetrics } from './shared/metrics.ts';
import { deriveSecrets } from './shared/secrets.ts';
import { SHARED_TIMES, type SharedTimes } from './shared/times.ts';
import type { ReadBudget } from './upstream/budget.ts';

export interface OpenSharedOptions {
  readonly config: Config;
  readonly registry: Registry;
  readonly logger: FastifyBaseLogger;
  /** The engine's clock, ms. */
  readonly now: () => number;
  /** Default: SHARED_TIMES. */
  readonly times?: SharedTimes | undefined;
}

export interface OpenedShared {
  readonly level: RedisLevel;
  /** What the engine tells of it. */
  readonly observer: Pick<CacheObserver, 'hitOfOthers' | 'learntOfOthers'>;
  /** Of UPSTREAM_RATE, over all processes. */
  readonly budget: ReadBudget;
  /** Counts the requests of clients over all processes; null where each counts by itself. @returns what to tell each one that is counted here */
  readonly countTogether: ((onHeard: SharedCountsOptions['onHeard']) => SharedCounts['counted']) | null;
}

export function openShared({ config, registry, logger, now, times = SHARED_TIMES }: OpenSharedOptions): OpenedShared {
  const observer = sharedMetrics(registry, () => level.processes);
  const { chatwootApiToken: token, chatwootAccountTokens: tokens } = config;
  const secrets = deriveSecrets({
    chatwootUrl: config.chatwootUrl,
    tokenOf: (accountId) => tokens.get(accountId) ?? token,
    tokens: [...(token === undefined ? [] : [token]), ...tokens.values()],
  });
  const { redisPrefix: prefix } = config;
  const level: RedisLevel = new RedisLevel({
    urls: config.redisUrls,
    isCluster: config.redisCluster,
    prefix,
    secrets,
    freshness: config,
    now,
    times,
    observer: {
      ...observer,
      cutOff() {
        observer.cutOff();
        logger.warn('Changes of other processes may have been missed, so all that was known has been forgotten');
      },
      lost(reason) {
        observer.lost(reason);
        logger.warn({ reason }, 'Redis cannot be used: this process goes on alone');
      },
      back() {
        observer.back();
        logger.info('Redis can be used again');
      },
    },
  });
  const { link } = level;
  return {
    level,
    observer: { hitOfOthers: () => observer.hit(), learntOfOthers: (outcome) => observer.learnt(outcome) },
    budget: new SharedBudget({
      link,
      // Another window is counted in other slices.
      key: `${prefix}:{budget-${secrets.installation}-${config.upstreamRate.windowMs}}`,
      rate: config.upstreamRate,
      processes: () => level.processes,
      patienceMs: times.timeoutMs / 2,
      now,
    }),
    countTogether: config.rateLimitShared ? (onHeard) => new SharedCounts({ link, prefix, secrets, onHeard }).counted : null,
  };
}
