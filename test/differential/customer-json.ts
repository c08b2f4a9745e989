// What a customer is shown of the rows and metas that the writer makes, written down anew from the table in docs/customer-view.md, so that the
// program's own filter is not judged by itself.

import type { JsonObject } from '../support/fake-chatwoot/rails-json.ts';
import { railsJson } from '../support/fake-chatwoot/rails-json.ts';

const ROW = ['id', 'content', 'conversation_id', 'message_type', 'content_type', 'status'] as const;
const CONTACT = ['id', 'name', 'thumbnail', 'type'] as const;
const AGENT = ['id', 'name', 'available_name', 'avatar_url', 'type', 'thumbnail'] as const;
const ATTRIBUTES = ['in_reply_to', 'deleted'] as const;

/** A row that is not internal. */
export function customerRow(json: string): string {
  const row = JSON.parse(json) as JsonObject;
  const sender = row['sender'] as JsonObject | undefined;
  return railsJson({
    ...pick(row, ROW),
    content_attributes: pick(row['content_attributes'] as JsonObject, ATTRIBUTES),
    ...pick(row, ['created_at', 'private']),
    ...(sender === undefined ? {} : { sender: pick(sender, sender['type'] === 'contact' ? CONTACT : AGENT) }),
  });
}

export function customerMeta(json: string): string {
  const meta = JSON.parse(json) as JsonObject;
  return railsJson({ contact: pick(meta['contact'] as JsonObject, CONTACT) });
}

function pick(from: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])));
}
