// Chatwoot over HTTP: one pool of connections, the server's own token, and every failure as an error of ours.

import { BackscrollError, type ErrorCode, notFound } from '../errors.ts';
import { STEP_BYTES } from '../steps.ts';
import { abortable } from './abortable.ts';
import { type CacheMark, cacheMark } from './cache-marks.ts';
import { messagesTarget, pathPrefix } from './chatwoot-url.ts';
import { openConnections } from './connections.ts';
import { exchange, type ExchangeAnswer } from './exchange.ts';
import { ConnectionSilent, invalidAnswer } from './map-broken-exchange.ts';
import { type FailureContext, mapFailure, UntoldRefusal, whatAnswered } from './map-failure.ts';
import { isToAnother, MisplacedAnswer, newQuestionId } from './misplaced.ts';
import { throwIfRefused } from './own-token-refused.ts';
import { Patience } from './patience.ts';
import type { Proxies } from './proxies.ts';
import { splitBodyInTurns } from './split-body.ts';
import {
  apiAccessProblem,
  judgeToken,
  LATEST,
  type ListedAccount,
  listedAccounts,
  NOWHERE,
  type UserProfile,
  userProfile,
} from './token-check.ts';
import type { ConversationId, UnlearnableBecause, Upstream, UpstreamAnswer } from './upstream.ts';

/** A token and the name of the setting it came from, for sentences to operators. */
export interface NamedToken {
  readonly setting: string;
  readonly token: string;
  /** The only account that it is used for. */
  readonly account?: number;
}

/**
 * How an exchange ended: Chatwoot's status, or why there is none that counts. `misplaced`: it answered another question;
 * `silent`: its connection said nothing any more.
 */
export type UpstreamStatus = number | 'invalid' | 'misplaced' | 'silent' | 'unreachable' | 'timeout' | 'aborted';

/**
 * What an operator must know of an answer.
 * - `misplaced`: it was to another question.
 * - `cached`: it came out of a cache between here and Chatwoot.
 */
export type UpstreamNotice =
  | { readonly kind: 'misplaced'; readonly conversation: ConversationId | null }
  | { readonly kind: 'cached'; readonly mark: CacheMark };

/** One exchange with Chatwoot, for metrics and logs. */
export interface UpstreamEvent {
  readonly purpose: 'read' | 'check';
  readonly status: UpstreamStatus;
  readonly durationMs: number;
  /** Of the body without its coding, 0 where it did not arrive whole. */
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
  readonly proxies?: Proxies;
  /** For one exchange as a whole: waiting for a connection, sending, and all of the answer. */
  readonly timeoutMs: number;
  readonly bodyMaxBytes: number;
  /** The engine's clock, read right before a request is handed to the pool. */
  readonly now: () => number;
  readonly onRead?: (event: UpstreamEvent) => void;
  readonly onNotice?: (notice: UpstreamNotice) => void;
}

/** How long it is believed what Chatwoot thinks of a token, where a refusal does not say what it is about, ms. */
const JUDGED_FOR_MS = 60_000;

interface Question {
  readonly purpose: UpstreamEvent['purpose'];
  readonly target: string;
  readonly token: string;
  readonly conversation?: ConversationId | null;
  /** The trace that it is part of. */
  readonly traceparent?: string | undefined;
  /** The failure that it is asked again for. */
  readonly again?: Error | undefined;
  readonly hasDeadline?: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Chatwoot as only this server's own user sees it, beside what is read for callers. */
export interface Chatwoot extends Upstream {
  /** Whose token it is. @throws BackscrollError where Chatwoot does not tell */
  profile(token: string, signal?: AbortSignal): Promise<UserProfile>;
}

/** A token that a header can carry. */
const SENDABLE = /^[\x21-\x7e]+$/;

/** Opens a client of one Chatwoot. No connection is made before the first read. */
export function createChatwoot(options: ChatwootOptions): Chatwoot {
  const { baseUrl, timeoutMs, bodyMaxBytes, now } = options;
  const prefix = pathPrefix(baseUrl);
  const connections = openConnections(baseUrl, options);
  const patience = new Patience({ timeoutMs, now: () => performance.now() });

  /** Sends one GET, takes what `accept` makes of its answer, and reports how it went. */
  async function get<T>(
    { purpose, target, token, conversation = null, traceparent, again, hasDeadline = false, signal }: Question,
    accept: (answer: ExchangeAnswer) => T | Promise<T>,
  ): Promise<T> {
    if (!SENDABLE.test(token)) {
      throw new BackscrollError('upstream_credentials', 'The token of this server holds characters that no header can carry');
    }
    const id = newQuestionId();
    const headers = {
      // With hyphens: nginx drops names with underscores (contract 2.1).
      'Api-Access-Token': token,
      Accept: 'application/json',
      'Cache-Control': 'no-cache',
      'User-Agent': `backscroll/${options.version}`,
      'X-Request-Id': id,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    const startedAt = performance.now();
    let answer: ExchangeAnswer | undefined;
    let status: UpstreamStatus = 'aborted';
    const inVain = again instanceof ConnectionSilent ? setTimeout(() => patience.wasInVain(), patience.leastMs) : undefined;
    try {
      const onHead = (afterMs: number): void => {
        clearTimeout(inVain);
        patience.answered(afterMs);
      };
      const silenceMs = purpose === 'read' && again === undefined ? patience.silenceMs : null;
      const request = { target, headers, timeoutMs, hasDeadline, bodyMaxBytes, silenceMs, onHead };
      answer = await exchange(connections, request, signal);
      status = answer.status;
      // A cache that says so has kept the id along with the answer.
      if (isToAnother(id, answer.header('x-request-id')) && cacheMark(answer.header) === null) throw new MisplacedAnswer();
      return await accept(answer);
    } catch (error) {
      status = upstreamStatus(error) ?? status;
      if (error instanceof MisplacedAnswer) {
        answer?.closeConnection();
        options.onNotice?.({ kind: 'misplaced', conversation });
      }
      throw error;
    } finally {
      clearTimeout(inVain);
      options.onRead?.({ purpose, status, durationMs: performance.now() - startedAt, bytes: answer?.body.length ?? 0 });
    }
  }

  function contextOf(token: string, accountId?: number): FailureContext {
    return { baseUrl, token, accountId, nowMs: Date.now() };
  }

  /** A token is good when Chatwoot, having judged it, finds that there is no such account. */
  async function problemOf(token: string, signal: AbortSignal | undefined): Promise<BackscrollError | null> {
    const question = { purpose: 'check', target: messagesTarget(prefix, NOWHERE, LATEST), token, signal } as const;
    try {
      return await get(question, (answer) => judgeToken(answer, contextOf(token)));
    } catch (error) {
      if (error instanceof BackscrollError) return error;
      throw error;
    }
  }

  /** The accounts that a token reaches; none where its profile does not tell, which says nothing against the token. */
  async function accountsOf(token: string, signal: AbortSignal | undefined): Promise<readonly ListedAccount[]> {
    try {
      return (await get({ purpose: 'check', target: `${prefix}/api/v1/profile`, token, signal }, listedAccounts)) ?? [];
    } catch (error) {
      if (error instanceof BackscrollError) return [];
      throw error;
    }
  }

  /** What a token's profile says of its user. */
  async function profileOf(token: string, signal: AbortSignal | undefined): Promise<UserProfile> {
    return get({ purpose: 'check', target: `${prefix}/api/v1/profile`, token, signal }, (answer) => {
      if (answer.status !== 200) throw mapFailure(answer, contextOf(token));
      const profile = userProfile(answer);
      if (profile === null) throw invalidAnswer('it is no profile of a user');
      return profile;
    });
  }

  const judged = new Map<string, { readonly at: number; readonly problem: Promise<BackscrollError | null> }>();

  /** What a refusal in unknown words is about: of the token, or, where that is good, of what its user may read. Asked seldom. */
  async function tell(untold: UntoldRefusal, token: string, signal: AbortSignal | undefined): Promise<BackscrollError> {
    const at = performance.now();
    let latest = judged.get(token);
    if (latest === undefined || at - latest.at > JUDGED_FOR_MS) {
      // Of nobody's signal: others wait for it too, and the exchange has its own deadline.
      latest = { at, problem: problemOf(token, undefined) };
      judged.set(token, latest);
    }
    const problem = await (signal === undefined ? latest.problem : abortable(latest.problem, signal));
    // Where it was not told, the next refusal asks again.
    if (problem !== null && problem.code !== 'upstream_credentials') judged.delete(token);
    return problem ?? untold;
  }

  return {
    async read(
      conversation,
      query,
      signal,
      { traceparent, again, own, hasDeadline = false } = { priority: 'caller' },
    ): Promise<UpstreamAnswer> {
      const token = own?.token ?? options.tokenFor(conversation.accountId);
      if (token === undefined) throw notFound();
      const target = messagesTarget(prefix, conversation, query);
      const askedAt = now();
      const accept = async (answer: ExchangeAnswer) => {
        if (own !== undefined) throwIfRefused(answer);
        const whole = acceptPage(answer, contextOf(token, conversation.accountId));
        const page = await splitBodyInTurns(whole, signal);
        if ([...page.conversations].some((id) => id !== conversation.conversationId)) throw new MisplacedAnswer();
        return { page, mark: cacheMark(answer.header), body: mayBeKept(whole) ? whole : undefined };
      };
      const question = { purpose: 'read', target, token, conversation, traceparent, again, hasDeadline, signal } as const;
      const asking = get(question, accept);
      const { page, mark, body } = await asking.catch(async (error: unknown) => {
        throw error instanceof UntoldRefusal ? await tell(error, token, signal) : error;
      });
      if (mark !== null) options.onNotice?.({ kind: 'cached', mark });
      const answer = { rows: page.rows, envelope: page.envelope, askedAt: askedAt - (mark?.ageMs ?? 0) };
      const because = unlearnable();
      if (because !== null || query.mode === 'before_timestamp')
        return { kind: 'unlearnable', because: because ?? 'timestamp', answer, body };
      return { kind: 'reading', reading: { query, ...answer }, body };

      function unlearnable(): UnlearnableBecause | null {
        if (query.mode === 'before_timestamp') return 'timestamp';
        if (!page.inOrder) return 'order';
        if (!page.learnable) return 'members';
        return mark !== null && mark.ageMs === null ? 'cached' : null;
      }
    },

    async check(signal) {
      const reached = new Map<string, readonly ListedAccount[]>();
      for (const { setting, token, account } of options.tokens) {
        let accounts = reached.get(token);
        if (accounts === undefined) {
          // One after the other: the first problem is enough, and a check should not be felt.
          // oxlint-disable-next-line no-await-in-loop
          const problem = await problemOf(token, signal);
          if (problem !== null)
            return problem.code === 'upstream_credentials' ? `${setting}: ${problem.message}` : problem.message;
          // oxlint-disable-next-line no-await-in-loop
          accounts = await accountsOf(token, signal);
          reached.set(token, accounts);
        }
        const problem = apiAccessProblem(accounts, account);
        if (problem !== null) return `${setting}: ${problem}`;
      }
      return null;
    },

    profile: profileOf,

    async close() {
      await connections.close();
    },
  };
}

/** The body of a 200 that says it is JSON. */
function acceptPage(answer: ExchangeAnswer, context: FailureContext): Buffer {
  if (answer.status !== 200) throw mapFailure(answer, context);
  if (!/^application\/json\s*(?:;|$)/i.test(answer.header('content-type') ?? ''))
    throw invalidAnswer(`it is not JSON${whatAnswered(answer, context.token)}`);
  return answer.body;
}

/** What came along with a body and would be kept with it: of its length, at most this. */
const EXCESS_SHARE = 1 / 16;

function mayBeKept(body: Buffer): boolean {
  return body.length <= STEP_BYTES && body.buffer.byteLength <= body.length * (1 + EXCESS_SHARE);
}

const STATUS_OF_CODE: Partial<Record<ErrorCode, UpstreamStatus>> = {
  upstream_invalid: 'invalid',
  upstream_unreachable: 'unreachable',
  upstream_timeout: 'timeout',
};

/** How a failed exchange counts; `undefined` where Chatwoot's own status says it, or nothing was received at all. */
export function upstreamStatus(error: unknown): UpstreamStatus | undefined {
  if (error instanceof MisplacedAnswer) return 'misplaced';
  if (error instanceof ConnectionSilent) return 'silent';
  if (error instanceof BackscrollError && error.code === 'upstream_timeout' && error.upstream !== undefined) return undefined;
  return error instanceof BackscrollError ? STATUS_OF_CODE[error.code] : undefined;
}
