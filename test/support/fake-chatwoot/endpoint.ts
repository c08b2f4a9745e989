// From a request to Chatwoot's answer: throttle, routing, parameters, credentials, policy, finder, in that order.

import type { Answer } from './answer.ts';
import {
  badRequestAnswer,
  jsonAnswer,
  notAcceptableAnswer,
  notFoundPageAnswer,
  pumaAnswer,
  refusalAnswer,
  serverErrorAnswer,
  statementTimeoutAnswer,
  throttledAnswer,
  unprocessableAnswer,
} from './answer.ts';
import { cgiHeaders } from './cgi-headers.ts';
import { authenticate, authorize, readCredentials } from './credentials.ts';
import { finderParams, requestParams } from './rails-params.ts';
import { localeOf, sessionTraces, type Context, type Installation } from './context.ts';
import type { LoggedRequest } from './request-log.ts';
import { restAnswer } from './rest.ts';
import type { Route } from './route.ts';
import { route } from './route.ts';
import { BadRequest } from './ruby-string.ts';
import { remoteIp } from './throttle.ts';
import { WEBHOOK_EVENTS } from './webhooks.ts';

/** Puma's longest query, in bytes (contract 1.2). */
const QUERY_BYTES_MAX = 10_240;

/** The answer to a request. The table is read during this call, once and at once. */
export function answerTo(installation: Installation, request: LoggedRequest): Answer {
  const headers = cgiHeaders(request.rawHeaders);
  const query = request.search.slice(1);
  if (query.length > QUERY_BYTES_MAX) {
    return pumaAnswer(
      400,
      `Puma caught this error: HTTP element QUERY_STRING is longer than the (1024 * 10) allowed length (was ${query.length})\n`,
    );
  }
  if (requestAgeMs(headers.get('X_REQUEST_START'), request.at) > 30_000) {
    return pumaAnswer(500, 'Puma caught this error: Request older than 30000ms. (Rack::Timeout::RequestExpiryError)\n');
  }
  const ip = remoteIp(request.peer, headers.get('X_FORWARDED_FOR'));
  if (installation.throttle?.exceeds(ip, request.at) === true) return throttledAnswer();
  try {
    const target = route(request.path);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (target.action === 'none' || !mayBe(target, request.method, isRead)) return notFoundPageAnswer();
    const params = requestParams(query, { contentType: headers.get('CONTENT_TYPE') ?? '', text: request.body });
    const context = { request, headers, params, installation };
    if (target.action === 'webhooks') return saveWebhook(context, target);
    if (target.action === 'profile') return profile(context);
    return target.action === 'messages' && isRead ? messages(context, target) : restAnswer(context, target);
  } catch (error) {
    if (error instanceof BadRequest) return badRequestAnswer();
    throw error;
  }
}

/** Of what is no more than a reading of its own, or a writing. */
function mayBe(target: Route, method: string, isRead: boolean): boolean {
  if (target.action === 'webhooks') return method === (target.webhookId === undefined ? 'POST' : 'PATCH');
  return target.action !== 'profile' || isRead;
}

function messages(context: Context, target: Extract<Route, { action: 'messages' }>): Answer {
  const { headers, params, installation } = context;
  const { table, directory, failing, tooSlow, accountLocale } = installation;
  const credentials = readCredentials(directory, headers, params);
  const identity = authenticate(directory, credentials);
  if (typeof identity === 'string') return refusalAnswer(identity, localeOf(params));
  const { accountId, conversationId, format } = target;
  const isFailing = failing.has(`${accountId}/${conversationId}`);
  const exists = isFailing || table.hasConversation(accountId, conversationId);
  const refusal = authorize(directory, identity, { accountId, conversationId, exists });
  if (refusal !== undefined) return refusalAnswer(refusal, localeOf(params), accountLocale);
  const asked = finderParams(params);
  if (asked === undefined || isFailing) return serverErrorAnswer();
  if (tooSlow.has(`${accountId}/${conversationId}`)) {
    return asked.after === undefined ? statementTimeoutAnswer(accountLocale) : serverErrorAnswer();
  }
  if (format !== 'json') return notAcceptableAnswer(format);
  return jsonAnswer(table.body(accountId, conversationId, asked), {
    ifNoneMatch: headers.get('IF_NONE_MATCH'),
    ...sessionTraces(directory, credentials, identity.user),
  });
}

/** `GET /api/v1/profile`, reduced to what names the user (contract 8). */
function profile({ headers, params, installation: { directory } }: Context): Answer {
  const credentials = readCredentials(directory, headers, params);
  const identity = authenticate(directory, credentials);
  if (typeof identity === 'string') return refusalAnswer(identity, localeOf(params));
  const { id, name, email } = identity.user;
  const accounts = directory.accountsOf(identity.user);
  // The token itself is shown, but to users all of whose accounts are without API access.
  const shown = accounts.some((account) => account.api_and_webhooks !== false) ? credentials.token : '';
  const shownUser = { id, name, email, access_token: shown, pubsub_token: directory.pubsubTokenOf(identity.user), accounts };
  return jsonAnswer(JSON.stringify(shownUser), {
    ifNoneMatch: headers.get('IF_NONE_MATCH'),
    ...sessionTraces(directory, credentials, identity.user),
  });
}

/** `POST /api/v1/accounts/{id}/webhooks`, and `PATCH` of one that exists, for administrators (contract 7.2). */
function saveWebhook(
  { request, headers, params, installation: { directory, webhooks } }: Context,
  { accountId, webhookId }: Extract<Route, { action: 'webhooks' }>,
): Answer {
  const identity = authenticate(directory, readCredentials(directory, headers, params));
  if (typeof identity === 'string') return refusalAnswer(identity, localeOf(params));
  if (!directory.hasAccount(accountId)) return refusalAnswer('no-account', 'en');
  const membership = directory.membership(identity.user, accountId);
  if (membership === undefined) return refusalAnswer('not-a-member', 'en');
  if (membership.role !== 'administrator') return refusalAnswer('no-access', 'en');
  const { url = '', subscriptions = WEBHOOK_EVENTS } = JSON.parse(request.body) as { url?: string; subscriptions?: string[] };
  if (!/^https?:\/\//.test(url)) return unprocessableAnswer('Url is invalid', 'url');
  if (webhooks.isRegistered(accountId, url)) return unprocessableAnswer('Url has already been taken', 'url');
  if (subscriptions.length === 0 || subscriptions.some((event) => !WEBHOOK_EVENTS.includes(event))) {
    return unprocessableAnswer('Subscriptions Invalid events', 'subscriptions');
  }
  const saved =
    webhookId === undefined ? webhooks.register(accountId, url, subscriptions) : webhooks.move(accountId, webhookId, url);
  if (saved === undefined) return refusalAnswer('no-conversation', 'en');
  const { id, secret } = saved;
  const webhook = { id, name: null, url, account_id: accountId, subscriptions, ...(secret === undefined ? {} : { secret }) };
  return jsonAnswer(JSON.stringify({ payload: { webhook } }));
}

/** rack-timeout reads `t=seconds.millis` and bare milliseconds; anything else, and no header, has no age (contract 2.2). */
function requestAgeMs(requestStart: string | undefined, nowMs: number): number {
  const match = /^(?:t=)?(\d+)\.(\d{3})$/.exec(requestStart ?? '') ?? /^(\d+)()$/.exec(requestStart ?? '');
  return match === null ? 0 : nowMs - Number(`${match[1]}${match[2]}`);
}
