// ActionCable's frames, `actioncable-v1-json`, as Chatwoot speaks them (contract 8). These few are the whole protocol. A client library such
// as @anycable/core subscribes anew and buffers by itself, so that nobody hears of the gaps that trust rests on, does not tell with which
// status an upgrade was refused, and has identifiers, which hold a secret, in its log.

import { membersOf, type Members } from './json-members.ts';

export const SUBPROTOCOL = 'actioncable-v1-json';

export type Frame =
  | { readonly kind: 'welcome' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'confirmed'; readonly identifier: string }
  | { readonly kind: 'rejected'; readonly identifier: string }
  /** The server ends the connection, and says whether to come back. */
  | { readonly kind: 'farewell'; readonly reconnect: boolean }
  | { readonly kind: 'event'; readonly identifier: string; readonly name: string; readonly data: Members }
  | { readonly kind: 'garbage' };

const GARBAGE = { kind: 'garbage' } as const;

/** Reads a frame. Never throws. */
export function readFrame(text: string): Frame {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return GARBAGE;
  }
  const { type, identifier, message, reconnect } = membersOf(json);
  switch (type) {
    case 'welcome':
    case 'ping':
      return { kind: type };
    case 'disconnect':
      return { kind: 'farewell', reconnect: reconnect !== false };
  }
  if (typeof identifier !== 'string') return GARBAGE;
  if (type === 'confirm_subscription') return { kind: 'confirmed', identifier };
  if (type === 'reject_subscription') return { kind: 'rejected', identifier };
  const { event, data } = membersOf(message);
  return type === undefined && typeof event === 'string'
    ? { kind: 'event', identifier, name: event, data: membersOf(data) }
    : GARBAGE;
}

export interface Subscription {
  readonly accountId: number;
  readonly userId: number;
  readonly pubsubToken: string;
}

/** A subscription's name, which is its parameters as text. It holds a secret. */
export function identifierOf({ accountId, userId, pubsubToken }: Subscription): string {
  return JSON.stringify({ channel: 'RoomChannel', pubsub_token: pubsubToken, account_id: accountId, user_id: userId });
}

export function subscribeCommand(identifier: string): string {
  return JSON.stringify({ command: 'subscribe', identifier });
}

/** ActionCable does nothing about a subscription that it was asked for before, be it that nothing came of that. */
export function unsubscribeCommand(identifier: string): string {
  return JSON.stringify({ command: 'unsubscribe', identifier });
}

/** Has Chatwoot answer with a `presence.update`, which goes through Redis. */
export function presenceCommand(identifier: string): string {
  return JSON.stringify({ command: 'message', identifier, data: JSON.stringify({ action: 'update_presence' }) });
}
