// What changed at Chatwoot, as whoever hears of it says it to the engine. Of an event only its name, ids and time matter: no row is
// ever made from one.

import type { MessageId } from '../timeline/query.ts';
import type { ConversationId } from '../upstream/upstream.ts';

/**
 * - `tail`: a message was created: the newest page is due. `seenId` is its id, which therefore has been handed out.
 * - `row`: a message was updated: that row is due, where it is known.
 * - `envelope`: the conversation changed: its envelope is due, and its tail, since an activity row follows, maybe later.
 * - `contact`: a contact changed: the envelopes of its conversations are due, and the rows that contacts sent in them.
 * - `written`: something was written to the conversation: its tail, its envelope and all rows that are known of it are due.
 * - `gone`: the conversation is not there any more, or is another: what is known of it is forgotten.
 * - `contact-gone`: the same of all conversations of a contact.
 * - `envelopes`: something changed that all envelopes of the account may show.
 */
export type Change =
  | { readonly kind: 'tail'; readonly conversation: ConversationId; readonly seenId?: MessageId }
  | { readonly kind: 'row'; readonly conversation: ConversationId; readonly id: MessageId }
  | { readonly kind: 'envelope'; readonly conversation: ConversationId }
  | { readonly kind: 'written'; readonly conversation: ConversationId }
  | { readonly kind: 'contact'; readonly accountId: number; readonly contactId: number }
  | { readonly kind: 'gone'; readonly conversation: ConversationId }
  | { readonly kind: 'contact-gone'; readonly accountId: number; readonly contactId: number }
  | { readonly kind: 'envelopes'; readonly accountId: number };
