// What operators may do: forget. It has keys of its own, since nobody who reads messages needs it.

import type { FastifyInstance } from 'fastify';
import type { Extent } from '../cache/library.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import { invalidParameter } from '../errors.ts';
import { authentication, readerOf, type AuthenticationOptions } from './authentication.ts';

export interface AdminOptions {
  readonly admins: ClientRegistry;
  readonly addressOf: AuthenticationOptions['addressOf'];
  /** Forgets, and tells how many conversations were known. */
  readonly purge: (extent: Extent) => number;
}

/** `DELETE /admin/cache`, with `?account=` an account's, with `&conversation=` too one conversation's. */
export function admin(app: FastifyInstance, { admins, addressOf, purge }: AdminOptions): void {
  const onRequest = authentication({ clients: () => admins, tokens: null, addressOf });
  app.delete('/admin/cache', { onRequest }, (request) => {
    const { url = '' } = request.raw;
    const extent = readExtent(new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''));
    const purged = purge(extent);
    request.log.info({ admin: readerOf(request).clientName, ...extent, purged }, 'cache purged');
    return { purged };
  });
}

/** Strict, since a mistaken word must not widen what is forgotten or leave something behind. */
function readExtent(parameters: URLSearchParams): Extent {
  for (const name of parameters.keys()) {
    if (name !== 'account' && name !== 'conversation')
      throw invalidParameter(name, 'is not known here; use account and conversation');
  }
  const accountId = readId(parameters, 'account');
  const conversationId = readId(parameters, 'conversation');
  if (accountId === undefined && conversationId !== undefined)
    throw invalidParameter('account', 'is needed to name a conversation');
  return { ...(accountId === undefined ? {} : { accountId }), ...(conversationId === undefined ? {} : { conversationId }) };
}

function readId(parameters: URLSearchParams, name: string): number | undefined {
  const values = parameters.getAll(name);
  if (values.length === 0) return undefined;
  const [value = ''] = values;
  if (values.length > 1 || !/^[1-9]\d{0,15}$/.test(value)) throw invalidParameter(name, 'must be one whole number');
  return Number(value);
}
