// Who may read which conversation is decided here, from typed ids, and nowhere else.

import type { ConversationId } from '../upstream/upstream.ts';

/** Conversations of one account, by the display ids that its URLs carry. */
export interface AccountScope {
  readonly account: number;
  readonly conversations: '*' | readonly number[];
}

/** `*` is everything the server's token can read; a list allows what any of its entries allows, so an empty one allows nothing. */
export type Scope = '*' | readonly AccountScope[];

/** True where the scope covers the conversation. */
export function allows(scope: Scope, conversation: ConversationId): boolean {
  if (scope === '*') return true;
  return scope.some(
    ({ account, conversations }) =>
      account === conversation.accountId && (conversations === '*' || conversations.includes(conversation.conversationId)),
  );
}
