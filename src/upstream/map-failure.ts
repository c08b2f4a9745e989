// What an answer of Chatwoot other than 200 means to a caller: status and body in, error out. Nothing of the body, no address and
// no token goes into a message.

import { BackscrollError, notFound, type UpstreamSaid } from '../errors.ts';

/** An answer that is not a page. */
export interface FailedAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly location: string | undefined;
  readonly body: Buffer;
}

/** What the sentences depend on beside the answer. */
export interface FailureContext {
  readonly baseUrl: URL;
  /** Unix milliseconds, for a Retry-After that is a date. */
  readonly nowMs: number;
}

/** What Chatwoot's own 401 bodies say (contract 2.2). */
const BOT_TOKEN = 'Access to this endpoint is not authorized for bots';
const UNKNOWN_TOKEN = 'Invalid Access Token';
/** These judge what the token's user may see, not the token. */
const NO_ACCESS: ReadonlySet<unknown> = new Set([
  'You are not authorized to do this action',
  'You are not authorized to access this account',
  'Account is suspended',
]);
const NO_SUCH_THING = 'Resource could not be found';

/** Chatwoot's 429 has no Retry-After (contract 2.3); its window is a minute. */
const RETRY_AFTER_DEFAULT = 10;
const RETRY_AFTER_MAX = 3600;

/** The error for an answer that is not 200. */
export function mapFailure(answer: FailedAnswer, context: FailureContext): BackscrollError {
  const { status } = answer;
  const said: UpstreamSaid = { status, retryAfter: retryAfterSeconds(answer.retryAfter, context.nowMs) };
  if (status === 401) return mapUnauthorized(errorBody(answer.body), said);
  if (status === 403) return forbidden(said);
  if (status === 404) return mapNotFound(errorBody(answer.body), said);
  if (status === 429) {
    return new BackscrollError('upstream_busy', 'Chatwoot receives too many requests; try again later', {
      retryAfter: said.retryAfter ?? RETRY_AFTER_DEFAULT,
      upstream: said,
    });
  }
  if (status >= 500) {
    return new BackscrollError('upstream_error', `Chatwoot failed to answer (status ${status}); try again later`, {
      retryAfter: said.retryAfter,
      upstream: said,
    });
  }
  if (status >= 400) {
    return new BackscrollError(
      'upstream_error',
      `Chatwoot does not accept the request (status ${status}). Check CHATWOOT_URL and what stands between here and Chatwoot`,
      { upstream: said },
    );
  }
  if (status >= 300) return mapRedirect(answer.location, context.baseUrl, said);
  return new BackscrollError(
    'upstream_invalid',
    `Chatwoot's answer (status ${status}) is not one that it gives to this request. Check that CHATWOOT_URL leads to Chatwoot itself`,
    { upstream: said },
  );
}

function mapUnauthorized(body: Readonly<Record<string, unknown>>, upstream: UpstreamSaid): BackscrollError {
  if (NO_ACCESS.has(body['error'])) return forbidden(upstream);
  const message = `Chatwoot rejects the token of this server: ${whyRejected(body)}`;
  return new BackscrollError('upstream_credentials', message, { upstream });
}

function whyRejected(body: Readonly<Record<string, unknown>>): string {
  if (body['error'] === BOT_TOKEN) return 'it belongs to an agent bot, which may not list messages. Use that of an administrator';
  if (body['error'] === UNKNOWN_TOKEN) return 'it does not know it. Copy it again from the profile of its user';
  // Its sentence is translated (contract 2.2), its shape is not.
  if (Array.isArray(body['errors'])) return 'it did not arrive. Let proxies before Chatwoot pass the Api-Access-Token header';
  return 'it asks for other credentials. Check CHATWOOT_URL and what stands between here and Chatwoot';
}

function forbidden(upstream: UpstreamSaid): BackscrollError {
  return new BackscrollError(
    'upstream_forbidden',
    'Chatwoot does not let the user of this server read this conversation. Make that user an administrator of the account',
    { upstream },
  );
}

function mapNotFound(body: Readonly<Record<string, unknown>>, upstream: UpstreamSaid): BackscrollError {
  // Only Chatwoot's own sentence: a wrong address must not look like a deleted conversation.
  if (body['error'] === NO_SUCH_THING) return notFound(upstream);
  return new BackscrollError(
    'upstream_error',
    'There is no Chatwoot API at the configured address (status 404). Check CHATWOOT_URL and what stands between here and Chatwoot',
    { upstream },
  );
}

function mapRedirect(location: string | undefined, baseUrl: URL, upstream: UpstreamSaid): BackscrollError {
  const hint = redirectsToHttps(location, baseUrl)
    ? 'CHATWOOT_URL says http where Chatwoot wants https: write it with https://'
    : 'CHATWOOT_URL is not the address that Chatwoot calls its own: check its host name and path';
  return new BackscrollError('upstream_redirect', `Chatwoot redirects to another address. ${hint}`, { upstream });
}

function redirectsToHttps(location: string | undefined, baseUrl: URL): boolean {
  if (location === undefined || baseUrl.protocol !== 'http:' || !URL.canParse(location, baseUrl.href)) return false;
  return new URL(location, baseUrl).protocol === 'https:';
}

/** Retry-After is seconds or a date (RFC 9110, 10.2.3). */
function retryAfterSeconds(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : Math.ceil((Date.parse(value) - nowMs) / 1000);
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(seconds, 1), RETRY_AFTER_MAX);
}

/** The members of a JSON error body, none of any other body. */
function errorBody(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
