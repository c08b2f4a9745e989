// The way of one request: authenticate → parse → scope → view → prove or read through → render → answer.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Outcome } from '../cache/outcome.ts';
import type { Demand, ReadThrough } from '../cache/read-through.ts';
import { allows } from '../clients/scope.ts';
import { queryOfView } from '../clients/view.ts';
import { BackscrollError, notFound } from '../errors.ts';
import { queryKey } from '../timeline/query.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { readerOf } from './authentication.ts';
import { cacheStatus } from './cache-status.ts';
import { isOfChatwoot, matchMessagesPath, parseIds } from './messages-path.ts';
import { parseQuery } from './parse-query.ts';
import type { Renderer } from './render.ts';
import { matchesEtag } from './render.ts';
import type { UnreadAnswers } from './unread.ts';

export interface MessagesRouteOptions {
  /** Puts the reader on each request before anything else is done with it. */
  readonly authenticate: (request: FastifyRequest) => Promise<void>;
  readonly readThrough: ReadThrough;
  readonly renderer: Renderer;
  readonly unread: UnreadAnswers;
  /** Whom a read of Chatwoot is counted for, as the rate limit counts requests. */
  readonly limitKey: (request: FastifyRequest) => string;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What was asked for, once it is known. */
    conversation: ConversationId | null;
    /** What the cache did, for logs and metrics; null where there is no answer from it. */
    outcome: Outcome | null;
  }
}

const PATHS = ['', '.json'].map((suffix) => `/api/v1/accounts/:account/conversations/:conversation/messages${suffix}`);

export function messagesRoute(app: FastifyInstance, options: MessagesRouteOptions): void {
  const { authenticate, readThrough, renderer, unread, limitKey } = options;
  /** What the caller's Cache-Control demands (RFC 9111 5.2.1): tail and meta as of now, or, if it may, everything. */
  const demandOf = (request: FastifyRequest, reply: FastifyReply, mayBypass: boolean): Demand => {
    const asOfNow = wantsAsOfNow(request);
    const signal = (): AbortSignal => {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort(new Error('the caller has gone')));
      return gone.signal;
    };
    return { asOfNow, bypass: asOfNow && mayBypass, reader: () => limitKey(request), signal };
  };
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    unread.admit(request, reply);
    const { path, search } = splitTarget(request.raw.url ?? '');
    const segments = matchMessagesPath(path);
    if (segments === null) throw notServed(path);
    const conversation = parseIds(segments);
    request.conversation = conversation;
    const asked = parseQuery(search);
    const reader = readerOf(request);
    if (!allows(reader.scope, conversation)) throw notFound();

    const query = queryOfView(reader.view, asked);
    const { forgets } = renderer;
    const answer = await readThrough.answer(conversation, query, demandOf(request, reply, reader.mayBypass));
    // Many may have been admitted before the first of them was answered.
    unread.admit(request, reply);
    request.outcome = answer.outcome;
    const key = query.mode === 'before_timestamp' ? 'before_timestamp' : queryKey(query);
    const { body, etag } = renderer.render({ conversation, query: key, view: reader.view, forgets }, answer);
    void reply.headers({
      etag,
      'cache-control': 'private, no-cache',
      age: String(Math.max(0, Math.floor(answer.ageMs / 1000))),
      'cache-status': cacheStatus(answer),
      vary: 'accept-encoding',
    });
    if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.header('content-type', 'application/json; charset=utf-8').send(body);
  };
  for (const url of PATHS) app.route({ method: ['GET', 'HEAD'], url, onRequest: authenticate, handler });
}

/** Refuses any other request: another method where messages are, another path. */
export function refuseOther(request: FastifyRequest, reply: FastifyReply): never {
  const { path } = splitTarget(request.raw.url ?? '');
  if (matchMessagesPath(path) === null) throw notServed(path);
  void reply.header('allow', 'GET, HEAD');
  throw served(405);
}

/** The answer to a path that is not ours. Clients of Chatwoot take its 404 for "there is no such thing", so what Chatwoot may have gets a 421. */
export function notServed(path: string): BackscrollError {
  return served(isOfChatwoot(path) ? 421 : 404);
}

function served(status: 404 | 405 | 421): BackscrollError {
  return new BackscrollError(
    'not_served',
    'Only GET and HEAD /api/v1/accounts/{account_id}/conversations/{conversation_id}/messages are served here',
    { status },
  );
}

/** Path and query string of a request target. The target may be in absolute form (RFC 9112 3.2.2). */
function splitTarget(target: string): { path: string; search: string } {
  const origin = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '');
  const mark = origin.indexOf('?');
  return mark < 0 ? { path: origin, search: '' } : { path: origin.slice(0, mark), search: origin.slice(mark + 1) };
}

/** Whether the caller's Cache-Control takes nothing that is kept (RFC 9111 5.2.1). */
function wantsAsOfNow({ headers }: FastifyRequest): boolean {
  const directives = (headers['cache-control'] ?? headers.pragma ?? '').toLowerCase().split(',');
  return directives.some((directive) => /^\s*(no-cache|no-store|max-age\s*=\s*"?0+"?)\s*$/.test(directive));
}
