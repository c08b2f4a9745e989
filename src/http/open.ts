// The door of this room: the server with what every caller meets, whatever it asks for: limits, connections, origins, the end.

import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import { BackscrollError } from '../errors.ts';
import type { Rate } from '../rate.ts';
import { limitKey } from './authentication.ts';
import { callerAddress } from './caller-address.ts';
import { CodedPages } from './coded-pages.ts';
import { AcceptedCodings } from './codings.ts';
import { Connections } from './connections.ts';
import { allowOrigins, Origins } from './cors.ts';
import { Draining } from './draining.ts';
import { registerEdgeMetrics } from './edge-metrics.ts';
import { EventLoop } from './event-loop.ts';
import type { Metrics } from './metrics.ts';
import type { PageAnswers } from './page-answer.ts';
import { rateLimit } from './rate-limit.ts';
import type { Renderer } from './render.ts';
import { createServer } from './server.ts';
import { UnauthenticatedLimit } from './unauthenticated-limit.ts';
import { UnreadAnswers } from './unread.ts';
import { WindowCounters, type Counted, type OnCounted } from './window-counters.ts';

/** As settings have them. */
export interface HttpSettings {
  readonly corsOrigins: readonly string[];
  readonly ipv6PrefixBits: number;
  readonly rateLimit: Rate;
  readonly shutdownTimeoutMs: number;
  readonly trustProxy: boolean | number | string;
  readonly unreadMemoryBytes: number;
  readonly unreadTimeoutMs: number;
}

export interface OpenHttpOptions {
  readonly settings: HttpSettings;
  readonly logger: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly renderer: Renderer;
  /** To Chatwoot, at most. */
  readonly upstreamConnections: number;
  /** Event-loop delay past which new requests are refused, ms; 0 for no limit. */
  readonly eventLoopDelayMaxMs: number;
  /** Log lines that could not be written so far. */
  readonly logLinesDropped: () => number;
  /** Has what is counted of clients counted by others, too, and hears of theirs; absent where each process counts by itself. */
  readonly countTogether?: ((onHeard: (client: string, rate: Rate, counted: Counted) => void) => OnCounted) | null | undefined;
  /** Told that Chatwoot refused the server's own token. */
  readonly onCredentialsRefused: () => void;
}

/** Of SHUTDOWN_TIMEOUT, the time for last answers; half of one that is short. */
const FAREWELL_MS = 1000;
/** Once told to end, callers that take nothing for so long are not waited for; a quarter of a SHUTDOWN_TIMEOUT that is shorter. */
const LAST_UNREAD_TIMEOUT_MS = 1000;

export interface OpenHttp {
  readonly http: FastifyInstance;
  readonly addressOf: (request: FastifyRequest) => string;
  /** Whom a request is counted for. */
  readonly countedAs: (request: FastifyRequest) => string;
  readonly origins: Origins;
  readonly pageAnswers: PageAnswers;
  readonly unread: UnreadAnswers;
  readonly connections: Connections;
  readonly draining: Draining;
  readonly eventLoop: EventLoop;
  /** Requests of clients. */
  readonly counters: WindowCounters;
  /** Failures to prove who it is. */
  readonly limit: UnauthenticatedLimit;
  readonly logLinesDropped: () => number;
  /** Has a scope refuse what cannot be answered in time or is too much. */
  guard(scope: FastifyInstance): void;
  /**
   * Answers those who wait, and ends.
   * @param drain ends when nobody waits for a read.
   * @param giveUp ends all reads: there is no more time.
   */
  close(drain: () => Promise<void>, giveUp: () => void): Promise<void>;
}

export async function openHttp(options: OpenHttpOptions): Promise<OpenHttp> {
  const { settings, logger, metrics, renderer, upstreamConnections, logLinesDropped, onCredentialsRefused } = options;
  const { trustProxy, unreadMemoryBytes: bytesMax, unreadTimeoutMs: timeoutMs, shutdownTimeoutMs } = settings;
  const addressOf = callerAddress(settings.ipv6PrefixBits);
  const countedAs = limitKey(addressOf);
  const unread = new UnreadAnswers({ bytesMax, timeoutMs, clientOf: countedAs });
  const http = createServer({ logger, trustProxy, responses: unread.responses, onCredentialsRefused });
  const origins = new Origins(settings.corsOrigins);
  await allowOrigins(http, origins);
  const codedPages = new CodedPages({ renderer });
  const draining = new Draining(http);
  const connections = new Connections(http.server, { upstreamConnections, log: logger });
  registerEdgeMetrics(metrics.registry, { connections, unread, renderer, codedPages, logLinesDropped });
  const eventLoop = new EventLoop(options.eventLoopDelayMaxMs);
  const counters: WindowCounters = new WindowCounters(
    options.countTogether?.((client, rate, counted) => counters.raise(client, rate, counted, Date.now())),
  );
  return {
    http,
    addressOf,
    countedAs,
    origins,
    pageAnswers: { accepted: new AcceptedCodings(), codedPages, vary: origins.vary },
    unread,
    connections,
    draining,
    eventLoop,
    counters,
    limit: new UnauthenticatedLimit(),
    logLinesDropped,
    guard(scope) {
      scope.addHook('onRequest', draining.admit);
      scope.addHook('onRequest', (_request, _reply, done) => {
        if (!eventLoop.isLate) return done();
        done(new BackscrollError('overloaded', 'Too much is asked of this server just now; try again', { retryAfter: 2 }));
      });
      scope.addHook(
        'preHandler',
        rateLimit({ rateOf: (request) => request.reader?.rateLimit ?? settings.rateLimit, countedAs, counters }),
      );
    },
    async close(drain, giveUp) {
      unread.hurry(Math.min(LAST_UNREAD_TIMEOUT_MS, shutdownTimeoutMs / 4));
      // Whoever still waits when there is no more time is told so, while there is time to.
      const farewellMs = Math.min(FAREWELL_MS, shutdownTimeoutMs / 2);
      const givingUp = setTimeout(giveUp, shutdownTimeoutMs - farewellMs);
      const cut = setTimeout(() => connections.destroyAll(), shutdownTimeoutMs - farewellMs / 2);
      await Promise.all([draining.begin(), drain()]);
      clearTimeout(givingUp);
      // A connection on which nothing was ever asked does not count as idle.
      const leave = setTimeout(() => connections.destroyAll(), farewellMs / 2);
      await http.close();
      clearTimeout(cut);
      clearTimeout(leave);
      eventLoop.close();
    },
  };
}
