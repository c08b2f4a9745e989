// Each client has its own limit; who is over it is told when to come back.

import { expect, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const CLIENTS = [
  { name: 'one', key: 'key-of-client-one' },
  { name: 'two', key: 'key-of-client-two' },
  { name: 'three', key: 'key-of-client-three', rateLimit: '3/1m' },
] as const;

const ask = async (backscroll: Backscroll, key: string, headers: readonly (readonly [string, string])[] = []) =>
  backscroll.send({ target: messagesOf(2), headers: [['api_access_token', key], ...headers] });

test('a client over its limit gets 429 with Retry-After and the limit it has', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '2/1m' } });
  for (const left of ['1', '0']) {
    const answer = await ask(backscroll, 'key-of-client-one');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': left });
  }
  const reads = readsOf(chatwoot).length;
  const refused = await ask(backscroll, 'key-of-client-one', [['cache-control', 'no-cache']]);
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited']);
  expect(refused.json()).toEqual({ error: expect.stringContaining('Retry-After'), code: 'rate_limited' });
  expect(refused.headers).toMatchObject({
    'x-ratelimit-limit': '2',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': expect.stringMatching(/^\d+$/),
    'cache-control': 'no-store',
  });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
  expect(readsOf(chatwoot)).toHaveLength(reads);
});

test('two clients do not share a limit, two spellings of one key do', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '1/1m' } });
  expect((await ask(backscroll, 'key-of-client-one')).status).toBe(200);
  expect((await ask(backscroll, 'key-of-client-one')).status).toBe(429);
  expect((await ask(backscroll, 'key-of-client-two')).status).toBe(200);
  const bearer = await backscroll.send({ target: messagesOf(2), headers: [['authorization', 'Bearer key-of-client-two']] });
  expect(bearer.status).toBe(429);
});

test('a client’s own limit comes before that of all', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '1/1m' } });
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push((await ask(backscroll, 'key-of-client-three')).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
});

test('strangers use up nobody’s limit', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '1/1m' } });
  for (let n = 0; n < 5; n++) expect((await ask(backscroll, 'key-of-nobody-at-all')).status).toBe(401);
  expect((await ask(backscroll, 'key-of-client-one')).status).toBe(200);
});

test('what is wrong counts too: errors are not free', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '2/1m' } });
  const headers = [['api_access_token', 'key-of-client-one']] as const;
  expect((await backscroll.send({ target: messagesOf(99), headers })).status).toBe(404);
  expect((await backscroll.send({ target: messagesOf(2, '?before=x'), headers })).status).toBe(400);
  expect((await ask(backscroll, 'key-of-client-one')).status).toBe(429);
});

test('anonymous callers are told apart by address, which a header cannot change', async () => {
  const { backscroll } = await startHouse({ env: { RATE_LIMIT: '1/1m', ALLOW_ANONYMOUS: 'true', CLIENT_KEYS: '' } });
  const anonymous = (address: string) => backscroll.send({ target: messagesOf(2), headers: [['x-forwarded-for', address]] });
  expect((await anonymous('203.0.113.1')).status).toBe(200);
  expect((await anonymous('203.0.113.2')).status).toBe(429);
});

test('behind a trusted proxy the address is the caller’s', async () => {
  const env = { RATE_LIMIT: '1/1m', ALLOW_ANONYMOUS: 'true', CLIENT_KEYS: '', TRUST_PROXY: 'loopback' };
  const { backscroll } = await startHouse({ env });
  const anonymous = (address: string) => backscroll.send({ target: messagesOf(2), headers: [['x-forwarded-for', address]] });
  expect((await anonymous('203.0.113.1')).status).toBe(200);
  expect((await anonymous('203.0.113.2')).status).toBe(200);
  expect((await anonymous('203.0.113.1')).status).toBe(429);
});

test('operators are not limited', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '1/1m' } });
  for (let n = 0; n < 3; n++) {
    expect((await backscroll.send({ target: '/healthz' })).status).toBe(200);
    expect((await backscroll.send({ target: '/metrics' })).status).toBe(200);
  }
});
