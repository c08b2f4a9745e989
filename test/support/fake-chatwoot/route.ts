// Which of Chatwoot's actions a request target names (contract 1.1).

import { decodePathSegment, toI } from './ruby-string.ts';

/** The outcome of routing. Ids are cast as the models cast them; one that nobody can have is just not found later. */
export type Route =
  | { readonly action: 'messages'; readonly accountId: number; readonly conversationId: number; readonly format: string }
  | { readonly action: 'profile' }
  | { readonly action: 'webhooks'; readonly accountId: number; readonly webhookId: number | undefined }
  | RestRoute
  /** The static HTML page (contract 1.1). */
  | { readonly action: 'none' };

/** What clients do beside reading messages, as far as the fake has it. */
export type RestRoute =
  | { readonly action: 'version' }
  | { readonly action: 'conversations'; readonly accountId: number }
  | {
      readonly action: 'conversation' | 'toggle_status' | 'labels' | 'toggle_typing_status';
      readonly accountId: number;
      readonly conversationId: number;
    }
  | { readonly action: 'message'; readonly accountId: number; readonly conversationId: number; readonly messageId: number };

const CONVERSATIONS =
  /^\/api\/v1\/accounts\/([^/.?]+)\/conversations(?:\/([^/.?]+)(?:\/(toggle_status|labels|toggle_typing_status|messages\/([^/.?]+)))?)?(?:\.json)?$/;
const MESSAGES = /^\/api\/v1\/accounts\/([^/.?]+)\/conversations\/([^/.?]+)\/messages(?:\.([^/.?]+))?$/;
const WEBHOOKS = /^\/api\/v1\/accounts\/([^/.?]+)\/webhooks(?:\/(\d+))?$/;
const PROFILE = /^\/api\/v1\/profile(?:\.json)?$/;

/** Routes a path without its query: slashes are squeezed, a trailing one is dropped. Throws `BadRequest` on ids that are not UTF-8. */
export function route(path: string): Route {
  const normal = path.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  if (PROFILE.test(normal)) return { action: 'profile' };
  const webhooks = WEBHOOKS.exec(normal);
  if (webhooks !== null) {
    const [, account = '', id] = webhooks;
    return { action: 'webhooks', accountId: castId(account), webhookId: id === undefined ? undefined : Number(id) };
  }
  const match = MESSAGES.exec(normal);
  if (match === null) return restRoute(normal);
  const [, account = '', conversation = '', format = 'json'] = match;
  return { action: 'messages', accountId: castId(account), conversationId: castId(conversation), format };
}

function restRoute(path: string): Route {
  if (path === '/api') return { action: 'version' };
  const [whole, account = '', conversation, part, message] = CONVERSATIONS.exec(path) ?? [];
  if (whole === undefined) return { action: 'none' };
  const accountId = castId(account);
  if (conversation === undefined) return { action: 'conversations', accountId };
  const ids = { accountId, conversationId: castId(conversation) };
  if (message !== undefined) return { action: 'message', ...ids, messageId: castId(message) };
  if (part === 'toggle_status' || part === 'labels' || part === 'toggle_typing_status') return { action: part, ...ids };
  return { action: 'conversation', ...ids };
}

function castId(segment: string): number {
  return Number(toI(decodePathSegment(segment)));
}
