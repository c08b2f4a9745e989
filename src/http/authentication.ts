// Who is calling. Runs before anything else looks at a request for messages; the cache is never asked for a stranger.

import type { FastifyRequest } from 'fastify';
import { authenticate } from '../clients/authenticate.ts';
import type { Reader } from '../clients/client.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import { unauthenticated } from '../errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller; null before `authentication` has run. */
    reader: Reader | null;
  }
}

/** A hook that puts the reader on the request. @throws BackscrollError `unauthenticated` */
export function authentication(clients: () => ClientRegistry): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    request.reader = authenticate(request.raw.rawHeaders, clients(), Date.now());
    if (request.reader === null) throw unauthenticated();
  };
}

/** The reader of a request that passed `authentication`. */
export function readerOf(request: FastifyRequest): Reader {
  if (request.reader === null) throw new Error('a request came past authentication without a reader');
  return request.reader;
}
