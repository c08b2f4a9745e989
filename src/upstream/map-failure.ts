// What an answer other than a page means to a caller: status, headers and body in, error out. Nothing of the body, no address
// and no token goes into a message.

import { BackscrollError, notFound, type UpstreamSaid } from '../errors.ts';
import { type Answered, type Refusal, refusalOf } from './chatwoot-refusal.ts';

/** What the sentences depend on beside the answer. */
export interface FailureContext {
  readonly baseUrl: URL;
  /** Unix milliseconds, for a Retry-After that is a date. */
  readonly nowMs: number;
  /** Which account was asked about, where one was. */
  readonly accountId?: number | undefined;
  /** What was sent as the token: a header that holds it is not told. */
  readonly token: string;
}

/** Chatwoot's 429 has no Retry-After (contract 2.3); its window is a minute. */
const RETRY_AFTER_DEFAULT = 10;
const RETRY_AFTER_MAX = 3600;

/** Chatwoot's own 401 in words that are not known. What it is about follows from what the token may do elsewhere. */
export class UntoldRefusal extends BackscrollError {
  constructor(upstream: UpstreamSaid) {
    super('upstream_forbidden', FORBIDDEN, { upstream });
    this.name = 'UntoldRefusal';
  }
}

/** What nginx, and what Go's servers say to a request without TLS. */
const PLAIN_TO_TLS = /plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server/;

const FORBIDDEN =
  'Chatwoot does not let the user of this server read this conversation. Make that user an administrator of the account';

/** The error for an answer that is not 200. */
export function mapFailure(answer: Answered, context: FailureContext): BackscrollError {
  const { status } = answer;
  const upstream: UpstreamSaid = { status, retryAfter: retryAfterSeconds(answer.header('retry-after'), context.nowMs) };
  const refusal = refusalOf(answer);
  if (refusal !== null) return mapRefusal(refusal, upstream, context.accountId);
  const { retryAfter } = upstream;
  if (status === 429) {
    return new BackscrollError('upstream_busy', 'Chatwoot receives too many requests; try again later', {
      retryAfter: retryAfter ?? RETRY_AFTER_DEFAULT,
      upstream,
    });
  }
  if (status >= 500) {
    const message = `Chatwoot failed to answer (status ${status}); try again later`;
    return new BackscrollError('upstream_error', message, { retryAfter, upstream });
  }
  const what = `status ${status}${whatAnswered(answer, context.token)}`;
  if (status === 401 || status === 403) {
    const message = `Something before Chatwoot refuses the request (${what}). Let this server pass there, or check CHATWOOT_URL`;
    return new BackscrollError('upstream_error', message, { upstream });
  }
  if (status === 404) {
    const message = `There is no Chatwoot API at the configured address (${what}). Check CHATWOOT_URL and what stands between here and Chatwoot`;
    return new BackscrollError('upstream_error', message, { upstream });
  }
  if (status === 400 && PLAIN_TO_TLS.test(answer.body.toString('latin1'))) {
    return new BackscrollError('upstream_error', 'CHATWOOT_URL says http where https is answered: write https:// there', {
      upstream,
    });
  }
  if (status >= 400) {
    const message = `Chatwoot does not accept the request (${what}). Check CHATWOOT_URL and what stands between here and Chatwoot`;
    return new BackscrollError('upstream_error', message, { upstream });
  }
  if (status >= 300) return mapRedirect(answer.header('location'), context.baseUrl, upstream);
  return new BackscrollError(
    'upstream_invalid',
    `Chatwoot's answer (${what}) is not one that it gives to this request. Check that CHATWOOT_URL leads to Chatwoot itself`,
    { upstream },
  );
}

function mapRefusal(refusal: Refusal, upstream: UpstreamSaid, accountId: number | undefined): BackscrollError {
  switch (refusal) {
    case 'unknown-token':
      return rejected('it does not know it. Copy it again from the profile of its user', upstream);
    case 'bot-token':
      return rejected('it belongs to an agent bot, which may not list messages. Use that of an administrator', upstream);
    case 'no-token':
      return rejected('it did not arrive. Let proxies before Chatwoot pass the Api-Access-Token header', upstream);
    case 'no-access':
      return new BackscrollError('upstream_forbidden', FORBIDDEN, { upstream });
    case 'suspended':
      return new BackscrollError('upstream_forbidden', 'Chatwoot has suspended this account', { upstream });
    case 'untold':
      return new UntoldRefusal(upstream);
    case 'no-api-access':
      return new BackscrollError('upstream_credentials', withoutApiAccess(accountId === undefined ? [] : [accountId]), {
        upstream,
      });
    case 'not-found':
      return notFound(upstream);
    case 'statement-timeout':
      return new BackscrollError('upstream_timeout', 'Chatwoot gave up this read because it took too long; try again later', {
        upstream,
      });
  }
}

/** `why`: what is wrong with it, and what to do. */
export function rejected(why: string, upstream: UpstreamSaid): BackscrollError {
  return new BackscrollError('upstream_credentials', `Chatwoot rejects the token of this server: ${why}`, { upstream });
}

/** The sentence for accounts that Chatwoot does not let be read by token. */
export function withoutApiAccess(accounts: readonly number[]): string {
  const which = accounts.length === 0 ? 'this account' : `account${accounts.length === 1 ? '' : 's'} ${accounts.join(', ')}`;
  return `API access is not enabled in Chatwoot for ${which}. Have it enabled there, which on Chatwoot Cloud depends on the plan`;
}

/**
 * Who it was, in a few words: what stands before Chatwoot mostly names itself. The name of a product only, for the answer is shown
 * to callers: no version, no host name.
 */
export function whatAnswered({ header }: Pick<Answered, 'header'>, token: string): string {
  const word = (name: string, form: RegExp): string | undefined => {
    const found = form.exec(header(name) ?? '')?.[0];
    return found === undefined || found.includes(token) || token.includes(found) ? undefined : found;
  };
  const server = word('server', /^[a-z][a-z-]{0,29}(?![\w.:])/i);
  const mitigated = word('cf-mitigated', /^[a-z]{1,20}$/i);
  const parts = [
    server === undefined ? undefined : `server ${server}`,
    word('content-type', /^[a-z]{1,20}\/[a-z0-9][a-z0-9.+-]{0,39}(?=\s*(?:;|$))/i),
    mitigated === undefined ? undefined : `cf-mitigated ${mitigated}`,
  ];
  return parts.map((part) => (part === undefined ? '' : `, ${part}`)).join('');
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
