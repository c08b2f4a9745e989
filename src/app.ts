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
import type { Change } from './cache/changes.ts';
import { ReadThrough } from './cache/read-through.ts';
import { openClients } from './clients/open.ts';
import { steadyNow } from './clock.ts';
import type { Config } from './config/load-config.ts';
import { RENDERED_SHARE } from './config/memory-limits.ts';
import { authentication } from './http/authentication.ts';
import { Metrics } from './http/metrics.ts';
import { openHttp } from './http/open.ts';
import { operations } from './http/operations.ts';
import { Readiness } from './http/readiness.ts';
import { RefusalLog } from './http/refusal-log.ts';
import { Renderer } from './http/render.ts';
import { answeredNote } from './http/request-log.ts';
import { serveMessages } from './http/serve-messages.ts';
import { cacheObserver, protectionObserver, upstreamObserver } from './http/told.ts';
import type { OpenFeed } from './open-feed.ts';
import type { OpenedShared, OpenSharedOptions } from './open-shared.ts';
import type { OpenStatus } from './open-status.ts';
import { openapi } from './openapi/openapi.ts';
import { openUpstream } from './upstream/open.ts';

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

/** A caller waits no longer than this many times UPSTREAM_TIMEOUT, whatever has to be read for it. */
const ANSWER_TIMES = 1.5;

/** Later than this nothing is answered in time any more: new requests are refused until it has caught up. */
const EVENT_LOOP_DELAY_MAX_MS = 1000;

export async function buildApp({
  config,
  logger,
  now = steadyNow,
  wallNow = now === steadyNow ? Date.now : now,
  sharedTimes,
  eventLoopDelayMaxMs = EVENT_LOOP_DELAY_MAX_MS,
  answeredLines = null,
  logLinesDropped = () => 0,
  statusEveryMs: everyMs,
}: AppOptions): Promise<App> {
  const metrics: Metrics = new Metrics(() => ({ ...readThrough.size, bytes: readThrough.size.bytes + renderer.bytes }));
  const shared =
    config.redisUrls.length === 0
      ? null
      : (await import('./open-shared.ts')).openShared({ config, registry: metrics.registry, logger, now, times: sharedTimes });
  const { upstream, chatwoot, budget } = openUpstream({
    settings: config,
    budget: shared?.budget,
    now,
    onRead: ({ status, durationMs }) => metrics.upstreamAnswered(status, durationMs),
    onNotice: upstreamObserver(metrics, logger),
    onEvent: protectionObserver(metrics, logger),
    onTurn: (waitedMs, priority) => metrics.hadTurn(waitedMs, priority),
  });
  const answerTimeoutMs = ANSWER_TIMES * config.upstreamTimeoutMs;
  let feed: OpenFeed | null = null;
  let status: OpenStatus | null = null;
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
    answerTimeoutMs,
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

  const clients = openClients({
    settings: config,
    log: logger,
    now,
    onRead(failures, problem) {
      metrics.clientsFileFailures(failures);
      readiness.report('clients-file', problem);
    },
    onKeysFetched(problem) {
      metrics.signingKeysFetched(problem);
      if (problem !== null) logger.error({ problem }, 'the keys at JWKS_URL cannot be fetched');
    },
  });
  const passesThrough = config.passThrough === 'own-token';
  const edge = await openHttp({
    settings: config,
    logger,
    metrics,
    renderer,
    upstreamConnections: config.upstreamConnections * (passesThrough ? 2 : 1),
    eventLoopDelayMaxMs,
    logLinesDropped,
    countTogether: shared?.countTogether,
    onCredentialsRefused: () => readiness.suspect(),
  });
  const { http, addressOf } = edge;
  operations(http, { metrics, readiness, openapi: await openapi(config) });
  if (config.adminKeys.length > 0) {
    const { openStatus } = await import('./open-status.ts');
    status = openStatus({ http, config, now, addressOf, metrics, readThrough, readiness, upstream, edge, everyMs });
  }
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
  const refusals = new RefusalLog();
  const authenticate = authentication({
    clients: clients.current,
    tokens: clients.tokens,
    limit: edge.limit,
    addressOf,
    onRefused(request, reason) {
      metrics.credentialRefused(reason);
      refusals.tell(request.log, reason, now());
    },
  });
  const room = passesThrough
    ? (await import('./pass-through/open.ts')).openPassThrough({
        settings: config,
        edge,
        answerTimeoutMs,
        budget,
        now,
        registry: metrics.registry,
        readThrough,
        clients: clients.current,
        authenticate,
      })
    : null;
  if (room !== null) {
    await http.register(async (scope) => {
      edge.guard(scope);
      room.register(scope);
    });
  }
  await serveMessages(edge, {
    settings: config,
    clients: clients.current,
    tokens: clients.tokens,
    authenticate: room?.authenticate ?? authenticate,
    answerOwn: room?.answerOwn,
    readThrough,
    renderer,
    noteAnswered: answeredNote(metrics, answeredLines, status?.answered),
    hearErrors: status?.hearErrors,
    logger,
  });

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    readiness.drain();
    clients.close();
    const giveUp = (): void => void Promise.all([readThrough.close(), room?.close()]);
    await edge.close(() => readThrough.drain(), giveUp);
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
