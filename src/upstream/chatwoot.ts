// Chatwoot over HTTP: one pool of connections, the server's own token, and every failure as an error of ours.

import { Pool } from 'undici';
import { BackscrollError, type ErrorCode, notFound } from '../errors.ts';
import { messagesTarget, pathPrefix } from './chatwoot-url.ts';
import { exchange, type ExchangeAnswer } from './exchange.ts';
import { invalidAnswer } from './map-broken-exchange.ts';
import { mapFailure } from './map-failure.ts';
import { splitBody } from './split-body.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';

/** A token and the name of the setting it came from, for sentences to operators. */
export interface NamedToken {
  readonly setting: string;
  readonly token: string;
}

/** How an exchange ended: Chatwoot's status, or why there is none that counts. */
export type UpstreamStatus = number | 'invalid' | 'unreachable' | 'timeout' | 'aborted';

/** One exchange with Chatwoot, for metrics and logs. */
export interface UpstreamEvent {
  readonly purpose: 'read' | 'check';
  readonly status: UpstreamStatus;
  readonly durationMs: number;
  /** Of the body, 0 where it did not arrive whole. */
  readonly bytes: number;
}

export interface ChatwootOptions {
  /** Where Chatwoot is, with a path where it does not stand at the root. Credentials in it are not used. */
  readonly baseUrl: URL;
  /** The token to read an account with; without one, the account does not exist here. */
  readonly tokenFor: (accountId: number) => string | undefined;
  /** Every token in use, for `check`. */
  readonly tokens: readonly NamedToken[];
  /** Of Backscroll, for the User-Agent. */
  readonly version: string;
  readonly connections: number;
  /** For one exchange as a whole: waiting for a connection, sending, and all of the answer. */
  readonly timeoutMs: number;
  readonly bodyMaxBytes: number;
  /** The engine's clock, read right before a request is handed to the pool. */
  readonly now: () => number;
  readonly onRead?: (event: UpstreamEvent) => void;
}

/** No account has id 0, and Chatwoot judges the token before it looks for the account (contract 2.2). */
const NOWHERE = { accountId: 0, conversationId: 0 } as const;
const LATEST = { mode: 'latest', publicOnly: false } as const;

/** A token that a header can carry. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** Opens a client of one Chatwoot. No connection is made before the first read. */
export function createChatwoot(options: ChatwootOptions): Upstream {
  const { baseUrl, timeoutMs, bodyMaxBytes, now } = options;
  const prefix = pathPrefix(baseUrl);
  const pool = new Pool(baseUrl.origin, {
    connections: options.connections,
    pipelining: 1,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });

  /** Sends one GET, takes what `accept` makes of its answer, and reports how it went. */
  async function get<T>(
    purpose: UpstreamEvent['purpose'],
    target: string,
    token: string,
    accept: (answer: ExchangeAnswer) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (!SENDABLE.test(token)) {
      throw new BackscrollError('upstream_credentials', 'The token of this server holds characters that no header can carry');
    }
    const headers = {
      // With hyphens: nginx drops names with underscores (contract 2.1).
      'Api-Access-Token': token,
      Accept: 'application/json',
      'Accept-Encoding': 'identity',
      'User-Agent': `backscroll/${options.version}`,
    };
    const startedAt = performance.now();
    let answer: ExchangeAnswer | undefined;
    let status: UpstreamStatus = 'aborted';
    try {
      answer = await exchange(pool, { target, headers, timeoutMs, bodyMaxBytes }, signal);
      status = answer.status;
      return accept(answer);
    } catch (error) {
      status = upstreamStatus(error) ?? status;
      throw error;
    } finally {
      options.onRead?.({ purpose, status, durationMs: performance.now() - startedAt, bytes: answer?.body.length ?? 0 });
    }
  }

  /** The body of a 200 that says it is JSON. */
  function acceptPage(answer: ExchangeAnswer): Buffer {
    if (answer.status !== 200) throw failureOf(answer);
    if (!/^application\/json\s*(?:;|$)/i.test(answer.header('content-type') ?? '')) throw invalidAnswer('it is not JSON');
    if (!/^(?:identity)?$/i.test(answer.header('content-encoding') ?? ''))
      throw invalidAnswer('it is compressed though that was refused');
    return answer.body;
  }

  function failureOf(answer: ExchangeAnswer): BackscrollError {
    const { status, body } = answer;
    const [retryAfter, location] = [answer.header('retry-after'), answer.header('location')];
    return mapFailure({ status, body, retryAfter, location }, { baseUrl, nowMs: Date.now() });
  }

  /** A token is good when Chatwoot, having judged it, finds that there is no such account. */
  async function problemOf({ setting, token }: NamedToken, signal: AbortSignal | undefined): Promise<string | null> {
    let error: unknown;
    try {
      error = await get('check', messagesTarget(prefix, NOWHERE, LATEST), token, failureOf, signal);
    } catch (thrown) {
      error = thrown;
    }
    if (!(error instanceof BackscrollError)) throw error;
    if (error.code === 'not_found') return null;
    return error.code === 'upstream_credentials' ? `${setting}: ${error.message}` : error.message;
  }

  return {
    async read(conversation, query, signal): Promise<UpstreamAnswer> {
      const token = options.tokenFor(conversation.accountId);
      if (token === undefined) throw notFound();
      const target = messagesTarget(prefix, conversation, query);
      const askedAt = now();
      const page = await get('read', target, token, (answer) => splitBody(acceptPage(answer)), signal);
      const { rows, envelope } = page;
      if (query.mode === 'before_timestamp' || !page.learnable) {
        return { kind: 'unlearnable', answer: { rows, envelope, askedAt } };
      }
      return { kind: 'reading', reading: { query, rows, envelope, askedAt } };
    },

    async check(signal) {
      const asked = new Set<string>();
      for (const named of options.tokens) {
        if (asked.has(named.token)) continue;
        asked.add(named.token);
        // One after the other: the first problem is enough, and a check should not be felt.
        // oxlint-disable-next-line no-await-in-loop
        const problem = await problemOf(named, signal);
        if (problem !== null) return problem;
      }
      return null;
    },

    async close() {
      await pool.close();
    },
  };
}

const STATUS_OF_CODE: Partial<Record<ErrorCode, UpstreamStatus>> = {
  upstream_invalid: 'invalid',
  upstream_unreachable: 'unreachable',
  upstream_timeout: 'timeout',
};

/** How a failed exchange counts; `undefined` where Chatwoot's own status says it, or nothing was received at all. */
export function upstreamStatus(error: unknown): UpstreamStatus | undefined {
  return error instanceof BackscrollError ? STATUS_OF_CODE[error.code] : undefined;
}
