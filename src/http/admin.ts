// What operators may do and ask: forget, and why an answer is as it is. It has keys of its own, since nobody who reads messages
// needs it.

import type { FastifyInstance } from 'fastify';
import type { Extent } from '../cache/extent.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { BackscrollError, invalidParameter } from '../errors.ts';
import type { Query } from '../timeline/query.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { readerOf } from './authentication.ts';
import { parseQuery } from './parse-query.ts';
import { splitTarget } from './target.ts';

export interface AdminOptions {
  readonly purge: ReadThrough['purgeEverywhere'];
  /** What is known of a conversation, and what the query would meet. Changes nothing. */
  readonly explain: (conversation: ConversationId, query: Query) => object;
}

const EXTENT = ['account', 'conversation'] as const;
const CURSORS = ['before', 'after', 'filter_internal_messages'] as const;

/**
 * - `DELETE /admin/cache`, with `?account=` an account's, with `&conversation=` too one conversation's.
 * - `GET /admin/explain?account=&conversation=`, with the parameters of a request for messages.
 */
export function admin(app: FastifyInstance, { purge, explain }: AdminOptions): void {
  app.delete('/admin/cache', async (request) => {
    const extent = readExtent(parametersOf(request.raw.url, EXTENT));
    const { purged, reach } = await purge(extent);
    request.log.info({ admin: readerOf(request).clientName, ...extent, purged, ...reach }, 'cache purged');
    if (reach === undefined) return { purged };
    if (reach === null)
      throw new BackscrollError(
        'shared_level_unreachable',
        'It is forgotten here. Redis does not answer, and the other processes are told as soon as it does; ask again to be sure',
        { retryAfter: 1 },
      );
    return { purged, ...reach };
  });
  app.get('/admin/explain', (request, reply) => {
    void reply.header('cache-control', 'no-store');
    const { search } = splitTarget(request.raw.url ?? '');
    const { accountId, conversationId } = readExtent(parametersOf(request.raw.url, [...EXTENT, ...CURSORS]));
    if (accountId === undefined) throw invalidParameter('account', 'is needed');
    if (conversationId === undefined) throw invalidParameter('conversation', 'is needed');
    const query = parseQuery(search);
    if (query.mode === 'before_timestamp') throw invalidParameter(query.mode, 'is always forwarded');
    return explain({ accountId, conversationId }, query);
  });
}

/** Strict, since a mistaken word must not widen what is forgotten or leave something behind. */
function parametersOf(url = '', known: readonly string[]): URLSearchParams {
  const parameters = new URLSearchParams(splitTarget(url).search);
  for (const name of parameters.keys()) {
    if (!known.includes(name)) throw invalidParameter(name, `is not known here; use ${known.join(', ')}`);
  }
  return parameters;
}

function readExtent(parameters: URLSearchParams): Extent {
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
