// The HTTP server before it has routes: what holds for every request and every answer.

import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BackscrollError } from '../errors.ts';
import { OwnTokenRefused } from '../upstream/own-token-refused.ts';
import { hasGone } from './connections.ts';
import { trustOf } from './caller-address.ts';
import { errorReply, HEADERS_BYTES_MAX, refuseConnection, writeError } from './error-replies.ts';
import { notServed, refuseOther } from './messages-route.ts';
import { requestLog } from './request-log.ts';
import { noticeProxies } from './untrusted-proxy.ts';

export interface ServerOptions {
  readonly logger: FastifyBaseLogger;
  /** As TRUST_PROXY has it. */
  readonly trustProxy: boolean | number | string;
  /** The class of its responses. */
  readonly responses: typeof ServerResponse;
  /** Upstream has refused the token. */
  readonly onCredentialsRefused: () => void;
}

/** A request, or its first byte on a new connection, comes within this. Node looks every so often. */
const REQUEST_TIMEOUT_MS = 60_000;
const CHECK_EVERY_MS = 5000;

export function createServer({ logger, trustProxy, responses, onCredentialsRefused }: ServerOptions): FastifyInstance {
  const http = Fastify({
    loggerInstance: logger,
    logController: new Fastify.LogController({ disableRequestLogging: true }),
    childLoggerFactory: requestLog,
    trustProxy: trustOf(trustProxy),
    genReqId: requestId,
    clientErrorHandler: refuseConnection,
    frameworkErrors: (_error, request, reply) => writeError(reply.raw, notServed(request.raw.url ?? '')), // A path that cannot be decoded.
    http: {
      maxHeaderSize: HEADERS_BYTES_MAX,
      requireHostHeader: false, // Node's own refusal has no body.
      ServerResponse: responses,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    forceCloseConnections: 'idle',
    return503OnClosing: false, // The answer is ours to give, in the shape of all others.
  });
  http.decorateRequest('reader', null);
  http.decorateRequest('outcome', null);
  http.decorateRequest('conversation', null);
  const noticeProxy = trustProxy === false ? noticeProxies(logger) : undefined;
  http.addHook('onRequest', (request, reply, done) => {
    noticeProxy?.(request);
    void reply.header('x-request-id', request.id);
    // RFC 9112 3.2
    const hasHost = request.raw.headers.host !== undefined || request.raw.httpVersion !== '1.1';
    done(hasHost ? undefined : new BackscrollError('invalid_parameter', 'The request has no Host header'));
  });
  http.setErrorHandler((error, request, reply) => {
    if (error instanceof OwnTokenRefused) {
      void reply.code(error.status).headers({ 'cache-control': 'no-store', 'content-type': error.contentType }).send(error.body);
      return;
    }
    const { status, headers, body } = errorReply(error);
    if (hasGone(request)) request.log.info('the caller went away before its answer');
    else if (body.code === 'internal') request.log.error({ err: error }, 'unexpected error');
    else if (body.code.startsWith('upstream_')) request.log.warn({ code: body.code, reason: body.error }, 'upstream failed');
    if (body.code === 'upstream_credentials') onCredentialsRefused();
    void reply.code(status).headers(headers).send(body);
  });
  http.server.on('checkExpectation', (_request, response: ServerResponse) => {
    writeError(response, new BackscrollError('invalid_parameter', 'No expectation but 100-continue is met', { status: 417 }));
  });
  http.setNotFoundHandler(refuseOther);
  // No body is ever read: none can be malformed, too large or of a wrong type.
  http.removeAllContentTypeParsers();
  http.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return http;
}

/** New ids look like UUIDs: they begin alike, and end in a count of nine digits. */
const [COUNT_FROM, COUNT_END] = [100_000_000, 1_000_000_000];
let idPrefix = '';
let idCount = COUNT_END;

function newId(): string {
  if (idCount === COUNT_END) [idPrefix, idCount] = [randomUUID().slice(0, -9), COUNT_FROM];
  return idPrefix + String(idCount++);
}

/** A caller's own id for its request, where it cannot upset a log, or a new one. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const own = headers['x-request-id'];
  return typeof own === 'string' && /^[\w-]{1,128}$/.test(own) ? own : newId();
}
