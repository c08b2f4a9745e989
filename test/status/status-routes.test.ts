// Who gets to see the status page and its numbers, how they are sent, and what they count.

import { describe, expect, test, vi } from 'vitest';
import { KEY, messagesOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';
import { reluctantCaller } from '../support/reluctant-caller.ts';
import { startChild } from '../program/child.ts';

const ADMIN_KEY = 'admin-key-of-the-tests';
const ENV = { ADMIN_KEYS: `ops=${ADMIN_KEY},other=another-admin-key-of-the-tests` };
const ROUTES = [
  ['GET', '/status'],
  ['GET', '/status/status.js'],
  ['GET', '/status/uplot.js'],
  ['GET', '/status/data'],
  ['GET', '/admin/explain?account=1&conversation=3'],
  ['DELETE', '/admin/cache?account=1&conversation=3'],
] as const;

type Pairs = readonly (readonly [string, string])[];
const basic = (password: string, user = 'whoever'): readonly [string, string] => [
  'authorization',
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
];
const PAGE: readonly [string, string] = ['x-backscroll-page', 'status'];

describe.each(ROUTES)('%s %s', (method, target) => {
  const ask = async (backscroll: Backscroll, headers: Pairs): Promise<Received> => backscroll.send({ method, target, headers });

  test('is for admin keys, as a key, as a bearer and as any user’s password', async () => {
    const { backscroll } = await startHouse({ env: ENV });
    const right: Pairs[] = [
      [['api_access_token', ADMIN_KEY]],
      [['authorization', `Bearer ${ADMIN_KEY}`]],
      [basic(ADMIN_KEY), PAGE],
      [basic(ADMIN_KEY, ''), PAGE],
      [basic('another-admin-key-of-the-tests', 'a:b'.slice(0, 1)), PAGE],
      [['authorization', basic(ADMIN_KEY)[1].replace('Basic', 'bAsIc')], PAGE],
    ];
    for (const headers of right) expect((await ask(backscroll, headers)).status, JSON.stringify(headers)).toBe(200);
  });

  test('is closed to everybody else, who is asked for a password', async () => {
    const { backscroll } = await startHouse({ env: ENV });
    const wrong: Pairs[] = [
      [],
      [['api_access_token', KEY]],
      [basic(KEY), PAGE],
      [basic(`${ADMIN_KEY}x`), PAGE],
      [basic(''), PAGE],
      [basic(`x:${ADMIN_KEY}`), PAGE],
      [['authorization', `Basic ${ADMIN_KEY}`], PAGE],
      [['authorization', 'Basic'], PAGE],
      [basic(ADMIN_KEY), basic(ADMIN_KEY), PAGE],
      [['api_access_token', KEY], basic(ADMIN_KEY), PAGE], // The one that counts is wrong.
    ];
    for (const headers of wrong) {
      const refused = await ask(backscroll, headers);
      expect([refused.status, refused.code], JSON.stringify(headers)).toEqual([401, 'unauthenticated']);
      expect(refused.headers['www-authenticate']).toMatch(/^Basic realm="backscroll"/);
      expect(refused.body.toString()).not.toContain(ADMIN_KEY);
    }
    expect(backscroll.logs.join('')).not.toContain(ADMIN_KEY);
  });

  test('does not exist without ADMIN_KEYS', async () => {
    const { backscroll } = await startHouse();
    const nothing = await ask(backscroll, [basic(KEY), ['api_access_token', KEY], PAGE]);
    expect([nothing.status, nothing.code]).toEqual([404, 'not_served']);
  });
});

test('an admin’s password reads no messages', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  for (const headers of [[basic(ADMIN_KEY)], [basic(KEY)]]) {
    const refused = await backscroll.send({ target: messagesOf(1), headers });
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer realm="backscroll"']);
  }
});

test('what a browser sends by itself forgets nothing: that takes a header which no form can send', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  await backscroll.get(messagesOf(3));
  const target = '/admin/cache';
  expect((await backscroll.send({ method: 'DELETE', target, headers: [basic(ADMIN_KEY)] })).status).toBe(401);
  expect((await backscroll.send({ method: 'POST', target, headers: [basic(ADMIN_KEY), PAGE] })).status).toBe(404);
  expect(backscroll.app.readThrough.size.conversations).toBe(1);
  const preflight: Pairs = [
    ['origin', 'https://evil.example'],
    ['access-control-request-method', 'DELETE'],
    ['access-control-request-headers', PAGE[0]],
  ];
  const asked = await backscroll.send({ method: 'OPTIONS', target, headers: preflight });
  expect(Object.keys(asked.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect((await backscroll.send({ method: 'DELETE', target, headers: [basic(ADMIN_KEY), PAGE] })).json()).toEqual({ purged: 1 });
});

test('failures are limited by address, over all of these routes together', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  for (let n = 0; n < 60; n++)
    await backscroll.send({ target: n % 2 === 0 ? '/status' : '/status/data', headers: [basic('wrong-key')] });
  const limited = await backscroll.send({ target: '/admin/explain', headers: [basic('wrong-key')] });
  expect([limited.status, limited.code]).toEqual([429, 'rate_limited']);
  expect((await backscroll.send({ target: '/status', headers: [basic(ADMIN_KEY)] })).status).toBe(200);
});

test('page, files and numbers are framed by nobody, kept nowhere, and load nothing from elsewhere', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  for (const [, target] of ROUTES.slice(0, 4)) {
    const { headers } = await backscroll.send({ target, headers: [basic(ADMIN_KEY)] });
    const policy = headers['content-security-policy']!.split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
      ]),
    );
    expect(headers['content-security-policy']).not.toMatch(/unsafe|https?:|\*/);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
    });
  }
});

interface Data {
  readonly totals: { readonly pages: number; readonly savedCalls: number; readonly savedSql: number };
  readonly clients: { readonly top: readonly object[]; readonly others: object };
  readonly accounts: { readonly top: readonly object[] };
  readonly errors: readonly object[];
  readonly panels: readonly { readonly name: string; readonly state: string; readonly rows: readonly [string, string][] }[];
  readonly columns: readonly string[];
  readonly history: readonly number[][];
}

async function dataOf(backscroll: Backscroll, search = ''): Promise<Data> {
  return (await backscroll.send({ target: `/status/data${search}`, headers: [['api_access_token', ADMIN_KEY]] })).json() as Data;
}

test('the numbers are those of /metrics, and tell who saved what and who was refused', async () => {
  const clients = [
    { name: 'crm', key: 'key-of-the-crm-client' },
    { name: 'narrow', key: 'key-of-a-narrow-client', scope: [{ account: 1, conversations: [2] }], rateLimit: '3/1h' },
  ];
  const { backscroll } = await startHouse({ env: { ...ENV, TAIL_MAX_AGE: '1m' }, clients });
  const ask = async (key: string, target: string): Promise<Received> =>
    backscroll.send({ target, headers: [['api_access_token', key]] });
  const [crm, narrow] = clients.map(({ key }) => key) as [string, string];
  for (let n = 0; n < 5; n++) await ask(crm, messagesOf(3));
  for (let n = 0; n < 5; n++) await ask(narrow, messagesOf(n === 0 ? 3 : 2));
  await ask(crm, messagesOf(3, '?before=abc'));
  await ask('nobody-has-this-key', messagesOf(3));
  await backscroll.app.readThrough.idle();

  const data = await dataOf(backscroll);
  expect(data.clients).toEqual({
    top: [
      { name: 'crm', reads: 5, calls: 1, refused: 1, savedCalls: 4, savedSql: 60 },
      { name: 'narrow', reads: 2, calls: 1, refused: 3, savedCalls: 1, savedSql: 15 },
    ],
    others: { count: 0, reads: 0, calls: 0, refused: 0, savedCalls: 0, savedSql: 0 },
  });
  // Those that were over their limit were refused before it was looked at what they wanted.
  expect(data.accounts.top).toEqual([{ name: '1', reads: 7, calls: 2, refused: 2, savedCalls: 5, savedSql: 75 }]);
  expect(data.totals).toMatchObject({ pages: 7, calls: { forward: 2 }, savedCalls: 5, savedSql: 75 });
  const metrics = await backscroll.metrics();
  for (const [outcome, count] of Object.entries((data.totals as unknown as { requests: Record<string, number> }).requests)) {
    const lines = metrics.split('\n').filter((line) => line.startsWith(`backscroll_requests_total{outcome="${outcome}"`));
    expect(
      lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
      outcome,
    ).toBe(count);
  }
  expect(data.errors).toMatchObject([
    { code: 'unauthenticated', count: 1, client: null, conversation: null },
    { code: 'invalid_parameter', count: 1, client: 'crm', sentence: 'Parameter before must be a whole number' },
    { code: 'rate_limited', count: 2, client: 'narrow' },
    { code: 'not_found', count: 1, client: 'narrow', conversation: { accountId: 1, conversationId: 3 } },
  ]);
  const text = JSON.stringify(data);
  for (const secret of [ADMIN_KEY, crm, narrow, 'nobody-has-this-key', 'parcel', 'Aksoy']) expect(text).not.toContain(secret);
  await dataOf(backscroll);
  expect(await backscroll.metrics()).toContain('backscroll_requests_total{outcome="hit",status="200"} 5');
});

test('a caller that goes away before its answer met no error', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  const gate = chatwoot.hold();
  const caller = reluctantCaller(backscroll.port);
  caller.ask(messagesOf(1));
  await gate.arrived;
  caller.socket.destroy();
  const hasLeft = (): boolean => backscroll.logs.some((line) => line.includes('the caller went away before its answer'));
  await vi.waitFor(() => expect(hasLeft()).toBe(true));
  gate.release();
  expect((await dataOf(backscroll)).errors).toEqual([]);
});

test('the panels tell of a breaker that is open and of a server that is not ready', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: ENV });
  await backscroll.app.readiness.recheck();
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await dataOf(backscroll)).panels.map(({ name, state }) => [name, state]));
  expect(await states()).toEqual({ Readiness: 'good', Chatwoot: 'good', Memory: 'good', Callers: 'good' });
  chatwoot.fault = () => ({ kind: 'status', status: 503, body: '{}' });
  for (let conversation = 1; (await states())['Chatwoot'] === 'good' && conversation < 30; conversation++) {
    await backscroll.get(messagesOf(conversation));
  }
  expect(await states()).toMatchObject({ Chatwoot: 'bad' });
  await backscroll.app.readiness.recheck();
  expect(await states()).toMatchObject({ Readiness: 'bad' });
});

test('history comes once, and what is no moment is refused', async () => {
  const { backscroll } = await startHouse({ env: ENV });
  const data = await dataOf(backscroll);
  expect(data.columns.slice(0, 3)).toEqual(['at', 'hit', 'stale']);
  expect(data.history.length).toBeLessThan(2);
  for (const after of ['-1', 'x', '1e3', '']) {
    const refused = await backscroll.send({ target: `/status/data?after=${after}`, headers: [['api_access_token', ADMIN_KEY]] });
    expect(refused.status).toBe(400);
  }
});

test('the built program finds the files of the page, too', async () => {
  const settings = { CHATWOOT_URL: 'http://127.0.0.1:9', CHATWOOT_API_TOKEN: 'a-token', CLIENT_KEYS: `test=${KEY}`, PORT: '0' };
  const child = startChild(['serve'], { ...settings, ...ENV });
  const [, url] = await child.printed(/listening at (http:\/\/127\.0\.0\.1:\d+)/i);
  const headers = Object.fromEntries([basic(ADMIN_KEY)]);
  for (const [path, words] of Object.entries({ '': '<title>Backscroll status', '/status.js': 'poll()', '/uplot.js': 'uPlot' })) {
    const answer = await fetch(`${url}/status${path}`, { headers });
    expect([answer.status, (await answer.text()).includes(words)]).toEqual([200, true]);
  }
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
});
