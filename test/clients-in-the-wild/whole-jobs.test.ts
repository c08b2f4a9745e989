// Real clients do their whole job through one base URL, each with the token of its own user: who am I, what is there, what was said,
// say something, close it.

import { createRequire } from 'node:module';
import type * as Sdk from '@figuro/chatwoot-sdk' with { 'resolution-mode': 'require' };
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { messagesOf } from '../support/backscroll.ts';
import { OWN, RUNNING, startPassingHouse } from '../pass-through/house.ts';

const load = createRequire(import.meta.url);
const sdk: (typeof Sdk)['default'] = load('@figuro/chatwoot-sdk');
const { default: ChatwootClient } = sdk;

test.each(['', '/'])('@figuro/chatwoot-sdk, with a base URL that ends in "%s"', async (end) => {
  const { backscroll, chatwoot } = await startPassingHouse({ clock: RUNNING });
  const ids = { accountId: 1, conversationId: 4 };
  const clientAt = (url: string) =>
    new ChatwootClient({ config: { basePath: `${url}${end}`, with_credentials: true, credentials: 'include', token: OWN } });
  const [through, direct] = [clientAt(backscroll.url), clientAt(chatwoot.url)];
  expect(await through.profile.profile()).toEqual(await direct.profile.profile());
  expect(await through.conversations.list({ accountId: 1 })).toEqual(await direct.conversations.list({ accountId: 1 }));
  expect(await through.messages.list(ids)).toEqual(await direct.messages.list(ids));
  const sent: unknown = await through.messages.create({ ...ids, data: { content: 'On its way!' } });
  expect(sent).toMatchObject({ content: 'On its way!' });
  expect(await through.messages.list(ids)).toEqual(await direct.messages.list(ids));
  expect(await through.conversations.toggleStatus({ ...ids, data: { status: 'resolved' } })).toMatchObject({
    payload: { current_status: 'resolved' },
  });
  expect(await through.conversations.get(ids)).toMatchObject({ status: 'resolved' });
  const error: unknown = await through.conversations.get({ ...ids, conversationId: 99 }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ status: 404, body: { error: 'Resource could not be found' } });
});

/** A node of n8n says what it sends, and n8n sends it: this does the latter for what this node uses. */
interface N8nRequest {
  readonly method?: string;
  readonly baseURL?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface N8nProperty {
  readonly name: string;
  readonly displayOptions?: { readonly show?: Readonly<Record<string, readonly string[]>> };
  readonly options?: readonly { readonly value: string; readonly routing?: { readonly request: N8nRequest } }[];
  readonly routing?: { readonly send?: { readonly type: string; readonly property: string } };
}

interface N8nNode {
  readonly description: {
    readonly requestDefaults: Omit<N8nRequest, 'url'>;
    readonly properties: readonly N8nProperty[];
  };
}

interface N8nCredential {
  readonly authenticate: { readonly properties: { readonly headers: Readonly<Record<string, string>> } };
  readonly test: { readonly request: N8nRequest };
}

/** `={{$parameter["id"]}}` and the like. */
function filled(text: string, values: Readonly<Record<string, unknown>>): string {
  return text
    .replace(/^=/, '')
    .replaceAll(/\{\{\$(?:parameter|credentials)(?:\["([^"]+)"\]|\.(\w+))\}\}/g, (_, one?: string, other?: string) =>
      String(values[one ?? other ?? '']),
    );
}

test('@devlikeapro/n8n-nodes-chatwoot', async () => {
  const { ChatWoot } = load('@devlikeapro/n8n-nodes-chatwoot/dist/nodes/ChatWoot/ChatWoot.node.js') as {
    ChatWoot: new () => N8nNode;
  };
  const { ChatWootApi } = load('@devlikeapro/n8n-nodes-chatwoot/dist/credentials/ChatWootApi.credentials.js') as {
    ChatWootApi: new () => N8nCredential;
  };
  const { backscroll, chatwoot } = await startPassingHouse({ clock: RUNNING });
  const { description } = new ChatWoot();
  const { authenticate, test: credentialTest } = new ChatWootApi();
  const agent = new Agent();
  onTestFinished(() => agent.close());

  async function send(asked: N8nRequest, values: Readonly<Record<string, unknown>>, body: object | null, isShown: boolean) {
    const credentials = { url: backscroll.url, accessToken: OWN };
    const defaults = description.requestDefaults;
    const shown = isShown ? authenticate.properties.headers : {};
    const headers = Object.entries({ ...defaults.headers, ...asked.headers, ...shown }).map(
      ([name, value]) => [name, filled(value, credentials)] as const,
    );
    const url = filled(asked.baseURL ?? defaults.baseURL ?? '', credentials) + filled(asked.url, values);
    const answer = await request(url, {
      dispatcher: agent,
      method: (asked.method ?? 'GET') as 'GET',
      headers: { ...Object.fromEntries(headers), connection: 'close' },
      body: body === null ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, json: await answer.body.json() };
  }
  async function operate(operation: string, values: Readonly<Record<string, unknown>>, body: object | null = null) {
    const options = description.properties.filter(({ name }) => name === 'operation').flatMap(({ options: each = [] }) => each);
    const found = options.find(({ value }) => value === operation)?.routing?.request;
    if (found === undefined) throw new Error(`the node has no operation ${operation}`);
    return send(found, values, body, true);
  }

  // n8n tests a credential without sending it, and some versions with.
  for (const isShown of [false, true]) {
    expect(await send(credentialTest.request, {}, null, isShown)).toMatchObject({ status: 200, json: { version: '4.10.0' } });
  }
  const ids = { account_id: 1, conversation_id: 4 };
  expect(await operate('Fetch Profile', {})).toMatchObject({ status: 200, json: { id: 8 } });
  const list = await operate('Conversation List', ids);
  expect(list).toMatchObject({ status: 200, json: { data: { meta: { all_count: 6 } } } });
  const read = await operate('List All Messages', ids);
  expect([read.status, JSON.stringify(read.json)]).toEqual([200, JSON.stringify(JSON.parse(chatwoot.table.body(1, 4, {})))]);
  const sent = await operate('Create A New Message In A Conversation', ids, { content: 'Hello from a flow' });
  expect(sent).toMatchObject({ status: 200, json: { content: 'Hello from a flow' } });
  const { id } = sent.json as { id: number };
  const payload = async (): Promise<readonly { id: number }[]> =>
    ((await operate('List All Messages', ids)).json as { payload: { id: number }[] }).payload;
  expect((await payload()).at(-1)).toMatchObject({ id, content: 'Hello from a flow' });
  expect((await operate('Delete A Message', { ...ids, message_id: id })).status).toBe(200);
  expect((await payload()).at(-1)).toMatchObject({ id, content_attributes: { deleted: true } });
  const toggled = await operate('Toggle Status Of A Conversation', ids, { status: 'resolved' });
  expect(toggled).toMatchObject({ status: 200, json: { payload: { current_status: 'resolved' } } });
  expect(await operate('Conversation Add Labels', ids, { labels: ['done'] })).toMatchObject({ json: { payload: ['done'] } });
  // Messages were read by the cache, all else was passed.
  const paths = new Set(
    chatwoot.log.requests.filter(({ headers }) => headers['user-agent']?.startsWith('backscroll/')).map(({ path }) => path),
  );
  expect([...paths]).toEqual([messagesOf(4)]);
});
