// What Chatwoot announces of a write, and what it passes over in silence (contract 6): cable events, then account webhooks.

import type { ConversationMeta } from './conversation-meta.ts';
import type { MessageTable, TableWrite } from './message-table.ts';
import type { MessageJson, MessageRow } from './message-row.ts';
import type { JsonObject } from './rails-json.ts';

/** One event. `cable` or `webhook` is absent where it does not go there. */
export interface Announcement {
  readonly accountId: number;
  /** Who hears of it on the cable: those who read this conversation, or the whole account. */
  readonly conversationId?: number;
  readonly cable?: { readonly event: string; readonly data: JsonObject };
  readonly webhook?: JsonObject & { readonly event: string };
}

interface World {
  readonly table: MessageTable;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const WORDS = ['incoming', 'outgoing', 'activity', 'template'] as const;
/** Members whose change alone is written past the events. */
const SILENT: ReadonlySet<string> = new Set(['attachments', 'sender']);

/** Knows which conversations wait for a reply, on which it depends whether a new message updates its conversation. */
export class Announcer {
  readonly #world: World;
  readonly #waiting = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What a write is announced as, in Chatwoot's order. */
  announce(write: TableWrite): readonly Announcement[] {
    switch (write.kind) {
      case 'inserted':
        return this.#inserted(write.row);
      case 'edited':
        return this.#edited(write.row, write.before);
      case 'meta':
        return this.#meta(write);
    }
  }

  /** The status has changed; its activity row comes later, as a write of its own. */
  statusChanged(accountId: number, conversationId: number): readonly Announcement[] {
    return ['status_changed', 'updated'].map((what) => this.#conversation(accountId, conversationId, what, null));
  }

  /** A label was renamed or deleted, or an inbox got another member: only this is told. */
  cacheInvalidated(accountId: number): Announcement {
    return { accountId, cable: { event: 'account.cache_invalidated', data: { cache_keys: {}, account_id: accountId } } };
  }

  contactDeleted(accountId: number, contact: JsonObject): Announcement {
    return { accountId, cable: { event: 'contact.deleted', data: { ...contact, account_id: accountId } } };
  }

  #inserted(row: MessageRow): readonly Announcement[] {
    const { accountId, conversationId, messageType } = row;
    const announced = [this.#message(row, 'created', undefined)];
    const key = `${accountId}/${conversationId}`;
    const isWaiting = this.#waiting.has(key);
    if (messageType === 0) this.#waiting.add(key);
    else if (messageType !== 2 && !row.private) this.#waiting.delete(key);
    if (isWaiting !== this.#waiting.has(key)) {
      announced.push(this.#conversation(accountId, conversationId, 'updated', [{ waiting_since: changed(null, this.#iso()) }]));
    }
    if (messageType === 0) {
      const changes = [{ updated_at: changed(null, this.#iso()) }, { last_activity_at: changed(null, this.#iso()) }];
      announced.push(this.#contact(accountId, this.#metaOf(accountId, conversationId).contact, changes));
    }
    return announced;
  }

  #edited(row: MessageRow, before: MessageRow): readonly Announcement[] {
    const [now, then] = [membersOf(row.json), membersOf(before.json)];
    const names = new Set([...Object.keys(now), ...Object.keys(then)]);
    const differing = [...names].filter((name) => JSON.stringify(now[name]) !== JSON.stringify(then[name]));
    if (!differing.some((name) => !SILENT.has(name))) return [];
    const changes = Object.fromEntries(differing.map((name) => [name, [then[name] ?? null, now[name] ?? null]]));
    return [this.#message(row, 'updated', { ...changes, updated_at: [null, this.#iso()] })];
  }

  #meta({ accountId, conversationId, before, after }: Extract<TableWrite, { kind: 'meta' }>): readonly Announcement[] {
    const [then, now]: readonly ConversationMeta[] = [JSON.parse(before), JSON.parse(after)];
    const differs = (name: keyof ConversationMeta): boolean => JSON.stringify(then?.[name]) !== JSON.stringify(now?.[name]);
    const announced: Announcement[] = [];
    const language =
      now?.additional_attributes?.['conversation_language'] !== then?.additional_attributes?.['conversation_language'];
    if (differs('labels')) announced.push(this.#conversation(accountId, conversationId, 'updated', [{ label_list: {} }]));
    if (language) announced.push(this.#conversation(accountId, conversationId, 'updated', [{ additional_attributes: {} }]));
    if (differs('assignee')) {
      announced.push(this.#conversation(accountId, conversationId, 'updated', [{ assignee_id: {} }]), {
        accountId,
        conversationId,
        cable: { event: 'assignee.changed', data: this.#conversationData(accountId, conversationId) },
      });
    }
    if (differs('contact') && now !== undefined) {
      announced.push(this.#contact(accountId, now.contact, [{ updated_at: {} }, { name: {} }]));
    }
    return announced;
  }

  #message(row: MessageRow, what: 'created' | 'updated', changes: JsonObject | undefined): Announcement {
    const { accountId, conversationId, messageType } = row;
    const json = membersOf(row.json);
    const data = {
      ...json,
      account_id: accountId,
      conversation_id: conversationId,
      updated_at: this.#iso(),
      ...(changes === undefined ? {} : { previous_changes: changes }),
    };
    const cable = { event: `message.${what}`, data };
    if (messageType === 2) return { accountId, conversationId, cable };
    const { id, content, content_type, content_attributes, source_id } = json;
    const webhook = {
      account: { id: accountId, name: `Account ${accountId}` },
      content_attributes,
      content_type,
      content,
      conversation: this.#conversationData(accountId, conversationId, false),
      created_at: new Date(row.createdAtUs / 1000).toISOString(),
      id,
      message_type: WORDS[messageType],
      private: row.private,
      source_id,
      event: `message_${what}`,
    };
    return { accountId, conversationId, cable, webhook };
  }

  #conversation(accountId: number, conversationId: number, what: string, changes: readonly JsonObject[] | null): Announcement {
    return {
      accountId,
      conversationId,
      cable: { event: `conversation.${what}`, data: this.#conversationData(accountId, conversationId) },
      webhook: {
        ...this.#conversationData(accountId, conversationId, false),
        event: `conversation_${what}`,
        changed_attributes: what === 'status_changed' ? null : changes,
      },
    };
  }

  #contact(accountId: number, contact: JsonObject, changes: readonly JsonObject[]): Announcement {
    const { type: _, ...rest } = contact;
    return {
      accountId,
      cable: { event: 'contact.updated', data: { ...contact, account_id: accountId } },
      webhook: { account: { id: accountId }, ...rest, event: 'contact_updated', changed_attributes: changes },
    };
  }

  /** A conversation as events show it; webhooks name no account (contract 7.1). */
  #conversationData(accountId: number, conversationId: number, withAccount = true): JsonObject {
    const { labels, contact, assignee } = this.#metaOf(accountId, conversationId);
    return {
      id: conversationId,
      labels,
      meta: { sender: contact, assignee: assignee ?? null },
      status: 'open',
      updated_at: this.#world.now() / 1000,
      ...(withAccount ? { account_id: accountId } : {}),
    };
  }

  #metaOf(accountId: number, conversationId: number): ConversationMeta {
    return JSON.parse(this.#world.table.metaJson(accountId, conversationId));
  }

  #iso(): string {
    return new Date(this.#world.now()).toISOString();
  }
}

function changed(previous: unknown, current: unknown): JsonObject {
  return { previous_value: previous, current_value: current };
}

function membersOf(json: string): MessageJson & JsonObject {
  return JSON.parse(json);
}
