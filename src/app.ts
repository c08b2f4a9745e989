// The composition root.
//
//        caller                                                           operator
//          │ GET …/messages                                                  │ /healthz /readyz /metrics /status /admin
//   ┌──────▼───────────────────────────────── http ───────────────────────── ▼ ───┐
//   │ authentication → rate limit → parse → scope → … → render, ETag, Cache-Status │
//   └──────┬───────────────────────────────────────────────────────────────────────┘
//   ┌──────▼─────────────── cache ──────────────┐      ┌──────────── timeline (pure) ───────────┐
//   │ read-through: prove → else read → learn   │ ───► │ prove · learn · plan                   │
//   │ flights (single flight) · store · behind  │      │ rows, statements, frontier, freshness  │
//   │ shared level, where REDIS_URL is set      │      └────────────────────────────────────────┘
//   └──────┬────────────────────────────────────┘ ───► Redis
//   ┌──────▼──────────── upstream ──────────────┐
//   │ pause, breaker → retry → line, budget     │
//   │ chatwoot: undici pool → split body        │ ───► Chatwoot
//   └───────────────────────────────────────────┘

import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { ReadThrough } from './cache/read-through.ts';
import { tokenVerifier, type TokenVerifier } from './clients/jwt.ts';
import { LiveRegistry } from './clients/live-registry.ts';
import { SigningKeys } from './clients/signing-keys.ts';
import type { Change } from './cache/changes.ts';
import type { Config } from './config/load-config.ts';
import { RENDERED_SHARE } from './config/memory-limits.ts';
import { BackscrollError } from './errors.ts';
import { authentication, limitKey } from './http/authentication.ts';
import { callerAddress } from './http/caller-address.ts';
import { allowOrigins, Origins } from './http/cors.ts';
import { CodedPages } from './http/coded-pages.ts';
import { AcceptedCodings } from './http/codings.ts';
import { Connections } from './http/connections.ts';
import { Draining } from './http/draining.ts';
import { registerEdgeMetrics } from './http/edge-metrics.ts';
import { EventLoop } from './http/event-loop.ts';
import { answerKnownHits } from './http/known-hits.ts';
import { messagesRoute } from './http/messages-route.ts';
import { Metrics } from './http/metrics.ts';
import { operations } from './http/operations.ts';
import { rateLimit } from './http/rate-limit.ts';
import { Readiness } from './http/readiness.ts';
import { RefusalLog } from './http/refusal-log.ts';
import { Renderer } from './http/render.ts';
import { answeredNote } from './http/request-log.ts';
import { createServer } from './http/server.ts';
import { cacheObserver, protectionObserver, upstreamObserver } from './http/told.ts';
import { Targets } from './http/target.ts';
import { traceparentOf } from './http/traceparent.ts';
import { UnauthenticatedLimit } from './http/unauthenticated-limit.ts';
import { UnreadAnswers } from './http/unread.ts';
import { WindowCounters } from './http/window-counters.ts';
import type { OpenFeed } from './open-feed.ts';
import { openapi } from './openapi/openapi.ts';
import type { OpenStatus } from './open-status.ts';
import { Budget } from './upstream/budget.ts';
import type { OpenedShared, OpenSharedOptions } from './open-shared.ts';
import { createChatwoot, type NamedToken } from './upstream/chatwoot.ts';
import { proxyFor } from './upstream/proxies.ts';
import { protectUpstream } from './upstream/protected-upstream.ts';
import { VERSION } from './version.ts';

/** A running Backscroll that does not listen yet. */
export interface App {
  readonly http: FastifyInstance;
  readonly readThrough: ReadThrough;
  readonly readiness: Readiness;
  /** Null where FEED is off. */
  readonly feed: Pick<OpenFeed, 'fedSince'> | null;
  /** Null without REDIS_URL. */
  readonly shared: OpenedShared['level'] | null;
  /** Reads CLIENTS_FILE anew. That also happens by itself soon after the file has changed. */
  reloadClients(): Promise<void>;
  /** Stops taking requests, lets those under way end, ends all reads. */
  close(): Promise<void>;
  /** Whether CLIENTS_FILE is being read from a file system that hangs: a process that exits in the usual way waits for it. */
  isHung(): Promise<boolean>;
}

export interface AppOptions {
  readonly config: Config;
  readonly logger: FastifyBaseLogger;
  /** The engine's clock, ms. By default one that never steps. */
  readonly now?: () => number;
  /** The wall clock, ms since the epoch, which events are compared with. By default the engine's where that is given. */
  readonly wallNow?: () => number;
  /** How long other processes and Redis are waited for. */
  readonly sharedTimes?: OpenSharedOptions['times'];
  /** Event-loop delay past which new requests are refused, ms; 0 for no limit. */
  readonly eventLoopDelayMaxMs?: number;
  /** Takes the line of each answered request; null for none. By default there are none. */
  readonly answeredLines?: ((line: string) => void) | null;
  /** Log lines that could not be written so far. */
  readonly logLinesDropped?: () => number;
  /** Between two moments that the plots of the status page show. */
  readonly statusEveryMs?: number | undefined;
}

/** Of SHUTDOWN_TIMEOUT, the time for last answers; half of one that is short. */
const FAREWELL_MS = 1000;
/** Once told to end, callers that take nothing for so long are not waited for; a quarter of a SHUTDOWN_TIMEOUT that is shorter. */
const LAST_UNREAD_TIMEOUT_MS = 1000;
/** A caller waits no longer than this many times UPSTREAM_TIMEOUT, whatever has to be read for it. */
const ANSWER_TIMES = 1.5;

/** Later than this nothing is answered in time any more: new requests are refused until it has caught up. */
const EVENT_LOOP_DELAY_MAX_MS = 1000;

const { timeOrigin } = performance;

/** Like Date.now, but it follows the machine's monotonic clock: a step of the wall clock ages nothing. */
function steadyNow(): number {
  return timeOrigin + performance.now();
}

export async function buildApp({
  config,
  logger,
  now = steadyNow,
  wallNow = now === steadyNow ? Date.now : now,
  sharedTimes,
  eventLoopDelayMaxMs = EVENT_LOOP_DELAY_MAX_MS,
  answeredLines = null,
  logLinesDropped = () => 0,
  statusEveryMs,
}: AppOptions): Promise<App> {
  const metrics: Metrics = new Metrics(() => ({ ...readThrough.size, bytes: readThrough.size.bytes + renderer.bytes }));
  const chatwoot = createChatwoot({
    baseUrl: new URL(config.chatwootUrl),
    version: VERSION,
    tokenFor: (accountId) => config.chatwootAccountTokens.get(accountId) ?? config.chatwootApiToken,
    tokens: namedTokens(config),
    connections: config.upstreamConnections,
    proxies: config.proxies,
    timeoutMs: config.upstreamTimeoutMs,
    bodyMaxBytes: config.upstreamBodyMaxBytes,
    now,
    onRead: ({ status, durationMs }) => metrics.upstreamAnswered(status, durationMs),
    onNotice: upstreamObserver(metrics, logger),
  });
  const budget = new Budget(config.upstreamRate);
  const upstream = protectUpstream(chatwoot, {
    rate: config.upstreamRate,
    budget,
    connections: config.upstreamConnections,
    timeoutMs: config.upstreamTimeoutMs,
    now,
    onEvent: protectionObserver(metrics, logger),
    onTurn: (waitedMs, priority) => metrics.hadTurn(waitedMs, priority),
  });
  let feed: OpenFeed | null = null;
  let status: OpenStatus | null = null;
  const shared =
    config.redisUrls.length === 0
      ? null
      : (await import('./open-shared.ts')).openShared({ config, registry: metrics.registry, logger, now, times: sharedTimes });
  const readThrough = new ReadThrough({
    upstream,
    ...(shared === null ? {} : { shared: shared.level }),
    now,
    freshness: config,
    memoryBytesMax: Math.floor(config.cacheMemoryBytes * (1 - RENDERED_SHARE)),
    mode: config.history,
    shadowRate: config.shadowRate,
    ...(config.feed.has('cable') ? { fedSince: (accountId) => feed?.fedSince(accountId) ?? null } : {}),
    observer: {
      ...cacheObserver(metrics, logger, (_reason, conversation, reader) => status?.called(conversation, reader)),
      ...shared?.observer,
      ...(config.feed.has('cable') ? { appeared: ({ accountId }, ids, reading) => feed?.appeared(accountId, ids, reading) } : {}),
    },
    onForgotten: (extent) => renderer.forget(extent),
    answerTimeoutMs: ANSWER_TIMES * config.upstreamTimeoutMs,
  });
  shared?.level.listen({
    hear: (change, at) => readThrough.hear(change, at),
    lose: (at) => readThrough.loseDue(at),
    forget: (extent, marksFrom) => void readThrough.purge(extent, marksFrom),
  });
  const renderer = new Renderer(Math.floor(config.cacheMemoryBytes * RENDERED_SHARE), (rows) => metrics.withheld(rows));
  const readiness = new Readiness({
    check: (signal) => upstream.check(signal),
    onChange: (problem) =>
      problem === null ? logger.info('ready: Chatwoot accepts the token') : logger.error(`not ready: ${problem}`),
  });

  const clients = new LiveRegistry({
    registry: config.clients,
    sources: config,
    log: logger,
    onRead(failures, problem) {
      metrics.clientsFileFailures(failures);
      readiness.report('clients-file', problem);
    },
  });
  clients.watch();
  const keys = signingKeysOf(config, now, (problem) => {
    metrics.signingKeysFetched(problem);
    if (problem !== null) logger.error({ problem }, 'the keys at JWKS_URL cannot be fetched');
  });
  const refusals = new RefusalLog();

  const addressOf = callerAddress(config.ipv6PrefixBits);
  const countedAs = limitKey(addressOf);
  const unread = new UnreadAnswers({
    bytesMax: config.unreadMemoryBytes,
    timeoutMs: config.unreadTimeoutMs,
    clientOf: countedAs,
  });
  const http = createServer({
    logger,
    trustProxy: config.trustProxy,
    responses: unread.responses,
    onCredentialsRefused: () => readiness.suspect(),
  });
  const origins = new Origins(config.corsOrigins);
  const codedPages = new CodedPages({ renderer });
  const pageAnswers = { accepted: new AcceptedCodings(), codedPages, vary: origins.vary };
  await allowOrigins(http, origins);
  const draining = new Draining(http);
  const passesThrough = config.passThrough === 'own-token';
  const upstreamConnections = config.upstreamConnections * (passesThrough ? 2 : 1);
  const connections = new Connections(http.server, { upstreamConnections, log: logger });
  registerEdgeMetrics(metrics.registry, { connections, unread, renderer, codedPages, logLinesDropped });
  const eventLoop = new EventLoop(eventLoopDelayMaxMs);
  operations(http, { metrics, readiness, openapi: await openapi(config) });
  if (config.adminKeys.length > 0) {
    const { openStatus } = await import('./open-status.ts');
    const edge = { connections, unread, eventLoop, logLinesDropped };
    status = openStatus({
      http,
      config,
      now,
      addressOf,
      metrics,
      readThrough,
      readiness,
      upstream,
      edge,
      everyMs: statusEveryMs,
    });
  }
  const noteAnswered = answeredNote(metrics, answeredLines, status?.answered);
  if (config.feed.size > 0) {
    const { openFeed } = await import('./open-feed.ts');
    const apply = (change: Change): void => readThrough.apply(change);
    const announce = (change: Change): void => readThrough.announce(change);
    feed = await openFeed({
      config,
      http,
      chatwoot,
      apply,
      announce,
      registry: metrics.registry,
      logger,
      addressOf,
      now,
      wallNow,
    });
  }
  const tokens = tokensOf(config, keys);
  const targets = new Targets();
  const counters = new WindowCounters();
  const limit = new UnauthenticatedLimit();
  const authenticate = authentication({
    clients: () => clients.current,
    tokens,
    limit,
    addressOf,
    onRefused(request, reason) {
      metrics.credentialRefused(reason);
      refusals.tell(request.log, reason, now());
    },
  });
  const guard = (served: FastifyInstance): void => {
    served.addHook('onRequest', draining.admit);
    served.addHook('onRequest', (_request, _reply, done) => {
      if (!eventLoop.isLate) return done();
      done(new BackscrollError('overloaded', 'Too much is asked of this server just now; try again', { retryAfter: 2 }));
    });
    served.addHook(
      'preHandler',
      rateLimit({ rateOf: (request) => request.reader?.rateLimit ?? config.rateLimit, countedAs, counters }),
    );
  };
  const room = passesThrough
    ? (await import('./pass-through/open.ts')).openPassThrough({
        baseUrl: new URL(config.chatwootUrl),
        connections: config.upstreamConnections,
        proxies: config.proxies,
        timeoutMs: config.upstreamTimeoutMs,
        answerTimeoutMs: ANSWER_TIMES * config.upstreamTimeoutMs,
        bodyMaxBytes: config.passedBodyMaxBytes,
        budget,
        now,
        registry: metrics.registry,
        readThrough,
        unread,
        clients: () => clients.current,
        adminKeys: config.adminKeys,
        limit,
        addressOf,
        limitKey: countedAs,
        authenticate,
      })
    : null;
  if (room !== null) {
    await http.register(async (served) => {
      guard(served);
      room.register(served);
    });
  }
  await http.register(async (served) => {
    served.addHook('onResponse', (request, reply, done) => {
      const { id, outcome, reader, conversation } = request;
      const traceparent = traceparentOf(request.headers);
      noteAnswered({ id, traceparent, reader, conversation, outcome, status: reply.statusCode, durationMs: reply.elapsedTime });
      done();
    });
    status?.hearErrors(served);
    guard(served);
    messagesRoute(served, {
      authenticate: room?.authenticate ?? authenticate,
      readThrough,
      renderer,
      targets,
      pageAnswers,
      unread,
      answerOwn: room?.answerOwn,
      limitKey: countedAs,
    });
  });
  answerKnownHits(http.server, {
    clients: () => clients.current,
    tokens,
    trustsProxies: config.trustProxy !== false,
    targets,
    readThrough,
    renderer,
    counters,
    rateLimit: config.rateLimit,
    origins,
    pageAnswers,
    draining,
    eventLoop,
    unread,
    noteAnswered,
    logger,
  });

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    readiness.drain();
    clients.close();
    keys?.close();
    unread.hurry(Math.min(LAST_UNREAD_TIMEOUT_MS, config.shutdownTimeoutMs / 4));
    // Whoever still waits when there is no more time is told so, while there is time to.
    const farewellMs = Math.min(FAREWELL_MS, config.shutdownTimeoutMs / 2);
    const giveUp = setTimeout(
      () => void Promise.all([readThrough.close(), room?.close()]),
      config.shutdownTimeoutMs - farewellMs,
    );
    const cut = setTimeout(() => connections.destroyAll(), config.shutdownTimeoutMs - farewellMs / 2);
    await Promise.all([draining.begin(), readThrough.drain()]);
    clearTimeout(giveUp);
    // A connection on which nothing was ever asked does not count as idle.
    const leave = setTimeout(() => connections.destroyAll(), farewellMs / 2);
    await http.close();
    clearTimeout(cut);
    clearTimeout(leave);
    eventLoop.close();
    await feed?.close();
    status?.close();
    await readThrough.close();
    await room?.close();
    await shared?.level.close();
    await upstream.close();
  };
  return {
    http,
    readThrough,
    readiness,
    feed,
    shared: shared?.level ?? null,
    reloadClients: () => clients.reload(),
    close: () => (closing ??= close()),
    isHung: () => clients.isHung(),
  };
}

/** What checks signed tokens; null where none are accepted. */
function tokensOf(config: Config, keys: SigningKeys | null): TokenVerifier | null {
  const { jwtSecrets: secrets, jwtIssuer: issuer, jwtAudience: audience } = config;
  if (secrets.length === 0 && keys === null) return null;
  return tokenVerifier({ secrets, keys: keys?.find ?? null, ...(keys === null ? {} : { keysNow: keys.now }), issuer, audience });
}

function signingKeysOf(config: Config, now: () => number, onFetched: (problem: string | null) => void): SigningKeys | null {
  if (config.jwksUrl === undefined) return null;
  const url = new URL(config.jwksUrl);
  return new SigningKeys({ url, dispatcher: proxyFor(url, config.proxies), onFetched, now });
}

function namedTokens(config: Config): NamedToken[] {
  const tokens = [...config.chatwootAccountTokens].map(([account, token]) => ({
    setting: `CHATWOOT_ACCOUNT_TOKENS, account ${account}`,
    token,
    account,
  }));
  return config.chatwootApiToken === undefined
    ? tokens
    : [{ setting: 'CHATWOOT_API_TOKEN', token: config.chatwootApiToken }, ...tokens];
}
