// Which of Chatwoot's actions a request target names (contract 1.1).

import { decodePathSegment, toI } from './ruby-string.ts';

/** The outcome of routing. Ids are cast as the models cast them; one that nobody can have is just not found later. */
export type Route =
  | { readonly action: 'messages'; readonly accountId: number; readonly conversationId: number; readonly format: string }
  | { readonly action: 'profile' }
  | { readonly action: 'webhooks'; readonly accountId: number; readonly webhookId: number | undefined }
  /** The static HTML page (contract 1.1). */
  | { readonly action: 'none' };

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
  if (match === null) return { action: 'none' };
  const [, account = '', conversation = '', format = 'json'] = match;
  return { action: 'messages', accountId: castId(account), conversationId: castId(conversation), format };
}

function castId(segment: string): number {
  return Number(toI(decodePathSegment(segment)));
}
