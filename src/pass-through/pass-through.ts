// The way of one request for the rest of Chatwoot's API: who asks → where it goes → headers → body → Chatwoot → what it wrote → answer.
// A caller acts with its own token, and only with that: this server's is never sent for it, nor is any key of this server's.

import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { PassThrough, pipeline } from 'node:stream';
import type { Change } from '../cache/changes.ts';
import { ANONYMOUS } from '../clients/client.ts';
import { broughtToken, labelOf } from '../clients/own-token.ts';
import { BackscrollError } from '../errors.ts';
import { readerOf, tooManyFailures } from '../http/authentication.ts';
import { UnauthenticatedLimit } from '../http/unauthenticated-limit.ts';
import type { UnreadAnswers } from '../http/unread.ts';
import { newQuestionId } from '../upstream/misplaced.ts';
import type { OwnCallers } from './own-callers.ts';
import type { Passage } from './passage.ts';
import { passedBody, type PassedBody } from './passed-body.ts';
import { returnedHeaders, sentHeaders } from './passed-headers.ts';
import { passedTarget } from './passed-target.ts';
import type { PassThroughMetrics } from './pass-through-metrics.ts';
import { needsToken, routeShape } from './route-shape.ts';
import { changeBy } from './writes.ts';

export interface PassThroughOptions {
  readonly callers: OwnCallers;
  readonly passage: Passage;
  readonly metrics: PassThroughMetrics;
  readonly unread: UnreadAnswers;
  readonly addressOf: (request: FastifyRequest) => string;
  /** Whom turns at Chatwoot are shared by, as the rate limit counts requests. */
  readonly limitKey: (request: FastifyRequest) => string;
  /** Recognizes keys and tokens of this server's, or refuses. */
  readonly authenticate: onRequestHookHandler;
  /** Told what was written. Its caller is answered when that is in force. */
  readonly apply: (change: Change) => Promise<void>;
  readonly bodyMaxBytes: number;
  readonly timeoutMs: number;
}

const READING = ['GET', 'HEAD'];
const METHODS = [...READING, 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ROUTES = [
  { url: '/api', method: READING },
  { url: '/api/v1/*', method: METHODS },
  { url: '/api/v2/*', method: METHODS },
];

/** What is noted of a request on its way. */
interface Noted {
  route: string;
  sent: PassedBody | null;
  returned: number;
}

export function passThrough(app: FastifyInstance, options: PassThroughOptions): void {
  const { passage, callers, metrics, unread, apply, limitKey } = options;
  const noted = new WeakMap<FastifyRequest, Noted>();

  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    unread.admit(request, reply);
    const { method } = request;
    const own = readerOf(request).ownToken ?? null;
    const passed = passedTarget(request.raw.url ?? '');
    const note: Noted = { route: routeShape(passed), sent: null, returned: 0 };
    noted.set(request, note);
    const body = passedBody(request.raw, { maxBytes: options.bodyMaxBytes, stalledMs: options.timeoutMs });
    note.sent = body;
    const questionId = newQuestionId();
    const { rawHeaders } = request.raw;
    const headers = sentHeaders({ rawHeaders, own, questionId, hasBody: body !== null });
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort(new Error('the caller has gone')));

    const change = changeBy(method, passed.path);
    let wasSent = false;
    const onSent = (): void => void (wasSent = true);
    const asked = { method, target: passed.target, headers, questionId, body, who: limitKey(request), onSent };
    const answer = await passage.send({ ...asked, signal: gone.signal }).catch(async (error: unknown) => {
      body?.destroy();
      // Nobody knows whether it was written. Of a stranger, it was not.
      if (change !== null && wasSent && own !== null && callers.isTaken(own)) await apply(change);
      throw error;
    });
    const isDone = answer.status >= 200 && answer.status < 300;
    // Before its caller hears of it, and asks.
    if (change !== null && isDone) await apply(change);
    if (own !== null && answer.status === 401) callers.refused(request, own);
    if (own !== null && isDone && needsToken(passed)) callers.taken(own);

    const counted = new PassThrough({
      transform(chunk: Buffer, _encoding, next) {
        note.returned += chunk.length;
        next(null, chunk);
      },
    });
    // What ends one of the two ends the other; how, the caller sees from its answer.
    pipeline(answer.body, counted, () => body?.destroy());
    unread.watch(reply.raw);
    return reply.code(answer.status).headers(returnedHeaders(answer.headers)).send(counted);
  };

  app.addHook('onResponse', (request, reply, done) => {
    const { route, sent, returned } = noted.get(request) ?? { route: 'none', sent: null, returned: 0 };
    const { method } = request;
    // Who has left has got nothing, as nginx says it.
    const status = reply.raw.headersSent ? reply.statusCode : 499;
    const durationMs = reply.elapsedTime;
    metrics.passed({ method, route, status, durationMs, bytes: { sent: sent?.bytes ?? 0, returned } });
    const token = request.reader?.ownToken;
    request.log.info(
      { method, route, status, ...(token === undefined ? {} : { token: labelOf(token) }) },
      noted.has(request) ? 'passed' : 'not passed',
    );
    done();
  });
  const onRequest = recognise(options);
  for (const route of ROUTES) app.route({ ...route, onRequest, handler });
}

/** A hook that lets through who brings its own token, and who asks the one thing that needs none; it answers all others. */
function recognise({ callers, authenticate, addressOf }: PassThroughOptions): onRequestHookHandler {
  const strangers = new UnauthenticatedLimit();
  return function hook(request, reply, done) {
    const reader = callers.readerOf(request);
    if (reader?.ownToken !== undefined) {
      request.reader = reader;
      return done(callers.refusal(request, reply, reader.ownToken));
    }
    if (isFree(request)) {
      const [address, now] = [addressOf(request), Date.now()];
      request.reader = ANONYMOUS;
      const waitMs = strangers.waitMs(address, now);
      strangers.failed(address, now);
      return done(waitMs > 0 ? tooManyFailures(waitMs) : undefined);
    }
    authenticate.call(this, request, reply, (error) => done(error ?? refusalOf(request)));
  };
}

/** Which version of Chatwoot this is, anybody may ask. */
function isFree({ method, raw }: FastifyRequest): boolean {
  const brings = broughtToken(raw.rawHeaders).kind !== 'nothing' || raw.headers.authorization !== undefined;
  return (method === 'GET' || method === 'HEAD') && !brings && /^\/+api\/*(?:\?|$)/.test(raw.url ?? '');
}

/** What somebody is told who is known here and not at Chatwoot. */
function refusalOf(request: FastifyRequest): BackscrollError {
  const sentence = 'Send a Chatwoot token of your own in the api_access_token header';
  return request.reader === ANONYMOUS
    ? new BackscrollError('unauthenticated', `${sentence}: without one, only messages are served here`)
    : new BackscrollError('not_served', `A key of this server reads messages only. ${sentence} for all else`, { status: 421 });
}
