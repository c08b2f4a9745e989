// The one path that is served, and the ids in it.
//
// Chatwoot squeezes slashes and takes `.json` and a trailing slash (contract 1.1); so does this. Its lenient ids (`5abc`,
// ` 5`) and percent-encoded letters name the same conversation many times over and are not served.

import { notFound } from '../errors.ts';
import type { ConversationId } from '../upstream/upstream.ts';

const MESSAGES = /^\/+api\/+v1\/+accounts\/+([^/]+)\/+conversations\/+([^/]+)\/+messages(?:\.json)?\/*$/;

/** Where Chatwoot itself has routes (contract 1.1; its API, its sign-in, its sockets). */
const CHATWOOT = /^\/+(?:api|auth|cable|platform|public|rails)(?:\/|$)/;

/** Whether Chatwoot may have something at this path, so that a 404 would be taken for its word. */
export function isOfChatwoot(path: string): boolean {
  return CHATWOOT.test(path);
}

/** The id segments of a messages path (no query string), undecoded; null for any other path. */
export function matchMessagesPath(path: string): { account: string; conversation: string } | null {
  const match = MESSAGES.exec(path);
  return match === null ? null : { account: match[1]!, conversation: match[2]! };
}

/**
 * The typed ids of a messages path.
 * @throws BackscrollError `not_found` for what cannot be an id.
 */
export function parseIds(segments: { account: string; conversation: string }): ConversationId {
  return { accountId: parseId(segments.account), conversationId: parseId(segments.conversation) };
}

function parseId(segment: string): number {
  const id = /^\d{1,18}$/.test(segment) ? Number(segment) : Number.NaN;
  if (!Number.isSafeInteger(id) || id === 0) throw notFound();
  return id;
}
