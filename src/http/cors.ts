// Which web pages may call from a browser: those of the origins in CORS_ORIGINS, for messages only. To all others, and where
// none is set, this server says nothing of CORS, and the browser keeps its answers from them.

import cors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { putHeaders, type HeaderList } from './header-list.ts';

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
].join(', ');
const NOTHING: HeaderList = [];
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

/** What answers say to web pages of these origins. */
export class Origins {
  readonly #allowed: ReadonlySet<string>;
  /** What pages of messages vary by. */
  readonly vary: string;

  constructor(origins: readonly string[]) {
    this.#allowed = new Set(origins);
    this.vary = this.isEmpty ? 'accept-encoding' : 'accept-encoding, origin';
  }

  get isEmpty(): boolean {
    return this.#allowed.size === 0;
  }

  allows(origin: string | undefined): origin is string {
    return origin !== undefined && this.#allowed.has(origin);
  }

  /** The headers that let the page which asks read the answer. */
  headersFor({ method, url = '', headers: { origin } }: IncomingMessage): HeaderList {
    if (!this.allows(origin) || method === 'OPTIONS' || !isForMessages(url)) return NOTHING;
    return ['access-control-allow-origin', origin, 'access-control-expose-headers', EXPOSED];
  }
}

/** Must be registered before anything that could refuse a request: a preflight has no credential, and errors must be readable. */
export async function allowOrigins(app: FastifyInstance, origins: Origins): Promise<void> {
  if (origins.isEmpty) return;
  app.addHook('onRequest', (request, reply, done) => {
    putHeaders(reply, origins.headersFor(request.raw));
    done();
  });
  // Every answer varies by origin, and routes have their own idea of Vary.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const vary = String(reply.getHeader('vary') ?? '');
    if (!/\borigin\b/i.test(vary)) void reply.header('vary', vary === '' ? 'origin' : `${vary}, origin`);
    done(null, payload);
  });
  // Preflights alone: it makes its options anew for each request that it looks at.
  await app.register(async (preflights) => {
    await preflights.register(cors, {
      delegator: (request: FastifyRequest, callback: (error: null, options: FastifyCorsOptions) => void) => {
        const { origin } = request.headers;
        const isAsked = origins.allows(origin) && isForMessages(request.raw.url ?? '') && isPreflight(request);
        callback(null, isAsked ? optionsFor(origin) : { origin: false });
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

function isForMessages(url: string): boolean {
  return /^\/+api\//.test(url);
}

function isPreflight(request: FastifyRequest): boolean {
  return request.headers['access-control-request-method'] !== undefined;
}
