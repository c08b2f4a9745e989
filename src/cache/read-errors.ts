// What it means for what is known, and for reads to come, that a read failed.

import { BackscrollError } from '../errors.ts';
import { AnswerCut } from '../upstream/map-broken-exchange.ts';
import { Refused } from '../upstream/refused.ts';

/** Whether this is upstream's word on the conversation, or on who reads it: every other read would be told the same. */
export function endsKnowledge(error: unknown): error is BackscrollError {
  return error instanceof BackscrollError && WORDS_ON_CONVERSATION.has(error.code);
}

const WORDS_ON_CONVERSATION: ReadonlySet<string> = new Set(['not_found', 'upstream_forbidden', 'upstream_credentials']);

/** Whether a read was refused for its place in line alone. */
export function hadNoTurn(error: unknown): boolean {
  return error instanceof Refused && (error.reason === 'late' || error.reason === 'full');
}

/** Whether a read was too much for Chatwoot: a smaller one may not be. */
export function isTooLarge(error: unknown): boolean {
  return hasBadRow(error) || (error instanceof BackscrollError && error.code === 'upstream_timeout');
}

/** Whether Chatwoot fails on what was read: one row is enough for that (contract 2.2), and another page may not have it. */
function hasBadRow(error: unknown): boolean {
  if (error instanceof AnswerCut) return true;
  return error instanceof BackscrollError && (error.code === 'upstream_invalid' || error.upstream?.status === 500);
}
