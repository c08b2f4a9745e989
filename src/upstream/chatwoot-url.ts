// The request target of a read, written from typed values only: no text of a caller's request can reach Chatwoot.

import type { Query } from '../timeline/query.ts';
import type { ConversationId, TimestampQuery } from './upstream.ts';

/** The path that every target begins with, from a base URL that may end in slashes: `''` or `/chatwoot`. */
export function pathPrefix(baseUrl: URL): string {
  return baseUrl.pathname.replace(/\/+$/, '');
}

/** Path and query of one read, `/api/v1/accounts/1/conversations/2/messages?before=5&filter_internal_messages=true`. */
export function messagesTarget(prefix: string, conversation: ConversationId, query: Query | TimestampQuery): string {
  const { accountId, conversationId } = conversation;
  const path = `${prefix}/api/v1/accounts/${digits(accountId)}/conversations/${digits(conversationId)}/messages`;
  const parameters = parametersOf(query);
  return parameters === '' ? path : `${path}?${parameters}`;
}

/** The query string of a read: `before=5&filter_internal_messages=true`; blank for the newest page. */
export function parametersOf(query: Query | TimestampQuery): string {
  // Any value that is not blank switches it on (contract 1.2).
  return [...cursorsOf(query), ...(query.publicOnly ? ['filter_internal_messages=true'] : [])].join('&');
}

function cursorsOf(query: Query | TimestampQuery): string[] {
  switch (query.mode) {
    case 'latest':
      return [];
    case 'before':
      return [`before=${digits(query.before)}`];
    case 'after':
      return [`after=${digits(query.after)}`];
    case 'between':
      return [`after=${digits(query.after)}`, `before=${digits(query.before)}`];
    case 'before_timestamp':
      return [`before_timestamp=${digits(query.beforeTimestamp)}`];
  }
}

/** Other numbers would be written as `1e21`, `NaN` or `1.5`, and Chatwoot would read something else out of them. */
function digits(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError('A request to Chatwoot is made of whole numbers only');
  return String(value);
}
