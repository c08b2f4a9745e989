// Serves messages, both ways: the long one, and the short one for pages that are known.

import type { FastifyBaseLogger, FastifyInstance, onRequestHookHandler } from 'fastify';
import type { ReadThrough } from '../cache/read-through.ts';
import type { TokenVerifier } from '../clients/jwt.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import { answerKnownHits } from './known-hits.ts';
import { messagesRoute, type AnswerOwn } from './messages-route.ts';
import type { HttpSettings, OpenHttp } from './open.ts';
import type { Renderer } from './render.ts';
import type { Answered } from './request-log.ts';
import { Targets } from './target.ts';
import { traceparentOf } from './traceparent.ts';

export interface ServeMessagesOptions {
  readonly settings: Pick<HttpSettings, 'rateLimit' | 'trustProxy'>;
  readonly clients: () => ClientRegistry;
  readonly tokens: TokenVerifier | null;
  /** Puts the reader on each request before anything else is done with it. */
  readonly authenticate: onRequestHookHandler;
  readonly answerOwn: AnswerOwn | undefined;
  readonly readThrough: ReadThrough;
  readonly renderer: Renderer;
  /** Told of each answered request. */
  readonly noteAnswered: (answered: Answered) => void;
  /** Has somebody hear of errors. */
  readonly hearErrors: ((scope: FastifyInstance) => void) | undefined;
  readonly logger: FastifyBaseLogger;
}

/** Must come after all other routes: from then on, what is known is answered before Fastify hears of it. */
export async function serveMessages(edge: OpenHttp, options: ServeMessagesOptions): Promise<void> {
  const { http, countedAs, unread, pageAnswers } = edge;
  const { settings, clients, tokens, authenticate, answerOwn, readThrough, renderer, noteAnswered, logger } = options;
  const targets = new Targets();
  await http.register(async (scope) => {
    scope.addHook('onResponse', (request, reply, done) => {
      const { id, outcome, reader, conversation } = request;
      const traceparent = traceparentOf(request.headers);
      noteAnswered({ id, traceparent, reader, conversation, outcome, status: reply.statusCode, durationMs: reply.elapsedTime });
      done();
    });
    options.hearErrors?.(scope);
    edge.guard(scope);
    messagesRoute(scope, { authenticate, readThrough, renderer, targets, pageAnswers, unread, answerOwn, limitKey: countedAs });
  });
  answerKnownHits(http.server, {
    clients,
    tokens,
    trustsProxies: settings.trustProxy !== false,
    targets,
    readThrough,
    renderer,
    counters: edge.counters,
    rateLimit: settings.rateLimit,
    origins: edge.origins,
    pageAnswers,
    draining: edge.draining,
    eventLoop: edge.eventLoop,
    unread,
    noteAnswered,
    logger,
  });
}
