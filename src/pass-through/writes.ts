// What a request may have written of what the cache knows.

import type { Change } from '../cache/changes.ts';

const WRITING: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const CONVERSATION = /^\/api\/v[12]\/accounts\/([^/]+)\/conversations\/([^/]+)(\/.*)?$/;
/** Tells others that somebody types, and writes nothing. */
const TYPING = /^\/toggle_typing_status(?:\.json)?\/?$/;

/** The change, if it succeeds; null where it concerns no conversation. @param path with single slashes. */
export function changeBy(method: string, path: string): Change | null {
  const [, account = '', id = '', below = '/'] = CONVERSATION.exec(path) ?? [];
  if (!WRITING.has(method) || TYPING.test(below)) return null;
  const conversation = { accountId: castId(account), conversationId: castId(id) };
  if (conversation.accountId === 0 || conversation.conversationId === 0) return null;
  return method === 'DELETE' && /^\/*$/.test(below) ? { kind: 'gone', conversation } : { kind: 'written', conversation };
}

/** As Chatwoot reads ids: the number that a text begins with, 0 where it begins with none (contract 1.1). */
function castId(segment: string): number {
  let text = segment;
  try {
    text = decodeURIComponent(segment);
  } catch {
    // Not UTF-8: Chatwoot refuses it.
  }
  const [, digits = '0'] = /^\s*\+?(\d+(?:_\d+)*)/.exec(text) ?? [];
  return Number(digits.replaceAll('_', ''));
}
