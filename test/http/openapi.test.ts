// `/openapi.json` is a right document, and what it says is what the program answers.

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { ERROR_STATUS } from '../../src/errors.ts';
import { AGENTS, JSON_TYPE, OWN_TOKENS, startPassingHouse } from '../pass-through/house.ts';
import { signature } from '../support/fake-chatwoot/webhooks.ts';
import { freePort } from '../support/free-port.ts';
import { KEY, knownPage, messagesOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';

const ADMIN_KEY = 'admin-key-of-the-tests';
const ENV = { ADMIN_KEYS: `ops=${ADMIN_KEY}`, RATE_LIMIT: '40/1h' };
const SECRET = 'a-secret-of-24-characters';
const NOBODYS = 'a-token-of-nobody';
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const ORIGIN = 'https://app.example.com';
/** Whatever changes what is served. */
const ALL_ON = {
  ADMIN_KEYS: `ops=${ADMIN_KEY}`,
  PASS_THROUGH: 'own-token',
  FEED: 'webhook',
  WEBHOOK_SECRETS: JSON.stringify({ 1: SECRET }),
  ALLOW_ANONYMOUS: 'true',
  CORS_ORIGINS: ORIGIN,
};
const MESSAGES = '/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages';

interface Told {
  readonly schema: object;
  readonly example?: unknown;
}
interface Response {
  readonly headers?: Readonly<Record<string, Told>>;
  readonly content?: Readonly<Record<string, Told & { readonly examples?: Readonly<Record<string, { value: unknown }>> }>>;
}
interface Operation {
  readonly security?: readonly object[];
  readonly parameters?: readonly (Told & { readonly name: string; readonly in: string })[];
  readonly responses: Readonly<Record<string, Response>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

async function documentOf(backscroll: Backscroll): Promise<Document> {
  return (await backscroll.send({ target: '/openapi.json' })).json() as Document;
}

/** Headers that say how, not what. */
const OF_HTTP = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'content-type']);

/** What keeps a page from being misused. */
const OF_BROWSERS = /^(content-security|x-content|x-frame|referrer|cross-origin)/;

/** Checks the body against a schema of the document. */
function checkerOf({ components }: Document): (schema: object, body: unknown) => unknown {
  const isMoment = (text: string): boolean => new Date(text).toISOString() === text;
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { 'date-time': isMoment } });
  return (schema, body) => {
    const isRight = ajv.compile({ ...schema, components });
    return isRight(body) ? [] : isRight.errors;
  };
}

/** Expects answers to be as the document has them, and notes which those were. */
function expecting(document: Document): {
  readonly seen: ReadonlySet<string>;
  readonly toldOf: (path: string, method: string, answer: Received) => void;
} {
  const check = checkerOf(document);
  const seen = new Set<string>();
  const toldOf = (path: string, method: string, { status, headers, body }: Received): void => {
    const what = `${method} ${path} ${status}`;
    seen.add(what);
    const response = document.paths[path]?.[method]?.responses[status];
    expect(response, what).toBeDefined();
    const names = Object.keys(headers).filter((name) => !OF_HTTP.has(name) && !OF_BROWSERS.test(name));
    expect(
      names.filter((name) => !(name in (response!.headers ?? {}))),
      what,
    ).toEqual([]);
    for (const name of names) {
      const { schema } = response!.headers![name]!;
      const value = Reflect.get(schema, 'type') === 'integer' ? Number(headers[name]) : headers[name];
      expect(check(schema, value), `${what} ${name}`).toEqual([]);
    }
    const type = (headers['content-type'] ?? '').split(';')[0]!;
    if (body.length === 0) return;
    const { schema } = response!.content![type] ?? response!.content!['*/*']!;
    expect(check(schema, type === 'application/json' ? JSON.parse(body.toString()) : body.toString()), what).toEqual([]);
  };
  return { seen, toldOf };
}

test.each([
  ['nothing', {}, 5, 2],
  ['what admins have', ENV, 9, 2],
  ['all', ALL_ON, 11, 3],
])('with %s on, it is right by the rules of OpenAPI 3.1, and names what there is', async (_what, env, paths, security) => {
  const { backscroll } = await startHouse({ env });
  const document = await documentOf(backscroll);
  const result = await new Validator().validate({ ...document });
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  expect(Object.keys(document.paths)).toHaveLength(paths);
  expect(document.paths[MESSAGES]!['get']!.security).toHaveLength(security);
});

test('it tells strangers no value of a setting', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ALL_ON });
  const text = JSON.stringify(await documentOf(backscroll));
  const values = [chatwoot.url, KEY, ADMIN_KEY, SECRET, 'ops', String(backscroll.port)];
  expect(values.filter((value) => text.includes(value))).toEqual([]);
});

test('its examples are right by its own schemas', async () => {
  const { backscroll } = await startHouse({ env: ALL_ON });
  const document = await documentOf(backscroll);
  const check = checkerOf(document);
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const examples = operations.flatMap(({ parameters = [], responses }) => [
    ...parameters,
    ...Object.values(responses).flatMap(({ headers = {}, content = {} }) => [
      ...Object.values(headers),
      ...Object.values(content),
    ]),
  ]);
  const given = examples.filter(({ example }) => example !== undefined);
  expect(given.length).toBeGreaterThan(100);
  for (const { schema, example } of given) expect(check(schema, example), JSON.stringify(example)).toEqual([]);
  // And the page is one of Chatwoot's, as far as it goes.
  const { example } = document.paths[MESSAGES]!['get']!.responses[200]!.content!['application/json']!;
  const [told, sent] = [example, (await backscroll.get(messagesOf(5))).json()] as { meta: object; payload: object[] }[];
  expect(Object.keys(sent!)).toEqual(Object.keys(told!));
  expect(Object.keys(sent!.meta)).toEqual(expect.arrayContaining(Object.keys(told!.meta)));
  expect(Object.keys(sent!.payload[0]!)).toEqual(expect.arrayContaining(Object.keys(told!.payload[0]!)));
});

test('every code of an error is in it with its status, and its example is an error', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  const document = await documentOf(backscroll);
  const check = checkerOf(document);
  const { responses } = document.paths[MESSAGES]!['get']!;
  for (const [code, status] of Object.entries(ERROR_STATUS)) {
    if (['not_served', 'webhook_refused', 'shared_level_unreachable'].includes(code)) continue; // Of other paths.
    const { schema, examples } = responses[status]!.content!['application/json']!;
    expect(check(schema, examples![code]!.value), code).toEqual([]);
  }
  expect(check({ $ref: '#/components/schemas/Error' }, { error: 'x', code: 'another' })).not.toEqual([]);
});

test('what the program answers is what it says: status, headers and body', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  const document = await documentOf(backscroll);
  const { seen, toldOf } = expecting(document);
  toldOf('/readyz', 'get', await backscroll.send({ target: '/readyz' }));
  await backscroll.app.readiness.recheck();
  toldOf('/readyz', 'get', await backscroll.send({ target: '/readyz' }));
  const get = async (search: string, headers: Readonly<Record<string, string>> = {}, conversation = 1): Promise<Received> => {
    const answer = await backscroll.get(messagesOf(conversation, search), headers);
    toldOf(MESSAGES, 'get', answer);
    return answer;
  };
  const { headers } = await get('');
  for (const search of [
    '?before=1300',
    '?after=1300',
    '?after=1100&before=1200',
    '?before_timestamp=1700000000',
    '?filter_internal_messages=1',
    '?before=x',
  ])
    await get(search);
  await get('', { 'if-none-match': headers['etag']!, 'cache-control': 'max-age=60' });
  await get('', {}, 6);
  await get('', {}, 99);
  for (const status of [500, 429, 401, 403]) {
    chatwoot.fault = () => ({ kind: 'status', status, body: '{}' });
    await get('', {}, 5);
  }
  chatwoot.fault = () => undefined;
  toldOf(MESSAGES, 'get', await backscroll.send({ target: messagesOf(1) }));
  for (let n = 0; n < 40; n++) await backscroll.get(messagesOf(1));
  await get('');

  const admin = [['api_access_token', ADMIN_KEY]] as const;
  for (const [path, methods] of Object.entries(document.paths)) {
    if (path === MESSAGES) continue;
    for (const method of Object.keys(methods)) {
      const search = path === '/admin/explain' ? '?account=1&conversation=1' : '';
      const send = async (target: string, headers_: readonly (readonly [string, string])[]): Promise<Received> =>
        backscroll.send({ method: method.toUpperCase(), target, headers: headers_ });
      toldOf(path, method, await send(path + search, admin));
      if (!/^\/(status|admin)/.test(path)) continue;
      toldOf(path, method, await send(path + search, [['api_access_token', KEY]]));
      if (path !== '/status') toldOf(path, method, await send(`${path}?account=x&after=x`, admin));
    }
  }
  expect([...seen]).toEqual(
    expect.arrayContaining([
      `get ${MESSAGES} 304`,
      `get ${MESSAGES} 429`,
      `get ${MESSAGES} 502`,
      'get /readyz 200',
      'get /readyz 503',
      'delete /admin/cache 400',
    ]),
  );
});

test('so it is with all that can be on: tokens of callers, web pages, webhooks, nobody in particular', async () => {
  const { backscroll, ask, chatwoot, clock } = await startPassingHouse({ env: ALL_ON, ownTokens: [...OWN_TOKENS, NOBODYS] });
  const { seen, toldOf } = expecting(await documentOf(backscroll));
  const origin = ['origin', ORIGIN] as const;
  toldOf(MESSAGES, 'get', await backscroll.send({ target: messagesOf(1), headers: [origin] }));
  toldOf(MESSAGES, 'get', await backscroll.get(messagesOf(99), [origin]));
  toldOf(MESSAGES, 'get', await backscroll.get(messagesOf(1, '?before=x'), [origin]));
  toldOf(MESSAGES, 'get', await ask(messagesOf(2)));
  toldOf(MESSAGES, 'get', await ask(messagesOf(3), { token: AGENTS }));
  toldOf(MESSAGES, 'get', await ask(messagesOf(3), { token: NOBODYS }));
  const ofHtml = { 'content-type': 'text/html' };
  for (const status of [401, 403, 404]) {
    chatwoot.fault = () => ({ kind: 'status', status, headers: ofHtml, body: '<p>Not that</p>' });
    toldOf(MESSAGES, 'get', await ask(messagesOf(4)));
  }
  chatwoot.fault = () => undefined;

  const [unsigned, secret] = ['/feed/webhooks/{account_id}', '/feed/webhooks/{account_id}/{path_secret}'];
  const post = async (target: string, body: string, headers: readonly (readonly [string, string])[] = []): Promise<void> =>
    toldOf(
      target.includes(SECRET) ? secret : unsigned,
      'post',
      await backscroll.send({ method: 'POST', target, body, headers: [JSON_TYPE, ...headers] }),
    );
  const [account, event] = ['/feed/webhooks/1', '{"event":"message_created"}'];
  const now = String(Math.floor(clock.now() / 1000));
  const signed = Object.entries(signature(SECRET, now, event));
  await post(account, event);
  await post(account, event, signed);
  await post(account, event, signed);
  await post(`${account}/${SECRET}`, event);
  await post(`${account}/${SECRET}`, '{');
  await post(`${account}/${SECRET}`, '{"event":"message_created","account":{"id":2}}');
  await post(`${account}/${SECRET}`, 'x'.repeat(1024 * 1024 + 1));
  for (let n = 0; n < 60; n++) await backscroll.send({ method: 'POST', target: account });
  await post(account, event);
  const met = (path: string, method: string): string[] =>
    [...seen].filter((each) => each.startsWith(`${method} ${path} `)).map((each) => each.slice(-3));
  expect(met(MESSAGES, 'get').toSorted()).toEqual(['200', '400', '401', '403', '404']);
  expect(met(unsigned, 'post').toSorted()).toEqual(['204', '401', '409', '429']);
  expect(met(secret, 'post').toSorted()).toEqual(['204', '400', '413', '422']);
});

test('with Redis, it tells whom a purge reached, and what is answered where that is not known', async () => {
  const { backscroll } = await startHouse({ env: { ...ENV, REDIS_URL: `redis://127.0.0.1:${await freePort()}` } });
  const { seen, toldOf } = expecting(await documentOf(backscroll));
  const headers = [['api_access_token', ADMIN_KEY]] as const;
  toldOf('/admin/cache', 'delete', await backscroll.send({ method: 'DELETE', target: '/admin/cache', headers }));
  expect([...seen]).toEqual(['delete /admin/cache 503']);
});

test('every parameter that it names for messages is one that the program heeds', async () => {
  const clients = [{ name: 'test', key: KEY, mayBypass: true }];
  const { backscroll } = await startHouse({ clients });
  const { parameters = [] } = (await documentOf(backscroll)).paths[MESSAGES]!['get']!;
  const inQuery = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  for (const name of inQuery.filter((each) => each !== 'filter_internal_messages')) {
    expect((await backscroll.get(messagesOf(1, `?${name}=x`))).code, name).toBe('invalid_parameter');
  }
  expect(inQuery.toSorted()).toEqual(['after', 'before', 'before_timestamp', 'filter_internal_messages']);
  const inHeader = parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name);
  const page = await knownPage(backscroll);
  const { headers } = await backscroll.get(page);
  expect(headers['cache-status']).toMatch(/^backscroll; hit/);
  const heeds: Readonly<Record<string, readonly [string, (answer: Received) => boolean]>> = {
    'if-none-match': [headers['etag']!, ({ status }) => status === 304],
    'cache-control': ['no-cache', (answer) => answer.headers['cache-status']!.includes('fwd=bypass')],
    'accept-encoding': ['gzip', (answer) => answer.headers['content-encoding'] === 'gzip'],
    'x-request-id': ['an-id-of-ours', (answer) => answer.headers['x-request-id'] === 'an-id-of-ours'],
    traceparent: [TRACE, () => backscroll.logs.some((line) => line.includes(TRACE))],
  };
  expect(Object.keys(heeds).toSorted()).toEqual(inHeader.toSorted());
  for (const [name, [value, isHeeded]] of Object.entries(heeds)) {
    // Not at once: pages are compressed behind an answer, and lines are written there.
    const heeded = async (): Promise<boolean> => isHeeded(await backscroll.get(page, { [name]: value }));
    await expect.poll(heeded, { message: name }).toBe(true);
  }
});
