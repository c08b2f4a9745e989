// From an event of Chatwoot to the changes that the cache must know. Of an event only its name, ids and times are used: its
// content differs from what a page shows (contract 6, traps 38 and 39).

import type { Change } from '../cache/changes.ts';
import { idOf, membersOf, type Members } from './json-members.ts';

export type Translation =
  /** `at`: the event's own time, ms since the epoch; null where it tells none that can be relied upon. */
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly at: number | null }
  /** Nothing that is cached changes with it. */
  | { readonly kind: 'nothing' }
  /** No event that is known here. */
  | { readonly kind: 'unknown' }
  /** It says that it is of another account. */
  | { readonly kind: 'foreign' }
  /** It has not the ids that such an event has. */
  | { readonly kind: 'invalid' };

const NOTHING = { kind: 'nothing' } as const;
const INVALID = { kind: 'invalid' } as const;

/** What an event of a name means, the same on both ways; `none` is known and changes nothing. */
type Meaning = 'tail' | 'row' | 'envelope' | 'contact' | 'contact-gone' | 'gone' | 'envelopes' | 'none';

/** Events of the cable. `voice_call.*` name a conversation by another id, and so are none of them. */
const CABLE: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['message.created', 'tail'],
  ['message.updated', 'row'],
  ['conversation.created', 'envelope'],
  ['conversation.updated', 'envelope'],
  ['conversation.status_changed', 'envelope'],
  ['conversation.contact_changed', 'envelope'],
  ['conversation.read', 'envelope'],
  ['conversation.mentioned', 'envelope'],
  ['assignee.changed', 'envelope'],
  ['team.changed', 'envelope'],
  ['contact.updated', 'contact'],
  ['contact.deleted', 'contact-gone'],
  ['contact.merged', 'contact-gone'],
  ['conversation.deleted', 'gone'],
  ['account.cache_invalidated', 'envelopes'],
  ['conversation.typing_on', 'none'],
  ['conversation.typing_off', 'none'],
  ['conversation.unread_count_changed', 'none'],
  ['contact.created', 'none'],
  ['first.reply.created', 'none'],
  ['notification.created', 'none'],
  ['notification.updated', 'none'],
  ['notification.deleted', 'none'],
  ['presence.update', 'none'],
]);

const WEBHOOK: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['message_created', 'tail'],
  ['message_updated', 'row'],
  ['conversation_created', 'envelope'],
  ['conversation_updated', 'envelope'],
  ['conversation_status_changed', 'envelope'],
  ['contact_updated', 'contact'],
  ['contact_created', 'none'],
  ['conversation_typing_on', 'none'],
  ['conversation_typing_off', 'none'],
  ['webwidget_triggered', 'none'],
  ['inbox_created', 'none'],
  ['inbox_updated', 'none'],
]);

/** Names that metrics may show as they are. */
export const EVENT_NAMES: ReadonlySet<string> = new Set([...CABLE.keys(), ...WEBHOOK.keys()]);

/**
 * An event of the cable, as it came with the subscription of an account. A user's stream carries the events of all its accounts
 * (contract 8), each with every subscription: those of another are heard with another.
 */
export function translateCable(accountId: number, name: string, data: Members): Translation {
  const ofAccount = data['account_id'];
  if (ofAccount !== undefined && ofAccount !== accountId) return { kind: 'foreign' };
  const isMessage = name.startsWith('message.');
  const ids = { conversationId: isMessage ? data['conversation_id'] : data['id'], id: data['id'] };
  const meaning = CABLE.get(name);
  // Display ids are of an account: without one, another account's conversation would be touched.
  if (ofAccount === undefined && meaning !== undefined && meaning !== 'none') return INVALID;
  return translated(meaning, accountId, { ...ids, at: isMessage ? timeOfMessage(data) : null });
}

/** The body of a webhook, of the account that its URL names. */
export function translateWebhook(accountId: number, body: Members): Translation {
  const name = typeof body['event'] === 'string' ? body['event'] : '';
  const meaning = WEBHOOK.get(name);
  const isMessage = name.startsWith('message_');
  const ofAccount = idOf(membersOf(body['account'])['id']);
  if (ofAccount !== null && ofAccount !== accountId) return { kind: 'foreign' };
  if (meaning === 'contact' && !showsInPages(body['changed_attributes'])) return NOTHING;
  const conversationId = isMessage ? membersOf(body['conversation'])['id'] : body['id'];
  return translated(meaning, accountId, { conversationId, id: body['id'], at: null });
}

interface Ids {
  readonly conversationId: unknown;
  readonly id: unknown;
  readonly at: number | null;
}

function translated(meaning: Meaning | undefined, accountId: number, ids: Ids): Translation {
  if (meaning === undefined) return { kind: 'unknown' };
  if (meaning === 'none') return NOTHING;
  if (meaning === 'envelopes') return one({ kind: meaning, accountId });
  const id = idOf(ids.id);
  if (id === null) return INVALID;
  if (meaning === 'contact' || meaning === 'contact-gone') return one({ kind: meaning, accountId, contactId: id });
  const conversationId = idOf(ids.conversationId);
  if (conversationId === null) return INVALID;
  const conversation = { accountId, conversationId };
  switch (meaning) {
    case 'tail':
      return one({ kind: 'tail', conversation, seenId: id });
    case 'row':
      return one({ kind: 'row', conversation, id });
    case 'envelope':
    case 'gone':
      return one({ kind: meaning, conversation });
  }

  function one(change: Change): Translation {
    return { kind: 'changes', changes: [change], at: ids.at };
  }
}

/**
 * When a message was written. An update may be announced that wrote nothing, and then shows the time of an earlier one; one that
 * did write tells so in `previous_changes`. `created_at` is no such time: imports set it back.
 */
function timeOfMessage(data: Members): number | null {
  const changes = data['previous_changes'];
  if (changes !== undefined && membersOf(changes)['updated_at'] === undefined) return null;
  const at = typeof data['updated_at'] === 'string' ? Date.parse(data['updated_at']) : NaN;
  return Number.isNaN(at) ? null : at;
}

/** Each incoming message updates its contact's last activity (trap 32). An avatar shows as `updated_at` alone. */
function showsInPages(changes: unknown): boolean {
  if (!Array.isArray(changes)) return true;
  const names = changes.flatMap((change) => Object.keys(membersOf(change)));
  return !(names.includes('last_activity_at') && names.every((name) => name === 'last_activity_at' || name === 'updated_at'));
}
