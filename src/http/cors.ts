// Which web pages may call from a browser: those of the origins in CORS_ORIGINS, for messages only. To all others, and where
// none is set, this server says nothing of CORS, and the browser keeps its answers from them.

import cors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** What scripts may read of an answer beside its body. */
const EXPOSED = [
  'etag',
  'age',
  'cache-status',
  'x-request-id',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
];
const ALLOWED = [
  'authorization',
  'api_access_token',
  'api-access-token',
  'if-none-match',
  'cache-control',
  'pragma',
  'x-request-id',
];
/** For how long browsers may remember a preflight. Chromium takes no more than this. */
const PREFLIGHT_MAX_AGE_S = 7200;

/** Must be registered before anything that could refuse a request: a preflight has no credential, and errors must be readable. */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const allowed: ReadonlySet<string> = new Set(origins);
  const exposed = EXPOSED.join(', ');
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.raw.headers;
    if (origin !== undefined && request.raw.method !== 'OPTIONS' && allowed.has(origin) && isForMessages(request)) {
      void reply.header('access-control-allow-origin', origin);
      void reply.header('access-control-expose-headers', exposed);
    }
    done();
  });
  // Every answer varies by origin, and the route has its own idea of Vary.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const vary = String(reply.getHeader('vary') ?? '');
    if (!/\borigin\b/i.test(vary)) void reply.header('vary', vary === '' ? 'origin' : `${vary}, origin`);
    done(null, payload);
  });
  // Preflights alone: it makes its options anew for each request that it looks at.
  await app.register(async (preflights) => {
    await preflights.register(cors, {
      delegator: (request: FastifyRequest, callback: (error: null, options: FastifyCorsOptions) => void) => {
        const { origin = '' } = request.headers;
        callback(
          null,
          allowed.has(origin) && isForMessages(request) && isPreflight(request) ? optionsFor(origin) : { origin: false },
        );
      },
    });
  });
}

function optionsFor(origin: string): FastifyCorsOptions {
  // Credentials in the sense of CORS are cookies, which mean nothing here; keys and tokens are headers that scripts set.
  return {
    origin,
    methods: ['GET', 'HEAD'],
    allowedHeaders: ALLOWED,
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_MAX_AGE_S,
    credentials: false,
  };
}

function isForMessages(request: FastifyRequest): boolean {
  return /^\/+api\//.test(request.raw.url ?? '');
}

function isPreflight(request: FastifyRequest): boolean {
  return request.headers['access-control-request-method'] !== undefined;
}
