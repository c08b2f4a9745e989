// Who is calling. Runs before anything else looks at a request for messages; the cache is never asked for a stranger.

import type { FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify';
import { authenticate } from '../clients/authenticate.ts';
import type { Reader } from '../clients/client.ts';
import type { TokenVerifier } from '../clients/jwt.ts';
import type { Refusal } from '../clients/refusal.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import { SigningKeysUnavailable } from '../clients/signing-keys.ts';
import { BackscrollError, unauthenticated } from '../errors.ts';
import { UnauthenticatedLimit } from './unauthenticated-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller; null before `authentication` has run. */
    reader: Reader | null;
  }
}

export interface AuthenticationOptions {
  readonly clients: () => ClientRegistry;
  /** Null where signed tokens are not accepted. */
  readonly tokens: TokenVerifier | null;
  /** Counts failures. Default: one of its own. */
  readonly limit?: UnauthenticatedLimit;
  /** The address that failures are counted by. */
  readonly addressOf: (request: FastifyRequest) => string;
  /** Names and values of the headers that may hold a credential; by default those of the request. */
  readonly headersOf?: (request: FastifyRequest) => readonly string[];
  /** Told why a credential was refused; its caller is not. */
  readonly onRefused?: (request: FastifyRequest, reason: Refusal) => void;
}

/**
 * A hook that puts the reader on the request.
 * @throws BackscrollError `unauthenticated`, `rate_limited` after too many of those, `keys_unavailable`
 */
export function authentication({
  clients,
  tokens,
  limit = new UnauthenticatedLimit(),
  addressOf,
  headersOf = (request) => request.raw.rawHeaders,
  onRefused = () => {},
}: AuthenticationOptions): onRequestHookHandler {
  /** Undefined where the request may go on. */
  const judge = (request: FastifyRequest, reader: Reader | null, now: number): BackscrollError | undefined => {
    if (reader === null) {
      const address = addressOf(request);
      const waitMs = limit.waitMs(address, now);
      if (waitMs > 0) return tooManyFailures(waitMs);
      limit.failed(address, now);
      return unauthenticated();
    }
    request.reader = reader;
    return undefined;
  };
  const judgeLater = async (
    request: FastifyRequest,
    verdict: Promise<Reader | null>,
    now: number,
    done: HookHandlerDoneFunction,
  ): Promise<void> => {
    const found = await verdict.then(
      (reader) => judge(request, reader, now),
      (error: unknown) => failureOf(error),
    );
    done(found);
  };
  return (request, _reply, done) => {
    const now = Date.now();
    const found = authenticate(headersOf(request), clients(), now, tokens, (reason) => onRefused(request, reason));
    if (found instanceof Promise) void judgeLater(request, found, now, done);
    else done(judge(request, found, now));
  };
}

/** The reader of a request that passed `authentication`. */
export function readerOf(request: FastifyRequest): Reader {
  if (request.reader === null) throw new Error('a request came past authentication without a reader');
  return request.reader;
}

/** Whom a rate limit counts: a client, the subject of a token, or the address of readers who are nobody in particular. */
export function limitKey(addressOf: AuthenticationOptions['addressOf']): (request: FastifyRequest) => string {
  return (request) => {
    const reader = readerOf(request);
    if (reader.ownToken !== undefined) return `${reader.clientName} ${reader.ownToken.name}`;
    return reader.isNameless === true ? `${reader.clientName} at ${addressOf(request)}` : clientKey(reader);
  };
}

/** The same for who has a name. No name has a space in it, which tells this key from those of many. */
export function clientKey({ clientName }: Reader): string {
  return clientName;
}

/** The name of the client that is counted as this. */
export function nameOfLimitKey(key: string): string {
  const [name = ''] = key.split(' ', 1);
  return name;
}

function failureOf(error: unknown): Error {
  if (!(error instanceof SigningKeysUnavailable)) return error instanceof Error ? error : new Error(String(error));
  return new BackscrollError('keys_unavailable', 'The token cannot be checked at the moment; try again later', { retryAfter: 5 });
}

/** The answer to a failure past the limit. */
export function tooManyFailures(waitMs: number): BackscrollError {
  return new BackscrollError(
    'rate_limited',
    'Too many requests without a valid credential from this address; wait as long as Retry-After says',
    { retryAfter: waitMs / 1000 },
  );
}
