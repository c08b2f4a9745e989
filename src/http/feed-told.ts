// What the feed tells of itself, counted and, where an operator must know, logged. Never content.

import type { FastifyBaseLogger } from 'fastify';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FeedObserver } from '../feed/observer.ts';
import { seldom } from './seldom.ts';

const LAG_BUCKETS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const LOGGED_EVERY_MS = 60_000;

/** @param now the engine's clock, as moments of trust are given on it */
export function feedObserver(registry: Registry, logger: FastifyBaseLogger, now: () => number): FeedObserver {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames, registers });
  const events = counter(
    'backscroll_feed_events_total',
    'Events of the feed by where they came from, name and what became of them',
    ['source', 'event', 'outcome'],
  );
  const garbage = counter('backscroll_feed_garbage_total', 'Frames of the cable that are none', []);
  const gaps = counter('backscroll_feed_gaps_total', 'Confirmed subscriptions that ended', []);
  const missed = counter('backscroll_feed_missed_total', 'Messages that were read and had not been announced', []);
  const refused = counter('backscroll_webhooks_refused_total', 'Webhooks that were refused, by reason', ['reason']);
  const lag = new Histogram({
    name: 'backscroll_feed_lag_seconds',
    help: 'Time from an event to its arrival',
    buckets: LAG_BUCKETS_S,
    registers,
  });
  const labelNames = ['account'] as const;
  const fed = new Gauge({
    name: 'backscroll_feed_fed',
    help: 'Whether the feed of an account is trusted',
    labelNames,
    registers,
  });
  const since = new Gauge({
    name: 'backscroll_feed_fed_since_seconds',
    help: 'Since when it is, in seconds since the epoch; 0 while it is not',
    labelNames,
    registers,
  });
  const refusedLine = seldom({ everyMs: LOGGED_EVERY_MS });
  const missedLine = seldom({ everyMs: LOGGED_EVERY_MS });
  return {
    event: (source, event, outcome) => events.inc({ source, event, outcome }),
    garbage: () => garbage.inc(),
    lag: (lagMs) => lag.observe(lagMs / 1000),
    standing(account, standing) {
      const isFed = standing.kind === 'fed';
      fed.set({ account }, isFed ? 1 : 0);
      since.set({ account }, isFed ? Math.round((Date.now() - now() + standing.since) / 1000) : 0);
      if (isFed) logger.info({ account }, 'the feed of this account is trusted from now on');
      else logger.warn({ account, why: standing.why }, `the feed of this account is not trusted: ${standing.text}`);
    },
    unheard: ({ why, text }) =>
      logger.warn({ why }, `there is no feed from Chatwoot's cable, so ages are the ordinary ones: ${text}`),
    passedOver: (accounts) =>
      logger.warn(
        { accounts },
        'the user of a token is in more accounts than the feed subscribes to: the rest have the ordinary ages. Give them a token of another user in CHATWOOT_ACCOUNT_TOKENS',
      ),
    gap: () => gaps.inc(),
    missed(account) {
      missed.inc();
      missedLine((unlogged) => logger.warn({ account, unlogged }, 'a message was read of which the feed has told nothing'));
    },
    failed: (error) => logger.error({ err: error }, 'a mistake while a change was applied; its feed is not trusted for a while'),
    webhookRefused(reason) {
      refused.inc({ reason });
      refusedLine((unlogged) => logger.info({ reason, unlogged }, 'a webhook was refused'));
    },
  };
}
