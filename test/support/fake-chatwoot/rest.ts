// What clients do beside reading messages: list conversations, send, edit and delete, toggle a status, set labels. As much of it as
// their jobs need, under the same credentials and the same policy as the messages.

import type { Answer } from './answer.ts';
import { jsonAnswer, notFoundPageAnswer, refusalAnswer } from './answer.ts';
import { authenticate, authorize, readCredentials, type Identity } from './credentials.ts';
import { agentJson } from './conversation-meta.ts';
import { localeOf, sessionTraces, type Context } from './context.ts';
import type { MessageRow } from './message-row.ts';
import type { Params } from './rails-params.ts';
import type { RestRoute, Route } from './route.ts';

type Target = RestRoute | Extract<Route, { action: 'messages' }>;

/** The answer to anything but a read of messages or of the profile. */
export function restAnswer(context: Context, target: Target): Answer {
  const { request, headers, params, installation } = context;
  const { directory, table, accountLocale } = installation;
  if (target.action === 'version') {
    if (request.method !== 'GET' && request.method !== 'HEAD') return notFoundPageAnswer();
    return jsonAnswer('{"version":"4.10.0","timestamp":"2026-01-15 10:00:00","queue_services":"ok","data_services":"ok"}');
  }
  const credentials = readCredentials(directory, headers, params);
  const identity = authenticate(directory, credentials);
  if (typeof identity === 'string') return refusalAnswer(identity, localeOf(params));
  const { accountId } = target;
  const conversationId = target.action === 'conversations' ? 0 : target.conversationId;
  const exists = target.action === 'conversations' || table.hasConversation(accountId, conversationId);
  const refusal = authorize(directory, identity, { accountId, conversationId, exists });
  const isList = target.action === 'conversations';
  if (refusal !== undefined && !(isList && refusal === 'no-access'))
    return refusalAnswer(refusal, localeOf(params), accountLocale);
  const body = bodyOf(context, target, identity);
  if (body === null) return notFoundPageAnswer();
  return jsonAnswer(body, {
    ifNoneMatch: headers.get('IF_NONE_MATCH'),
    ...sessionTraces(directory, credentials, identity.user),
  });
}

function bodyOf(context: Context, target: Exclude<Target, { action: 'version' }>, identity: Identity): string | null {
  const { request, params, installation } = context;
  const { table, statuses } = installation;
  const { method } = request;
  const { accountId } = target;
  if (target.action === 'conversations') return method === 'GET' ? list(context, accountId, identity) : null;
  const { conversationId } = target;
  const key = `${accountId}/${conversationId}`;
  switch (target.action) {
    case 'messages': {
      if (method !== 'POST') return null;
      const row = table.insert({
        accountId,
        conversationId,
        messageType: textOf(params, 'message_type') === 'incoming' ? 0 : 1,
        private: /^true$/.test(textOf(params, 'private')),
        content: textOf(params, 'content') || partOf(request.body, 'content'),
        sender: agentJson(identity.user),
      });
      return row.json;
    }
    case 'message': {
      const row = table.rows(accountId, conversationId).find(({ id }) => id === target.messageId);
      if (row === undefined) return null;
      return changed(context, row);
    }
    case 'conversation':
      if (method === 'DELETE') {
        table.removeConversation(accountId, conversationId);
        return '{}';
      }
      return method === 'GET' ? conversationJson(context, accountId, conversationId) : null;
    case 'toggle_status': {
      if (method !== 'POST') return null;
      const status = textOf(params, 'status') || (statuses.get(key) === 'resolved' ? 'open' : 'resolved');
      statuses.set(key, status);
      table.insert({
        accountId,
        conversationId,
        messageType: 2,
        content: `Conversation was marked ${status} by ${identity.user.name}`,
      });
      return JSON.stringify({ meta: {}, payload: { success: true, conversation_id: conversationId, current_status: status } });
    }
    case 'labels': {
      const labels = params.get('labels');
      if (method === 'POST' && Array.isArray(labels)) table.changeMeta(accountId, conversationId, { labels: labels.map(String) });
      const { labels: payload }: { labels: unknown } = JSON.parse(table.metaJson(accountId, conversationId));
      return JSON.stringify({ payload });
    }
    case 'toggle_typing_status':
      return method === 'POST' ? '' : null;
  }
}

function changed({ request, params, installation }: Context, { id }: MessageRow): string | null {
  const { table } = installation;
  if (request.method === 'DELETE') return table.softDelete(id).json;
  if (request.method !== 'PATCH' && request.method !== 'PUT') return null;
  const [content, status] = [textOf(params, 'content'), textOf(params, 'status')];
  return table.edit(id, { ...(content === '' ? {} : { content }), ...(status === '' ? {} : { status }) }).json;
}

function list(context: Context, accountId: number, identity: Identity): string {
  const { directory, table } = context.installation;
  const readable = Array.from({ length: 100 }, (_, at) => at + 1).filter((conversationId) => {
    const exists = table.hasConversation(accountId, conversationId);
    return exists && authorize(directory, identity, { accountId, conversationId, exists }) === undefined;
  });
  const payload = readable.map((id) => conversationJson(context, accountId, id)).join(',');
  const count = readable.length;
  return `{"data":{"meta":{"mine_count":0,"unassigned_count":${count},"all_count":${count}},"payload":[${payload}]}}`;
}

function conversationJson({ installation: { table, statuses } }: Context, accountId: number, id: number): string {
  const status = statuses.get(`${accountId}/${id}`) ?? 'open';
  const last = table.rows(accountId, id).at(-1)?.json;
  return `{"id":${id},"account_id":${accountId},"status":"${status}","messages":[${last ?? ''}]}`;
}

function textOf(params: Params, name: string): string {
  const value = params.get(name);
  return typeof value === 'string' || typeof value === 'boolean' ? String(value) : '';
}

/** A field of a form in parts. */
function partOf(body: string, name: string): string {
  return new RegExp(`name="${name}"\\r\\n(?:[^\\r\\n]+\\r\\n)*\\r\\n([^]*?)\\r\\n--`).exec(body)?.[1] ?? '';
}
