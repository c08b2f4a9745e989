// The short way of a request: a page that is known, asked for again, by somebody who is known. It is answered before Fastify makes
// a request of it, out of the same parts in the same order as on the long way (messages-route.ts), so with the same answer. Whatever
// is new, refused, demanding or uncertain goes the long way, and nothing has been done for it here.

import type { FastifyBaseLogger } from 'fastify';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ReadThrough } from '../cache/read-through.ts';
import { authenticate, type TokenCheck } from '../clients/authenticate.ts';
import type { TokenVerifier } from '../clients/jwt.ts';
import type { Rate } from '../rate.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import { allows } from '../clients/scope.ts';
import { clientKey } from './authentication.ts';
import type { Origins } from './cors.ts';
import type { Draining } from './draining.ts';
import type { EventLoop } from './event-loop.ts';
import { lastHit } from './last-hit.ts';
import { pageAnswer, type PageAnswers } from './page-answer.ts';
import { limitHeaders } from './rate-limit.ts';
import type { Renderer } from './render.ts';
import type { Answered } from './request-log.ts';
import { requestId } from './server.ts';
import type { Targets } from './target.ts';
import { traceparentOf } from './traceparent.ts';
import type { UnreadAnswers } from './unread.ts';
import type { WindowCounters } from './window-counters.ts';

export interface KnownHitsOptions {
  readonly clients: () => ClientRegistry;
  readonly tokens: TokenVerifier | null;
  readonly trustsProxies: boolean;
  readonly targets: Targets;
  readonly readThrough: ReadThrough;
  readonly renderer: Renderer;
  readonly counters: WindowCounters;
  readonly rateLimit: Rate;
  readonly origins: Origins;
  readonly pageAnswers: PageAnswers;
  readonly draining: Draining;
  readonly eventLoop: EventLoop;
  readonly unread: UnreadAnswers;
  readonly noteAnswered: (answered: Answered) => void;
  readonly logger: FastifyBaseLogger;
}

/** Has the server answer known hits the short way, and all else as it does. */
export function answerKnownHits(server: Server, options: KnownHitsOptions): void {
  const { tokens, logger } = options;
  const longWays = server.listeners('request');
  // What has to be verified first is not known.
  const known = tokens === null ? null : { verify: (token: string, now: number) => tokens.known(token, now) };
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    try {
      if (answerKnownHit(request, response, known, options)) return;
    } catch (error) {
      logger.error({ err: error }, 'unexpected error on the short way');
      if (response.headersSent) return void response.destroy();
    }
    for (const longWay of longWays) Reflect.apply(longWay, server, [request, response]);
  });
}

/** Answers a known hit; false for any other request, which is left as it was. */
function answerKnownHit(
  request: IncomingMessage,
  response: ServerResponse,
  known: TokenCheck | null,
  options: KnownHitsOptions,
): boolean {
  const { draining, eventLoop, unread, targets, counters, origins } = options;
  const startedAt = performance.now();
  if (request.method !== 'GET' || isDemanding(request, options.trustsProxies)) return false;
  if (draining.hasBegun || eventLoop.isLate) return false;
  const target = targets.kept(request.url ?? '');
  if (target === undefined) return false;
  const now = Date.now();
  const reader = authenticate(request.rawHeaders, options.clients(), now, known);
  // Who has no name is counted by address, which Fastify finds out.
  if (reader === null || reader instanceof Promise || reader.isNameless === true) return false;
  const { conversation } = target;
  if (!allows(reader.scope, conversation)) return false;
  const client = clientKey(reader);
  if (!unread.hasRoomForClient(client)) return false;
  const rate = reader.rateLimit ?? options.rateLimit;
  if (counters.read(client, now).count >= rate.max) return false;
  const hit = lastHit(target.as[reader.view], reader.tailMaxAgeMs, options);
  if (hit === null) return false;
  const { answer, rendered } = hit;

  const id = requestId(request);
  const limits = limitHeaders(rate, counters.count(client, rate, now));
  const { status, headers, body } = pageAnswer(request.headers, answer, rendered, options.pageAnswers);
  const list = ['x-request-id', id].concat(origins.headersFor(request), limits, headers);
  if (body !== null) list.push('content-length', String(body.length));
  const note = (): void => {
    const durationMs = performance.now() - startedAt;
    const traceparent = traceparentOf(request.headers);
    options.noteAnswered({ id, traceparent, reader, conversation, status, outcome: answer.outcome, durationMs });
  };
  unread.expect(response, client);
  response.writeHead(status, list);
  response.end(body ?? undefined);
  // Mostly the system has taken it all by now, and nothing is left to wait for.
  if (response.writableFinished) note();
  else {
    draining.watch(request.socket, response);
    response.on('finish', note);
  }
  return true;
}

/** Whether it asks for more than a page, or for what is refused. */
function isDemanding({ headers, httpVersion }: IncomingMessage, trustsProxies: boolean): boolean {
  if (headers['cache-control'] !== undefined || headers.pragma !== undefined) return true;
  if (headers.host === undefined && httpVersion === '1.1') return true;
  return !trustsProxies && headers['x-forwarded-for'] !== undefined;
}
