// Every way in which Chatwoot can fail has its status and code, is told in JSON, and is forgotten as soon as it is over.

import { describe, expect, onTestFinished, test } from 'vitest';
import { knownPage, messagesOf, readsOf, startBackscroll, startHouse, testClock } from '../support/backscroll.ts';
import { CANARY } from '../support/canary.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** What Chatwoot puts on each of its answers (contract 4). */
const OF_RAILS = { ...JSON_TYPE, 'x-request-id': 'a-request', 'x-runtime': '0.012345' };

const FAULTS: readonly (readonly [name: string, fault: Fault, status: number, code: string])[] = [
  ['a reset before the headers', { kind: 'refuse-headers-reset' }, 502, 'upstream_unreachable'],
  ['a reset within the body', { kind: 'reset-mid-body' }, 502, 'upstream_unreachable'],
  ['less than was announced', { kind: 'truncated' }, 502, 'upstream_unreachable'],
  ['nothing at all', { kind: 'hang' }, 504, 'upstream_timeout'],
  ['an endless answer', { kind: 'slow-drip', bytesPerChunk: 1, everyMs: 5 }, 504, 'upstream_timeout'],
  ['too much', { kind: 'huge', bytes: 200_000 }, 502, 'upstream_invalid'],
  ['too much, not announced', { kind: 'huge', bytes: 200_000, chunked: true }, 502, 'upstream_invalid'],
  ['HTML', { kind: 'not-json' }, 502, 'upstream_invalid'],
  ['another shape', { kind: 'wrong-shape' }, 502, 'upstream_invalid'],
  ['a bare list', { kind: 'wrong-shape', body: '[]' }, 502, 'upstream_invalid'],
  [
    'an HTML page',
    { kind: 'status', status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' },
    502,
    'upstream_invalid',
  ],
  ['201', { kind: 'status', status: 201, headers: JSON_TYPE, body: '{"meta":{},"payload":[]}' }, 502, 'upstream_invalid'],
  ['204', { kind: 'status', status: 204 }, 502, 'upstream_invalid'],
  ['a redirect', { kind: 'redirect', location: 'https://chatwoot.example/app' }, 502, 'upstream_redirect'],
  ['a permanent redirect', { kind: 'redirect', location: '/login', status: 308 }, 502, 'upstream_redirect'],
  ['304', { kind: 'status', status: 304 }, 502, 'upstream_redirect'],
  ['400', { kind: 'status', status: 400 }, 502, 'upstream_error'],
  [
    '403',
    { kind: 'status', status: 403, headers: JSON_TYPE, body: '{"error":"API access is not enabled for this account"}' },
    502,
    'upstream_credentials',
  ],
  [
    '404 of something else',
    { kind: 'status', status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' },
    502,
    'upstream_error',
  ],
  ['406', { kind: 'status', status: 406 }, 502, 'upstream_error'],
  [
    '429',
    { kind: 'status', status: 429, headers: { 'content-type': 'text/plain' }, body: 'Retry later\n' },
    429,
    'upstream_busy',
  ],
  [
    '500',
    { kind: 'status', status: 500, headers: JSON_TYPE, body: '{"status":500,"error":"Internal Server Error"}' },
    502,
    'upstream_error',
  ],
  [
    '502 of nginx',
    { kind: 'status', status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' },
    502,
    'upstream_error',
  ],
  ['503', { kind: 'status', status: 503, headers: { 'retry-after': '7' } }, 502, 'upstream_error'],
];

test.each(FAULTS)('%s', async (name, fault, status, code) => {
  // What may pass is tried again twice; time stands still here, so only this bounds the tries.
  const env = { UPSTREAM_TIMEOUT: /^(a reset|less|502|503)/.test(name) ? '5s' : '250ms', UPSTREAM_BODY_MAX: '100kb' };
  const { backscroll, chatwoot, clock } = await startHouse({ env });
  chatwoot.fault = () => fault;
  const failed = await backscroll.get(messagesOf(2));
  expect([failed.status, failed.code], name).toEqual([status, code]);
  expect(failed.json()).toEqual({ error: expect.stringMatching(/^[A-Z].*[^.]$/), code });
  expect(failed.headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' });
  expect(failed.body.toString()).not.toContain(new URL(chatwoot.url).host);

  // A failure that came a moment ago stands in the way of no healthy read, but for Chatwoot's word that it is asked too much.
  chatwoot.fault = undefined;
  if (name === '429') clock.advance(5_001);
  const healthy = await backscroll.get(messagesOf(2));
  expect(healthy.status).toBe(200);
  expect(healthy.body.toString()).toBe(chatwoot.table.body(1, 2, {}));
  expect(healthy.headers['cache-status']).toBe('backscroll; fwd=miss; stored');
});

test('a Chatwoot that is not there is unreachable, and back when it is', async () => {
  const chatwoot = await startSampleChatwoot();
  const backscroll = await startBackscroll({ chatwoot });
  onTestFinished(() => backscroll.close());
  expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  await chatwoot.close();
  const failed = await backscroll.get(messagesOf(3));
  expect([failed.status, failed.code]).toEqual([502, 'upstream_unreachable']);
});

test.each([
  ['429 without Retry-After', {}, '5'],
  ['429 with seconds', { 'retry-after': '33' }, '33'],
  ['429 with nonsense', { 'retry-after': 'soon' }, '5'],
  ['429 with ages', { 'retry-after': '999999' }, '3600'],
])('%s has a Retry-After', async (_name, headers, wanted) => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.fault = () => ({ kind: 'status', status: 429, headers });
  expect((await backscroll.get(messagesOf(2))).headers['retry-after']).toBe(wanted);
});

test('a rejected token is the server’s fault, not the caller’s', async () => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.directory.revokeToken(CANARY);
  const failed = await backscroll.get(messagesOf(2));
  expect([failed.status, failed.code]).toEqual([502, 'upstream_credentials']);
  expect(failed.headers).not.toHaveProperty('www-authenticate');
});

describe('a conversation that is not there', () => {
  test('is remembered for five seconds, then asked for again', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const missing = async () => {
      const answer = await backscroll.get(messagesOf(99));
      expect([answer.status, answer.body.toString()]).toEqual([
        404,
        '{"error":"Resource could not be found","code":"not_found"}',
      ]);
      return readsOf(chatwoot).length;
    };
    expect(await missing()).toBe(1);
    clock.advance(4999);
    expect(await missing()).toBe(1);
    clock.advance(1);
    expect(await missing()).toBe(2);
    chatwoot.table.addConversation(1, 99);
    clock.advance(5000);
    expect((await backscroll.get(messagesOf(99))).status).toBe(200);
  });

  test('is asked for at once by one who wants it as of now', async () => {
    const { backscroll, chatwoot } = await startHouse();
    await backscroll.get(messagesOf(99));
    chatwoot.table.addConversation(1, 99);
    expect((await backscroll.get(messagesOf(99), { 'cache-control': 'no-cache' })).status).toBe(200);
  });

  test('other queries of it are answered from memory too, other conversations are not', async () => {
    const { backscroll, chatwoot } = await startHouse();
    await backscroll.get(messagesOf(99));
    expect((await backscroll.get(messagesOf(99, '?before=5'))).status).toBe(404);
    expect(readsOf(chatwoot)).toHaveLength(1);
    expect((await backscroll.get('/api/v1/accounts/11/conversations/99/messages')).status).toBe(404);
    expect(readsOf(chatwoot)).toHaveLength(2);
  });

  test('what was known of it is dropped: erased messages are not served', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const history = await knownPage(backscroll);
    chatwoot.table.removeConversation(1, 1);
    clock.advance(1500);
    expect((await backscroll.get(messagesOf(1))).status).toBe(404);
    clock.advance(5000);
    expect((await backscroll.get(history)).status).toBe(404);
  });
});

describe('a conversation that may not be read any more', () => {
  test.each([
    ['401 of this conversation', { error: 'You are not authorized to do this action' }, 403, 'upstream_forbidden'],
    ['401 of the account', { error: 'You are not authorized to access this account' }, 403, 'upstream_forbidden'],
    ['a suspended account', { error: 'Account is suspended' }, 403, 'upstream_forbidden'],
    ['a bot’s token', { error: 'Access to this endpoint is not authorized for bots' }, 502, 'upstream_credentials'],
    ['an unknown token', { error: 'Invalid Access Token' }, 502, 'upstream_credentials'],
    ['a token lost on the way', { errors: ['Vous devez vous connecter'] }, 502, 'upstream_credentials'],
  ])('%s drops what was known of it', async (_name, body, status, code) => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const history = await knownPage(backscroll);
    chatwoot.fault = () => ({ kind: 'status', status: 401, headers: OF_RAILS, body: JSON.stringify(body) });
    clock.advance(1500);
    const refused = await backscroll.get(messagesOf(1));
    expect([refused.status, refused.code]).toEqual([status, code]);
    // History had been good for minutes; now it is not known any more.
    expect((await backscroll.get(history)).status).toBe(status);
    chatwoot.fault = undefined;
    expect((await backscroll.get(history)).headers['cache-status']).toBe('backscroll; fwd=miss; stored');
  });

  test('the failure of another kind leaves what is known', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const history = await knownPage(backscroll);
    chatwoot.fault = () => ({ kind: 'status', status: 500 });
    clock.advance(1500);
    await backscroll.get(messagesOf(1));
    expect((await backscroll.get(history)).headers['cache-status']).toMatch(/^backscroll; hit/);
  });
});

test('an account without a token does not exist here', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const env = { CHATWOOT_API_TOKEN: '', CHATWOOT_ACCOUNT_TOKENS: `{"1":"${CANARY}"}` };
  const backscroll = await startBackscroll({ chatwoot, env, now: testClock().now });
  onTestFinished(() => backscroll.close());
  expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  const other = await backscroll.get('/api/v1/accounts/2/conversations/2/messages');
  expect([other.status, other.code]).toEqual([404, 'not_found']);
  expect(readsOf(chatwoot)).toHaveLength(1);
});

test('a failure behind an answer is nobody’s answer, and is counted', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const history = await knownPage(backscroll);
  await backscroll.app.readThrough.idle();
  clock.advance(20_000);
  chatwoot.fault = () => ({ kind: 'status', status: 500 });
  expect((await backscroll.get(history)).headers['cache-status']).toMatch(/^backscroll; hit; ttl=-\d+$/);
  await backscroll.app.readThrough.idle();
  expect(await backscroll.metrics()).toContain('backscroll_behind_failures_total 1');
});
