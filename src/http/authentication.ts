// Who is calling. Runs before anything else looks at a request for messages; the cache is never asked for a stranger.

import type { FastifyRequest } from 'fastify';
import { authenticate } from '../clients/authenticate.ts';
import { NAMELESS } from '../clients/claims.ts';
import { ANONYMOUS, type Reader } from '../clients/client.ts';
import type { TokenVerifier } from '../clients/jwt.ts';
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
}

/**
 * A hook that puts the reader on the request.
 * @throws BackscrollError `unauthenticated`, `rate_limited` after too many of those, `keys_unavailable`
 */
export function authentication({ clients, tokens }: AuthenticationOptions): (request: FastifyRequest) => Promise<void> {
  const limit = new UnauthenticatedLimit();
  return async (request) => {
    const now = Date.now();
    const found = authenticate(request.raw.rawHeaders, clients(), now, tokens);
    const reader = found instanceof Promise ? await found.catch(failedToVerify) : found;
    const ip = request.ip as string | undefined;
    // The caller has gone, and its address with it.
    if (ip === undefined) throw unauthenticated();
    if (reader !== null && reader.clientName === ANONYMOUS.clientName) {
      // Nothing was tried.
      request.reader = reader;
      return;
    }
    const waitMs = limit.waitMs(ip, now);
    if (waitMs > 0 && (reader === null || !limit.knows(ip, reader.clientName, now))) throw tooManyFailures(waitMs);
    if (reader === null) {
      limit.failed(ip, now);
      throw unauthenticated();
    }
    limit.succeeded(ip, reader.clientName, now);
    request.reader = reader;
  };
}

/** The reader of a request that passed `authentication`. */
export function readerOf(request: FastifyRequest): Reader {
  if (request.reader === null) throw new Error('a request came past authentication without a reader');
  return request.reader;
}

/** Whom a rate limit counts: a client, the subject of a token, or the address of readers who are nobody in particular. */
export function limitKey(request: FastifyRequest): string {
  const name = request.reader?.clientName ?? ANONYMOUS.clientName;
  return name === ANONYMOUS.clientName || name === NAMELESS ? `${name} at ${request.ip}` : `client ${name}`;
}

function failedToVerify(error: unknown): never {
  if (!(error instanceof SigningKeysUnavailable)) throw error;
  throw new BackscrollError('keys_unavailable', 'The token cannot be checked at the moment; try again later', { retryAfter: 5 });
}

function tooManyFailures(waitMs: number): BackscrollError {
  return new BackscrollError(
    'rate_limited',
    'Too many requests without a valid credential from this address; wait as long as Retry-After says',
    { retryAfter: waitMs / 1000 },
  );
}
