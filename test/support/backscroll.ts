// The real program on a real socket, before a fake Chatwoot. Everything it says is searched for the planted token, and
// everything it asks is searched for what must never be forwarded.

import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished } from 'vitest';
import { buildApp, type App } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { listen } from '../../src/http/listen.ts';
import type { SharedTimes } from '../../src/shared/times.ts';
import { CANARY, findCanary, searchForCanary } from './canary.ts';
import type { FakeChatwoot } from './fake-chatwoot/fake-chatwoot.ts';
import { sendRaw, type RawRequest, type RawResponse } from './fake-chatwoot/raw-request.ts';
import type { LoggedRequest } from './fake-chatwoot/request-log.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from './fake-chatwoot/sample-account.ts';

/** The key of the client `test`, which every Backscroll has unless its clients are given. */
export const KEY = 'client-key-of-the-tests';

/** The newest page of the sample account's conversations. */
export function messagesOf(conversation: number, search = ''): string {
  return `/api/v1/accounts/1/conversations/${conversation}/messages${search}`;
}

/** A clock that stands until it is told to move. */
export interface TestClock {
  readonly now: () => number;
  advance(ms: number): void;
}

/** A moment without meaning, for clocks to start at. */
const STARTED_AT = Date.UTC(2026, 8, 1, 12);

export function testClock(startedAt: number = STARTED_AT): TestClock {
  let at = startedAt;
  return {
    now: () => at,
    advance(ms) {
      at += ms;
    },
  };
}

/** What came back; header names are lower-case. */
export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The body, which must be JSON. */
  json(): unknown;
  /** The `code` of an error body. */
  readonly code: unknown;
}

/** An entry of the clients file whose key is given in the clear. */
export interface TestClient {
  readonly name: string;
  readonly key: string;
  readonly scope?: '*' | readonly { readonly account: number; readonly conversations: '*' | readonly number[] }[];
  readonly view?: 'agent' | 'customer';
  readonly mayBypass?: boolean;
  readonly tailMaxAge?: string;
  readonly rateLimit?: string;
}

export interface BackscrollOptions {
  readonly chatwoot: FakeChatwoot;
  /** Settings beside the address, the token and the client of the tests. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the client of the tests. */
  readonly clients?: readonly TestClient[];
  /** The engine's clock, ms. */
  readonly now?: () => number;
  /** Tokens that callers bring themselves, and that messages are read with. */
  readonly ownTokens?: readonly string[];
  /** How long it waits for Redis. */
  readonly sharedTimes?: SharedTimes | undefined;
  /** Where it listens. Default 127.0.0.1 */
  readonly host?: string;
}

export interface Backscroll {
  readonly app: App;
  readonly url: string;
  readonly port: number;
  /** Every log line so far, as JSON text. */
  readonly logs: readonly string[];
  /** A GET with the key of the client of the tests. Header names may be repeated in a list of pairs. */
  get(target: string, headers?: Headers): Promise<Received>;
  /** Anything at all, as it is. */
  send(request: Partial<RawRequest> & { readonly target: string }): Promise<Received>;
  /** The text of /metrics. */
  metrics(): Promise<string>;
  /** Ends it, then searches its logs and what it asked of Chatwoot. */
  close(): Promise<void>;
}

type Headers = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

/** Starts a Backscroll on a free port. The fake takes the planted token for that of its administrator. */
export async function startBackscroll({
  chatwoot,
  env = {},
  clients,
  now,
  ownTokens = [],
  sharedTimes,
  host = '127.0.0.1',
}: BackscrollOptions): Promise<Backscroll> {
  plantToken(chatwoot);
  const logs: string[] = [];
  const write = (line: string): void => void logs.push(line);
  const logger = pino({ level: 'trace', base: null }, { write });
  const folder = clients === undefined ? undefined : await mkdtemp(join(tmpdir(), 'backscroll-clients-'));
  const path = folder === undefined ? '' : join(folder, 'clients.json');
  if (clients !== undefined) await writeFile(path, clientsFile(clients));
  const who = clients === undefined ? { CLIENT_KEYS: `test=${KEY}` } : { CLIENTS_FILE: path };
  const settings = {
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: CANARY,
    RATE_LIMIT: '1000000/1s',
    SHADOW_RATE: '0',
    ...who,
    ...env,
  };
  const config = loadConfig(settings);
  const app = await buildApp({
    config,
    logger,
    answeredLines: write,
    eventLoopDelayMaxMs: 0,
    sharedTimes,
    ...(now === undefined ? {} : { now }),
  }); // Test machines are late.
  const url = await listen(app.http, { host, port: 0 });
  const port = Number(new URL(url).port);

  const send: Backscroll['send'] = async ({ target, method = 'GET', headers = [], ...body }) => {
    const response = await sendRaw(port, { method, target, headers, ...body });
    return received(`the answer to ${method} ${target.slice(0, 100)}`, response);
  };
  const metrics = async (): Promise<string> => (await send({ target: '/metrics' })).body.toString();
  return {
    app,
    url,
    port,
    logs,
    send,
    metrics,
    get: async (target, headers = {}) =>
      send({ target, headers: [['api_access_token', KEY], ...(isPairs(headers) ? headers : Object.entries(headers))] }),
    async close() {
      if (app.http.server.listening) await metrics();
      await app.close();
      if (folder !== undefined) await rm(folder, { recursive: true });
      for (const line of logs) searchForCanary('a log line', line);
      for (const request of askedByBackscroll(chatwoot)) expectCleanRequest(request, ownTokens);
      const keys = clients?.map(({ key }) => key) ?? [KEY];
      for (const request of chatwoot.log.requests) expectOwnRequest(request, keys);
    },
  };
}

/** A sample Chatwoot and a Backscroll before it, on the same clock, both ended with the test. */
export async function startHouse(
  options: Omit<BackscrollOptions, 'chatwoot' | 'now'> & { readonly clock?: TestClock } = {},
): Promise<{ readonly chatwoot: FakeChatwoot; readonly backscroll: Backscroll; readonly clock: TestClock }> {
  const { clock = testClock(), ...rest } = options;
  const chatwoot = await startSampleChatwoot({ now: clock.now });
  onTestFinished(() => chatwoot.close());
  const backscroll = await startBackscroll({ ...rest, chatwoot, now: clock.now });
  onTestFinished(() => backscroll.close());
  return { chatwoot, backscroll, clock };
}

/** What Backscroll asked of the fake, readiness checks included. */
export function askedByBackscroll(chatwoot: FakeChatwoot): readonly LoggedRequest[] {
  return chatwoot.log.requests.filter(({ headers }) => headers['user-agent']?.startsWith('backscroll/') === true);
}

/** Has a history page of conversation 1 known, for minutes. @returns its target */
export async function knownPage(backscroll: Backscroll): Promise<string> {
  const { payload } = (await backscroll.get(messagesOf(1))).json() as { payload: { id: number }[] };
  const page = messagesOf(1, `?before=${payload[0]!.id}`);
  await backscroll.get(page);
  expect((await backscroll.get(page)).headers['cache-status']).toMatch(/^backscroll; hit/);
  await backscroll.app.readThrough.idle();
  return page;
}

/** What it read of conversations. */
export function readsOf(chatwoot: FakeChatwoot): readonly string[] {
  return askedByBackscroll(chatwoot)
    .filter(({ path }) => /\/accounts\/[1-9]/.test(path))
    .map(({ path, search }) => `${path}${search}`);
}

/** Makes the fake take the planted token for its administrator's. */
export function plantToken(chatwoot: FakeChatwoot): void {
  const owner = chatwoot.directory.tokenOwner(SAMPLE_TOKEN) ?? chatwoot.directory.tokenOwner('ADMIN_TOKEN');
  if (owner !== undefined && chatwoot.directory.tokenOwner(CANARY) === undefined) chatwoot.directory.addToken(CANARY, owner);
}

/** A raw answer in the form that tests look at, searched for the token. */
export function received(where: string, { status, headers, body }: RawResponse): Received {
  searchForCanary(`${where} (headers)`, JSON.stringify(headers));
  searchForCanary(`${where} (body)`, body);
  const json = (): unknown => {
    try {
      return JSON.parse(body.toString());
    } catch (error) {
      throw new Error(`${where} (${status}) is not JSON: ${JSON.stringify(body.toString('latin1', 0, 300))}`, { cause: error });
    }
  };
  return {
    status,
    body,
    json,
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    get code() {
      return (json() as { code?: unknown }).code;
    },
  };
}

/** Names that Backscroll may send to Chatwoot; of a caller's only `traceparent` is among them. */
const SENT_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'api-access-token',
  'accept',
  'accept-encoding',
  'cache-control',
  'user-agent',
  'x-request-id',
  'traceparent',
]);

/** Nothing of a caller reaches Chatwoot but ids and cursors and, in its strict form, the trace that it names; and the token is in its header only. */
function expectCleanRequest({ method, path, search, headers, body }: LoggedRequest, ownTokens: readonly string[]): void {
  expect(method).toBe('GET');
  expect(path).toMatch(/^\/api\/v1\/(?:accounts\/\d+\/conversations\/\d+\/messages|profile)$/);
  expect(search).toMatch(/^(?:|\?(?:(?:after|before|before_timestamp)=\d+|filter_internal_messages=true|&)+)$/);
  expect(Object.keys(headers).filter((name) => !SENT_HEADERS.has(name))).toEqual([]);
  expect([CANARY, ...ownTokens]).toContain(headers['api-access-token']);
  expect(headers['cache-control']).toBe('no-cache');
  expect(headers['traceparent'] ?? '').toMatch(/^(?:|[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}(?:-[\x21-\x7e]{1,200})?)$/);
  expect(headers['x-request-id']).toMatch(/^backscroll-[\da-f-]{36}$/); // None of a caller's.
  expect(body).toBe('');
}

/** No key of this server's reaches Chatwoot, wherever it may stand, and its token comes with its own reads alone. */
function expectOwnRequest(request: LoggedRequest, keys: readonly string[]): void {
  const text = JSON.stringify([request.path, request.search, request.rawHeaders, request.body]);
  expect([...keys, 'bsk_'].filter((key) => text.includes(key) || decodeURIComponentLoosely(text).includes(key))).toEqual([]);
  if (request.headers['user-agent']?.startsWith('backscroll/') !== true) expect(findCanary(text)).toBeUndefined();
}

function decodeURIComponentLoosely(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The text of a clients file. */
export function clientsFile(clients: readonly TestClient[]): string {
  return JSON.stringify({
    clients: clients.map(({ key, scope = '*', ...entry }) => ({
      ...entry,
      scope,
      keys: [{ sha256: createHash('sha256').update(key).digest('hex') }],
    })),
  });
}

function isPairs(headers: Headers): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}
