// The `meta` half of an answer, with its keys in Chatwoot's order (contract 3.1).

import type { JsonObject } from './rails-json.ts';
import { railsJson } from './rails-json.ts';

/** `meta` as an object. `assignee` is absent when no human is assigned. */
export interface ConversationMeta {
  readonly labels: readonly string[];
  readonly additional_attributes: JsonObject | null;
  readonly contact: JsonObject;
  readonly assignee?: JsonObject | undefined;
  readonly agent_last_seen_at: string | null;
  readonly assignee_last_seen_at: string | null;
}

/** A contact in the shape of contract 3.3. */
export function contactJson(contact: {
  id: number;
  name: string;
  email?: string;
  phoneNumber?: string;
  thumbnail?: string;
}): JsonObject {
  return {
    additional_attributes: {},
    custom_attributes: {},
    email: contact.email ?? null,
    id: contact.id,
    identifier: null,
    name: contact.name,
    phone_number: contact.phoneNumber ?? null,
    thumbnail: contact.thumbnail ?? '',
    blocked: false,
    type: 'contact',
  };
}

/** An agent in the shape of contract 3.3. */
export function agentJson(agent: { id: number; name: string; availability?: 'online' | 'busy' | 'offline' | null }): JsonObject {
  return {
    id: agent.id,
    name: agent.name,
    available_name: agent.name,
    avatar_url: '',
    type: 'user',
    availability_status: agent.availability === undefined ? 'offline' : agent.availability,
    thumbnail: '',
  };
}

/** The meta of a conversation with nothing special about it. */
export function defaultMeta(conversationId: number): ConversationMeta {
  return {
    labels: [],
    additional_attributes: {},
    contact: contactJson({ id: conversationId, name: `Contact ${conversationId}` }),
    agent_last_seen_at: null,
    assignee_last_seen_at: null,
  };
}

/** The JSON of a meta, keys in the order of contract 3.1. */
export function renderMeta(meta: ConversationMeta): string {
  const { labels, additional_attributes, contact, assignee, agent_last_seen_at, assignee_last_seen_at, ...unknown } = meta;
  return railsJson({
    labels,
    additional_attributes,
    contact,
    assignee,
    agent_last_seen_at,
    assignee_last_seen_at,
    ...unknown,
  });
}
