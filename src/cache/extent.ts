// How far something reaches that is forgotten, and which conversations that concerns.

import { conversationKey } from './memory-store.ts';

/** Which conversations: all, those of an account, or one. */
export interface Extent {
  readonly accountId?: number;
  readonly conversationId?: number;
}

/** A test for the keys of `conversationKey`. */
export function extentTest({ accountId, conversationId }: Extent): (key: string) => boolean {
  if (accountId === undefined) return () => true;
  if (conversationId === undefined) return (key) => key.startsWith(`${accountId}/`);
  const only = conversationKey({ accountId, conversationId });
  return (key) => key === only;
}
