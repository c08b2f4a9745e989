// What the engine tells of itself, counted and, where an operator must know, logged. Never content.

import type { FastifyBaseLogger } from 'fastify';
import type { CacheObserver } from '../cache/observer.ts';
import { BackscrollError } from '../errors.ts';
import type { UpstreamNotice } from '../upstream/chatwoot.ts';
import type { ProtectionEvent } from '../upstream/protected-upstream.ts';
import type { Metrics } from './metrics.ts';
import { seldom } from './seldom.ts';

/** The same kind of line is logged no more often than this, ms. */
const LOGGED_EVERY_MS = 60_000;

/** Metrics that also tell the log what an operator must know. */
export function cacheObserver(
  metrics: Metrics,
  logger: FastifyBaseLogger,
  onRead: CacheObserver['upstreamRead'] = () => {},
): CacheObserver {
  const foreign = seldom({ everyMs: LOGGED_EVERY_MS });
  return {
    upstreamRead(reason, conversation, reader) {
      metrics.upstreamRead(reason);
      onRead(reason, conversation, reader);
    },
    learnt(outcome, conversation) {
      metrics.learnt(outcome);
      if (outcome !== 'foreign') return;
      foreign((unlogged) =>
        logger.error(
          { conversation, unlogged },
          'An answer does not fit its question, so this conversation is answered by exact query only. Does something before Chatwoot drop parameters? Or is this a fork? Then set HISTORY=exact',
        ),
      );
    },
    behindFailed(error) {
      metrics.behindFailed(error);
      if (error instanceof BackscrollError) logger.warn({ code: error.code }, 'a read that no answer needed failed');
      else logger.error({ err: error }, 'a mistake in a read that no answer needed; the answers are not touched by it');
    },
    shadowed(difference) {
      metrics.shadowed(difference);
      if (difference !== null) logger.error({ ...difference }, 'Chatwoot answers differently from what was proved');
    },
    sequenceRefuted(refutation) {
      metrics.sequenceRefuted(refutation);
      logger.error(
        { ...refutation },
        'IDS DO NOT RISE: a message was created after a higher id had been read, so all that was known has been forgotten. Was the database restored, was a message given an id by hand, or is a clock wrong?',
      );
    },
    fellBackToExact(conversation) {
      metrics.fellBackToExact(conversation);
      if (conversation !== null) {
        logger.error({ conversation }, 'Chatwoot keeps answering differently here: this conversation is answered by exact query');
        return;
      }
      logger.error(
        'PROOFS ARE OFF: Chatwoot keeps answering differently; history is answered by exact query until a restart. Is this a fork? Then set HISTORY=exact',
      );
    },
  };
}

/** The same for answers that are not what they should be. */
export function upstreamObserver(metrics: Metrics, logger: FastifyBaseLogger): (notice: UpstreamNotice) => void {
  const [misplaced, cached] = [seldom({ everyMs: LOGGED_EVERY_MS }), seldom({ everyMs: LOGGED_EVERY_MS })];
  return (notice) => {
    if (notice.kind === 'misplaced') {
      const { conversation } = notice;
      misplaced((unlogged) =>
        logger.error(
          { conversation, unlogged },
          'The answer to another question came, was not shown, and its connection was closed. What stands between here and Chatwoot mixes up answers',
        ),
      );
      return;
    }
    metrics.cachedUpstream();
    const { header, ageMs } = notice.mark;
    cached((unlogged) =>
      logger.warn(
        { header, ageMs, unlogged },
        'An answer came out of a cache between here and Chatwoot, which makes all answers older than they should be. Have it pass /api on',
      ),
    );
  };
}

/** The same for what keeps Chatwoot from being asked too much. */
export function protectionObserver(metrics: Metrics, logger: FastifyBaseLogger): (event: ProtectionEvent) => void {
  return (event) => {
    metrics.protection(event);
    switch (event.kind) {
      case 'opened':
        return logger.error({ failure: event.failure }, 'Chatwoot keeps failing: it is left alone but for probes');
      case 'closed':
        return logger.info('Chatwoot answers again');
      case 'paused':
        return logger.warn(
          { forMs: Math.round(event.forMs) },
          'Chatwoot receives too many requests: it is left alone for a while',
        );
      case 'probe-failed':
      case 'retried':
      case 'refused':
        return logger.debug({ ...event }, 'upstream protection');
    }
  };
}
