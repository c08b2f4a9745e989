// What the events of a real Chatwoot mean, those of its cable and those of its webhooks.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readFrame } from '../../src/feed/action-cable.ts';
import { EVENT_NAMES, translateCable, translateWebhook, type Translation } from '../../src/feed/translate.ts';

interface RecordedEvent {
  readonly name: string;
  readonly account_id: number;
  readonly display_id: number;
  readonly touched_message_id: number;
  readonly cable: readonly string[];
  readonly webhooks: readonly string[];
}

const EVENTS = gunzipSync(readFileSync(new URL('../recordings/events.ndjson.gz', import.meta.url)))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as RecordedEvent);

/** Each change in a word, `tail 62 32116`. */
function words(translation: Translation): string {
  if (translation.kind !== 'changes') return translation.kind;
  return translation.changes
    .map((change) => {
      switch (change.kind) {
        case 'tail':
          return `tail ${change.conversation.conversationId} ${change.seenId}`;
        case 'row':
          return `row ${change.conversation.conversationId} ${change.id}`;
        case 'envelope':
        case 'written':
        case 'gone':
          return `${change.kind} ${change.conversation.conversationId}`;
        case 'contact':
        case 'contact-gone':
          return `${change.kind} ${change.contactId}`;
        case 'envelopes':
          return 'envelopes';
      }
    })
    .join();
}

function ofCable({ account_id, cable }: RecordedEvent): Translation[] {
  return cable
    .map((text) => readFrame(text))
    .flatMap((frame) => (frame.kind === 'event' ? [translateCable(account_id, frame.name, frame.data)] : []));
}

function ofWebhooks({ account_id, webhooks }: RecordedEvent): Translation[] {
  return webhooks.map((body) => translateWebhook(account_id, JSON.parse(body) as Record<string, unknown>));
}

function recorded(name: string): RecordedEvent {
  return EVENTS.find((event) => event.name === name)!;
}

test.each([
  ['message-incoming-first', ['tail 62 32116', 'envelope 62', 'contact 70'], ['tail 62 32116', 'envelope 62', 'nothing']],
  ['message-private-note', ['tail 67 32253'], ['tail 67 32253']],
  ['message-activity', ['tail 68 32280'], []],
  ['content-edited', ['row 84 32686'], ['row 84 32686']],
  ['update-columns-silent', [], []],
  ['contact-renamed', ['contact 178'], ['contact 178']],
  ['contact-avatar-removed', ['contact 145'], ['contact 145']],
  ['label-renamed', ['envelopes'], []],
  ['assignee-set', ['envelope 145', 'envelope 145', 'tail 145 34282'], ['envelope 145']],
  ['status-resolved', ['envelope 154', 'envelope 154', 'tail 154 34519'], ['envelope 154', 'envelope 154']],
  ['conversation-deleted', [], []],
])('%s', (name, cable, webhooks) => {
  expect(ofCable(recorded(name)).map(words)).toEqual(cable);
  expect(ofWebhooks(recorded(name)).map(words)).toEqual(webhooks);
});

test('A merged contact is forgotten under both its ids', () => {
  const changes = ofCable(recorded('contact-merged')).map(words);
  expect(changes[0]).toBe('contact-gone 148');
  expect(changes.slice(-2)).toEqual(['contact-gone 147', 'contact 148']);
});

test('Every recorded event is known, and is of its own account', () => {
  const all = EVENTS.flatMap((event) => [...ofCable(event), ...ofWebhooks(event)]);
  expect(all.length).toBeGreaterThan(150);
  expect(all.filter(({ kind }) => kind !== 'changes' && kind !== 'nothing')).toEqual([]);
  for (const event of EVENTS) {
    for (const frame of event.cable.map((text) => readFrame(text))) {
      if (frame.kind === 'event') expect(translateCable(5, frame.name, frame.data).kind).toBe('foreign');
    }
  }
});

test('A message tells the moment it was written, whatever its date; an update that wrote nothing tells none', () => {
  const timeOf = (name: string): number | null => {
    const [first] = ofCable(recorded(name));
    return first?.kind === 'changes' ? first.at : null;
  };
  expect(timeOf('message-incoming-first')).toBe(Date.parse('2026-11-22T12:04:23.266Z'));
  expect(timeOf('message-backdated')).toBe(Date.parse('2026-11-22T12:04:30.862Z'));
  expect(timeOf('content-edited-old-row')).toBe(Date.parse('2026-11-22T12:04:35.204Z'));
  expect(timeOf('audio-transcribed-with-event')).toBeNull();
  expect(timeOf('labels-automation')).toBeNull();
});

test.each([
  [{ event: 'message_created', id: 7, conversation: { id: 3 }, account: { id: 1 } }, 'tail 3 7'],
  [{ event: 'message_created', id: 7, conversation: { id: 3 } }, 'tail 3 7'],
  [{ event: 'message_created', id: 7, conversation: { id: 3 }, account: { id: 2 } }, 'foreign'],
  [{ event: 'message_created', id: '7', conversation: { id: 3 } }, 'invalid'],
  [{ event: 'message_created', id: 7 }, 'invalid'],
  [{ event: 'conversation_typing_on', conversation: { id: 3 } }, 'nothing'],
  [{ event: 'toString' }, 'unknown'],
  [{}, 'unknown'],
  [{ event: 'contact_updated', id: 5, changed_attributes: [{ last_activity_at: {} }, { updated_at: {} }] }, 'nothing'],
  [{ event: 'contact_updated', id: 5, changed_attributes: [{ name: {} }, { last_activity_at: {} }] }, 'contact 5'],
  [{ event: 'contact_updated', id: 5, changed_attributes: [{ updated_at: {} }] }, 'contact 5'],
  [{ event: 'contact_updated', id: 5 }, 'contact 5'],
])('The webhook %j means %s', (body, meaning) => {
  expect(words(translateWebhook(1, body))).toBe(meaning);
});

test.each([
  ['message.created', 'tail 4 3'],
  ['message.updated', 'row 4 3'],
  ['conversation.created', 'envelope 3'],
  ['conversation.updated', 'envelope 3'],
  ['conversation.status_changed', 'envelope 3'],
  ['conversation.contact_changed', 'envelope 3'],
  ['conversation.read', 'envelope 3'],
  ['conversation.mentioned', 'envelope 3'],
  ['assignee.changed', 'envelope 3'],
  ['team.changed', 'envelope 3'],
  ['contact.updated', 'contact 3'],
  ['contact.deleted', 'contact-gone 3'],
  ['contact.merged', 'contact-gone 3'],
  ['conversation.deleted', 'gone 3'],
  ['account.cache_invalidated', 'envelopes'],
  ['conversation.typing_on', 'nothing'],
  ['conversation.typing_off', 'nothing'],
  ['conversation.unread_count_changed', 'nothing'],
  ['contact.created', 'nothing'],
  ['first.reply.created', 'nothing'],
  ['notification.created', 'nothing'],
  ['presence.update', 'nothing'],
  ['voice_call.incoming', 'unknown'],
  ['constructor', 'unknown'],
])('%s on the cable means %s', (name, meaning) => {
  expect(words(translateCable(1, name, { account_id: 1, id: 3, conversation_id: 4 }))).toBe(meaning);
  expect(EVENT_NAMES.has(name)).toBe(meaning !== 'unknown');
});

test.each([
  ['message_created', 'tail 4 3'],
  ['message_updated', 'row 4 3'],
  ['conversation_created', 'envelope 3'],
  ['conversation_updated', 'envelope 3'],
  ['conversation_status_changed', 'envelope 3'],
  ['contact_updated', 'contact 3'],
  ['contact_created', 'nothing'],
  ['conversation_typing_on', 'nothing'],
  ['conversation_typing_off', 'nothing'],
  ['webwidget_triggered', 'nothing'],
  ['inbox_created', 'nothing'],
  ['inbox_updated', 'nothing'],
  ['message.created', 'unknown'],
])('%s as a webhook means %s', (event, meaning) => {
  expect(words(translateWebhook(1, { event, id: 3, conversation: { id: 4 } }))).toBe(meaning);
});

test.each(['soon', 5, null, undefined])('An event whose date is %j tells no moment', (date) => {
  const translation = translateCable(1, 'message.created', { account_id: 1, id: 3, conversation_id: 4, updated_at: date });
  expect(translation).toMatchObject({ kind: 'changes', at: null });
});
