// The composition root.
//
//        caller                                                           operator
//          │ GET …/messages                                                  │ /healthz /readyz /metrics
//   ┌──────▼───────────────────────────────── http ───────────────────────── ▼ ───┐
//   │ authentication → rate limit → parse → scope → … → render, ETag, Cache-Status │
//   └──────┬───────────────────────────────────────────────────────────────────────┘
//   ┌──────▼─────────────── cache ──────────────┐      ┌──────────── timeline (pure) ───────────┐
//   │ read-through: prove → else read → learn   │ ───► │ prove · learn · plan                   │
//   │ flights (single flight) · store · behind  │      │ rows, statements, frontier, freshness  │
//   └──────┬────────────────────────────────────┘      └────────────────────────────────────────┘
//   ┌──────▼──────────── upstream ──────────────┐
//   │ chatwoot: undici pool → split body        │ ───► Chatwoot
//   └───────────────────────────────────────────┘

import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { ReadThrough } from './cache/read-through.ts';
import type { Config } from './config.ts';
import { BackscrollError } from './errors.ts';
import { errorReply, refuseConnection, writeError } from './http/error-replies.ts';
import { messagesRoute, notServed, refuseOther } from './http/messages-route.ts';
import { Metrics } from './http/metrics.ts';
import { operations } from './http/operations.ts';
import { Readiness } from './http/readiness.ts';
import { Renderer } from './http/render.ts';
import { createChatwoot } from './upstream/chatwoot.ts';
import { VERSION } from './version.ts';

/** A running Backscroll that does not listen yet. */
export interface App {
  readonly http: FastifyInstance;
  readonly readThrough: ReadThrough;
  readonly readiness: Readiness;
  /** Stops taking requests, lets those under way end, ends all reads. */
  close(): Promise<void>;
}

export interface AppOptions {
  readonly config: Config;
  readonly logger: FastifyBaseLogger;
  /** The engine's clock, ms. By default one that never steps. */
  readonly now?: () => number;
}

/** Of CACHE_MEMORY, what rendered pages may hold; the rest is for rows. */
const RENDERED_SHARE = 1 / 8;

/** Like Date.now, but it follows the machine's monotonic clock: a step of the wall clock ages nothing. */
function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

export async function buildApp({ config, logger, now = steadyNow }: AppOptions): Promise<App> {
  const metrics: Metrics = new Metrics(() => ({ ...readThrough.size, bytes: readThrough.size.bytes + renderer.bytes }));
  const upstream = createChatwoot({
    baseUrl: new URL(config.chatwootUrl),
    version: VERSION,
    tokenFor: (accountId) => config.chatwootAccountTokens.get(accountId) ?? config.chatwootApiToken,
    tokens: namedTokens(config),
    connections: config.upstreamConnections,
    timeoutMs: config.upstreamTimeoutMs,
    bodyMaxBytes: config.upstreamBodyMaxBytes,
    now,
    onRead: ({ status, durationMs }) => metrics.upstreamAnswered(status, durationMs),
  });
  const readThrough = new ReadThrough({
    upstream,
    now,
    freshness: config,
    memoryBytesMax: Math.floor(config.cacheMemoryBytes * (1 - RENDERED_SHARE)),
    mode: config.history,
    observer: metrics,
  });
  const renderer = new Renderer(Math.floor(config.cacheMemoryBytes * RENDERED_SHARE));
  const readiness = new Readiness({
    check: (signal) => upstream.check(signal),
    onChange: (problem) =>
      problem === null ? logger.info('ready: Chatwoot accepts the token') : logger.error(`not ready: ${problem}`),
  });

  const http = Fastify({
    loggerInstance: logger,
    disableRequestLogging: true,
    trustProxy: trustedHops(config.trustProxy),
    genReqId: (request) => saneRequestId(request.headers['x-request-id']) ?? randomUUID(),
    clientErrorHandler: refuseConnection,
    frameworkErrors: (_error, _request, reply) => writeError(reply.raw, notServed()), // A path that cannot be decoded.
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    forceCloseConnections: 'idle',
    return503OnClosing: false, // The answer is ours to give, in the shape of all others.
  });
  http.decorateRequest('reader', null);
  http.decorateRequest('outcome', null);
  http.decorateRequest('conversation', null);
  let closing: Promise<void> | undefined;
  http.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    if (closing !== undefined && isForMessages(request)) throw draining();
  });
  // Else a connection would stay open behind its last answer, and closing would wait for its caller to let go.
  http.addHook('onSend', (_request, reply, payload, done) => {
    if (closing !== undefined) void reply.header('connection', 'close');
    done(null, payload);
  });
  http.addHook('onResponse', async (request, reply) => {
    const { outcome, reader } = request;
    if (!isForMessages(request)) return;
    metrics.answered(outcome, reply.statusCode, reply.elapsedTime);
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    const { conversation } = request;
    request.log.info({ client: reader?.clientName, ...conversation, status: reply.statusCode, outcome, ms }, 'answered');
  });
  http.setErrorHandler((error, request, reply) => {
    const { status, headers, body } = errorReply(error);
    if (reply.raw.destroyed) request.log.info('the caller went away before its answer');
    else if (body.code === 'internal') request.log.error({ err: error }, 'unexpected error');
    else if (body.code.startsWith('upstream_')) request.log.warn({ code: body.code, reason: body.error }, 'upstream failed');
    if (body.code === 'upstream_credentials') void readiness.recheck();
    void reply.code(status).headers(headers).send(body);
  });
  http.setNotFoundHandler(refuseOther);
  // No body is ever read: none can be malformed, too large or of a wrong type.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('*', (_request, _payload, done) => done(null));

  operations(http, { metrics, readiness });
  await http.register(async (served) => {
    await served.register(rateLimit, {
      hook: 'preHandler',
      max: (request) => (request.reader?.rateLimit ?? config.rateLimit).max,
      timeWindow: (request) => (request.reader?.rateLimit ?? config.rateLimit).windowMs,
      keyGenerator: (request) =>
        request.reader === null || request.reader.clientName === 'anonymous' ? request.ip : `client ${request.reader.clientName}`,
      errorResponseBuilder: (_request, { ttl }) =>
        new BackscrollError('rate_limited', 'Too many requests for this client; wait as long as Retry-After says', {
          retryAfter: ttl / 1000,
        }),
    });
    messagesRoute(served, { clients: () => config.clients, readThrough, renderer });
  });

  const close = async (): Promise<void> => {
    readiness.drain();
    await http.close();
    await readThrough.close();
    await upstream.close();
  };
  return { http, readThrough, readiness, close: () => (closing ??= close()) };
}

function isForMessages(request: FastifyRequest): boolean {
  return request.routeOptions.url?.startsWith('/api/') === true;
}

function draining(): BackscrollError {
  return new BackscrollError('draining', 'This server is shutting down; try again', { retryAfter: 1 });
}

function namedTokens(config: Config): { setting: string; token: string }[] {
  const tokens = [...config.chatwootAccountTokens].map(([account, token]) => ({
    setting: `CHATWOOT_ACCOUNT_TOKENS, account ${account}`,
    token,
  }));
  return config.chatwootApiToken === undefined
    ? tokens
    : [{ setting: 'CHATWOOT_API_TOKEN', token: config.chatwootApiToken }, ...tokens];
}

/** A caller's own id for its request, where it cannot upset a log. */
function saneRequestId(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value) ? value : null;
}

/** A number of hops to trust, counted from this process outwards, as the function that Fastify takes for it. */
function trustedHops(trustProxy: boolean | number | string): boolean | string | ((address: string, hop: number) => boolean) {
  return typeof trustProxy === 'number' ? (_address, hop) => hop < trustProxy : trustProxy;
}
