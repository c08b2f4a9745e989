// One row of the messages table and its JSON, whose keys stand in Chatwoot's order (contract 3.2).

import type { JsonObject } from './rails-json.ts';
import { railsJson } from './rails-json.ts';

/** 0 incoming, 1 outgoing, 2 activity, 3 template (contract 3.2). */
export type MessageType = 0 | 1 | 2 | 3;

/** A visible row. Immutable: a change replaces the row. */
export interface MessageRow {
  readonly id: number;
  readonly accountId: number;
  /** The display id, as in the URL (contract 1.1). */
  readonly conversationId: number;
  /** The column in microseconds since the epoch; the JSON has whole seconds (contract 5.1). */
  readonly createdAtUs: number;
  readonly messageType: MessageType;
  readonly private: boolean;
  /** The row as it stands in a list answer. */
  readonly json: string;
}

/** What can be said of a new row; everything else has a default. `sender` and `attachments` are absent unless given. */
export interface MessageDraft {
  readonly accountId: number;
  readonly conversationId: number;
  /** Taken from the sequence unless given. */
  readonly id?: number;
  /** The table's clock unless given: a date in the past is a back-dated row (contract 5.3). */
  readonly createdAtUs?: number;
  readonly messageType?: MessageType;
  readonly private?: boolean;
  readonly content?: string | null;
  readonly inboxId?: number;
  readonly contentType?: string;
  readonly status?: 'sent' | 'delivered' | 'read' | 'failed' | null;
  readonly contentAttributes?: JsonObject;
  readonly sourceId?: string | null;
  readonly sender?: JsonObject;
  readonly attachments?: readonly (JsonObject | null)[];
}

/** A row's JSON as an object. A key set to `undefined` is left out. */
export interface MessageJson {
  readonly id: number;
  readonly content: string | null;
  readonly inbox_id: number;
  readonly conversation_id: number;
  readonly message_type: MessageType;
  readonly content_type: string;
  readonly status: string | null;
  readonly content_attributes: JsonObject;
  readonly created_at: number;
  readonly private: boolean;
  readonly source_id: string | null;
  readonly sender?: JsonObject | undefined;
  readonly attachments?: readonly (JsonObject | null)[] | undefined;
}

/** The row that a draft becomes under this id and time. */
export function rowFromDraft(draft: MessageDraft, id: number, createdAtUs: number): MessageRow {
  const messageType = draft.messageType ?? 0;
  const isPrivate = draft.private ?? false;
  // Written in the order of `renderMessage`, whose taking apart would cost more than all the rest.
  const json: MessageJson = {
    id,
    content: draft.content === undefined ? `Message ${id}` : draft.content,
    inbox_id: draft.inboxId ?? 1,
    conversation_id: draft.conversationId,
    message_type: messageType,
    content_type: draft.contentType ?? 'text',
    status: draft.status === undefined ? 'sent' : draft.status,
    content_attributes: draft.contentAttributes ?? {},
    created_at: Math.floor(createdAtUs / 1e6),
    private: isPrivate,
    source_id: draft.sourceId ?? null,
    sender: draft.sender,
    attachments: draft.attachments?.length === 0 ? undefined : draft.attachments,
  };
  return {
    id,
    accountId: draft.accountId,
    conversationId: draft.conversationId,
    createdAtUs,
    messageType,
    private: isPrivate,
    json: railsJson(json),
  };
}

/** The JSON of a row: keys in the order of contract 3.2, unknown ones after them, `attachments` absent when empty. */
export function renderMessage(message: MessageJson): string {
  const { id, content, inbox_id, conversation_id, message_type, content_type, status, ...afterStatus } = message;
  const { content_attributes, created_at, private: isPrivate, source_id, sender, attachments, ...unknown } = afterStatus;
  return railsJson({
    id,
    content,
    inbox_id,
    conversation_id,
    message_type,
    content_type,
    status,
    content_attributes,
    created_at,
    private: isPrivate,
    source_id,
    sender,
    attachments: attachments?.length === 0 ? undefined : attachments,
    ...unknown,
  });
}

/** The row with its JSON changed. The JSON is parsed and written anew, so number spellings of a raw row may be lost. */
export function changeRow(row: MessageRow, change: (json: MessageJson) => MessageJson): MessageRow {
  const old: MessageJson = JSON.parse(row.json);
  const json = change(old);
  return { ...row, messageType: json.message_type, private: json.private, json: renderMessage(json) };
}

/** What `filter_internal_messages` drops: private notes and activities (contract 1.2). */
export function isInternal(row: MessageRow): boolean {
  return row.private || row.messageType === 2;
}
