// What a request target asks for, before it is known who asks.

import { LRUCache } from 'lru-cache';
import type { View } from '../clients/client.ts';
import { queryOfView } from '../clients/view.ts';
import { queryKey, type Query } from '../timeline/query.ts';
import type { ConversationId, TimestampQuery } from '../upstream/upstream.ts';
import type { Found } from './last-hit.ts';
import { matchMessagesPath, parseIds } from './messages-path.ts';
import { parseQuery } from './parse-query.ts';
import { withKey, type PageName } from './render.ts';

/** A query as a view asks it, and what the renderer knows its page by. */
export interface Asked {
  readonly query: Query | TimestampQuery;
  readonly page: PageName;
  /** What was found for the last who asked so. It is kept elsewhere, as long as it may be; not here. */
  last?: WeakRef<Found>;
}

export interface Target {
  readonly conversation: ConversationId;
  readonly as: Readonly<Record<View, Asked>>;
}

/** The same text always asks the same, so what came of the last ones is kept. */
const KEPT_MAX = 2000;
/** Those that people send have about a hundred characters. */
const KEPT_LENGTH_MAX = 256;

export class Targets {
  readonly #kept = new LRUCache<string, Target>({ max: KEPT_MAX });

  /** What came of this text before. */
  kept(text: string): Target | undefined {
    return this.#kept.get(text);
  }

  /**
   * Parses a target of messages; null for any other.
   * @param onConversation is told which conversation it is about, also where the query is wrong.
   * @throws BackscrollError `not_found`, `invalid_parameter`
   */
  parse(text: string, onConversation: (conversation: ConversationId) => void): Target | null {
    const kept = this.kept(text);
    if (kept !== undefined) {
      onConversation(kept.conversation);
      return kept;
    }
    const { path, search } = splitTarget(text);
    const segments = matchMessagesPath(path);
    if (segments === null) return null;
    const conversation = parseIds(segments);
    onConversation(conversation);
    const query = parseQuery(search);
    const askedAs = (view: View): Asked => asked(conversation, view, query);
    const target = { conversation, as: { agent: askedAs('agent'), customer: askedAs('customer') } };
    if (text.length <= KEPT_LENGTH_MAX) this.#kept.set(text, target);
    return target;
  }
}

function asked(conversation: ConversationId, view: View, text: Query | TimestampQuery): Asked {
  const query = queryOfView(view, text);
  const name = query.mode === 'before_timestamp' ? query.mode : queryKey(query);
  return { query, page: withKey({ conversation, view, query: name }) };
}

/** Path and query string of a request target. The target may be in absolute form (RFC 9112 3.2.2). */
export function splitTarget(target: string): { path: string; search: string } {
  const origin = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '');
  const mark = origin.indexOf('?');
  return mark < 0 ? { path: origin, search: '' } : { path: origin.slice(0, mark), search: origin.slice(mark + 1) };
}
