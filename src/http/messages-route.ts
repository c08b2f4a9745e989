// The way of one request: authenticate → parse → scope → view → prove or read through → render → answer.

import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Outcome } from '../cache/outcome.ts';
import type { Answer, Demand, ReadThrough } from '../cache/read-through.ts';
import type { Reader } from '../clients/client.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import { allows } from '../clients/scope.ts';
import { BackscrollError, notFound } from '../errors.ts';
import type { Query } from '../timeline/query.ts';
import type { ConversationId, TimestampQuery } from '../upstream/upstream.ts';
import { readerOf } from './authentication.ts';
import { hasGone } from './connections.ts';
import { putHeaders } from './header-list.ts';
import { isOfChatwoot, matchMessagesPath } from './messages-path.ts';
import { pageAnswer, type PageAnswers } from './page-answer.ts';
import { sizeOf, type Rendered, type Renderer, type Subject } from './render.ts';
import { splitTarget, type Targets } from './target.ts';
import { traceparentOf } from './traceparent.ts';
import type { UnreadAnswers } from './unread.ts';

export interface MessagesRouteOptions {
  /** Puts the reader on each request before anything else is done with it. */
  readonly authenticate: onRequestHookHandler;
  readonly readThrough: ReadThrough;
  readonly renderer: Renderer;
  readonly targets: Targets;
  readonly pageAnswers: PageAnswers;
  readonly unread: UnreadAnswers;
  /** Answers who brings a Chatwoot token of its own; absent where nobody may. */
  readonly answerOwn?: AnswerOwn | undefined;
  /** Whom a read of Chatwoot is counted for, as the rate limit counts requests. */
  readonly limitKey: (request: FastifyRequest) => string;
}

export type AnswerOwn = (
  request: FastifyRequest,
  own: OwnToken,
  asked: { readonly conversation: ConversationId; readonly query: Query | TimestampQuery; readonly demand: Demand },
) => Promise<Answer>;

declare module 'fastify' {
  interface FastifyRequest {
    /** What was asked for, once it is known. */
    conversation: ConversationId | null;
    /** What the cache did, for logs and metrics; null where there is no answer from it. */
    outcome: Outcome | null;
  }
}

/** What a page takes for each row that it only refers to. */
const REFERENCE_BYTES = 8;

const PATHS = ['', '.json'].map((suffix) => `/api/v1/accounts/:account/conversations/:conversation/messages${suffix}`);

export function messagesRoute(app: FastifyInstance, options: MessagesRouteOptions): void {
  const { authenticate, readThrough, renderer, unread, answerOwn = refuseOwn, limitKey, targets, pageAnswers } = options;
  /** What the caller's Cache-Control demands (RFC 9111 5.2.1): tail and meta as of now, or, if it may, everything. */
  const demandOf = (request: FastifyRequest, reply: FastifyReply, { mayBypass, tailMaxAgeMs }: Reader): Demand => {
    const asOfNow = wantsAsOfNow(request);
    const signal = (): AbortSignal => {
      const gone = new AbortController();
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort(new Error('the caller has gone'));
      });
      return gone.signal;
    };
    const traceparent = traceparentOf(request.headers);
    return { asOfNow, bypass: asOfNow && mayBypass, tailMaxAgeMs, reader: () => limitKey(request), traceparent, signal };
  };
  const send = (request: FastifyRequest, reply: FastifyReply, answer: Answer, rendered: Rendered): void => {
    request.outcome = answer.outcome;
    const { status, headers, body } = pageAnswer(request.headers, answer, rendered, pageAnswers);
    putHeaders(reply, headers);
    void reply.code(status).send(body ?? undefined);
  };
  /** Null where by its turn there is no room for it, or the caller has gone. */
  const renderLater = async (request: FastifyRequest, subject: Subject, answer: Answer): Promise<Rendered | null> => {
    // What follows from what is known is made of rows that are there anyway.
    const readBytes = sizeOf(answer) + (answer.body?.length ?? 0);
    const ownBytes = answer.ttlMs === null ? readBytes : answer.rows.length * REFERENCE_BYTES;
    const letGo = unread.hold(request, answer.rows, ownBytes);
    const mayHave = (): boolean => !hasGone(request) && unread.hasTurnFor(request);
    try {
      return await renderer.renderInTurns(subject, answer, { reader: limitKey(request), mayHave });
    } finally {
      letGo();
    }
  };
  const sendLater = async (
    request: FastifyRequest,
    reply: FastifyReply,
    subject: Subject,
    read: Answer | Promise<Answer>,
  ): Promise<void> => {
    const answer = await read;
    // Many may have been admitted before the first of them was answered, or made.
    unread.admit(request, reply);
    let rendered = renderer.renderNow(subject, answer);
    while (rendered === null) {
      // oxlint-disable-next-line no-await-in-loop -- again only where there was no room for it, and is now
      rendered = await renderLater(request, subject, answer);
      if (hasGone(request)) throw new Error('the caller has gone');
      if (rendered === null) unread.admit(request, reply);
    }
    send(request, reply, answer, rendered);
  };
  // Not async: a page that is known is sent in the turn in which it was asked for.
  const handler = (request: FastifyRequest, reply: FastifyReply): Promise<void> | void => {
    unread.admit(request, reply);
    const url = request.raw.url ?? '';
    const target = targets.parse(url, (conversation) => (request.conversation = conversation));
    if (target === null) throw notServed(splitTarget(url).path);
    const { conversation } = target;
    const reader = readerOf(request);
    if (!allows(reader.scope, conversation)) throw notFound();

    const { query, page } = target.as[reader.view];
    const subject = { ...page, forgets: renderer.forgets };
    const demand = demandOf(request, reply, reader);
    const { ownToken } = reader;
    const answer =
      ownToken === undefined
        ? readThrough.answerSoon(conversation, query, demand)
        : answerOwn(request, ownToken, { conversation, query, demand });
    if (answer instanceof Promise) return sendLater(request, reply, subject, answer);
    const rendered = renderer.renderNow(subject, answer);
    if (rendered === null) return sendLater(request, reply, subject, answer);
    send(request, reply, answer, rendered);
  };
  for (const url of PATHS) app.route({ method: ['GET', 'HEAD'], url, onRequest: authenticate, handler });
}

function refuseOwn(): never {
  throw new Error('a caller with a token of its own came where none is served');
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
    'Only GET and HEAD /api/v1/accounts/{account_id}/conversations/{conversation_id}/messages are served here, and with PASS_THROUGH the rest of /api/v1 and /api/v2 to callers with a Chatwoot token of their own',
    { status },
  );
}

/** Whether the caller's Cache-Control takes nothing that is kept (RFC 9111 5.2.1). */
function wantsAsOfNow({ headers }: FastifyRequest): boolean {
  const directives = headers['cache-control'] ?? headers.pragma;
  if (directives === undefined) return false;
  return directives
    .toLowerCase()
    .split(',')
    .some((directive) => /^\s*(no-cache|no-store|max-age\s*=\s*"?0+"?)\s*$/.test(directive));
}
