// Each client has its own limit; who is over it is told when to come back.

import { connect } from 'node:net';
import { SignJWT } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
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

describe('callers who are nobody in particular', () => {
  const env = { RATE_LIMIT: '5/1m', ALLOW_ANONYMOUS: 'true', CLIENT_KEYS: '', TRUST_PROXY: 'loopback' };
  const statusFrom = async (backscroll: Backscroll, address: string) =>
    (await backscroll.send({ target: messagesOf(2), headers: [['x-forwarded-for', address]] })).status;

  test.each([
    ['ports', (n: number) => `203.0.113.7:${50_000 + n}`],
    ['ports of IPv6', (n: number) => `[2001:db8::7]:${50_000 + n}`],
    ['addresses of one network of IPv6', (n: number) => `2001:db8:0:1:${n}::${n}`],
    ['spellings of IPv4', (n: number) => (n % 2 === 0 ? '203.0.113.7' : '::ffff:203.0.113.7')],
    ['things that are no address', (n: number) => `unknown-${n}`],
  ])('are no other callers by other %s', async (_what, addressOf) => {
    const { backscroll } = await startHouse({ env });
    const statuses = [];
    for (let n = 0; n < 7; n++) statuses.push(await statusFrom(backscroll, addressOf(n)));
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
  });

  test('are remembered at their limit, whoever else comes by: 5,100 other addresses', async () => {
    const { backscroll } = await startHouse({ env });
    for (let n = 0; n < 5; n++) expect(await statusFrom(backscroll, '203.0.113.7')).toBe(200);
    // Errors are not free, and are the quickest to get.
    const others = Array.from({ length: 5100 }, (_, n) => ['x-forwarded-for', `10.0.${n >> 8}.${n & 255}`]);
    const { hostname, port } = new URL(backscroll.url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    for (const header of others)
      socket.write(`HEAD ${messagesOf(2, '?before=x')} HTTP/1.1\r\nHost: x\r\n${header.join(': ')}\r\n\r\n`);
    let heard = '';
    for await (const chunk of socket.setEncoding('latin1')) {
      heard += chunk;
      if (heard.split('HTTP/1.1 400 ').length > 5100) break;
    }
    expect(await statusFrom(backscroll, '203.0.113.7')).toBe(429);
  });

  test('are readers with tokens without a subject, and not a client of the name that these have in logs', async () => {
    const secret = 'a-secret-of-the-tests-0123456789-abcdef';
    const clients = [{ name: 'jwt', key: 'key-of-the-client-jwt' }];
    const { backscroll } = await startHouse({
      clients,
      env: { RATE_LIMIT: '2/1m', TRUST_PROXY: 'loopback', JWT_SECRET: secret },
    });
    const token = await new SignJWT({ account: 1, conversations: '*', exp: Math.floor(Date.now() / 1000) + 600 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secret));
    const nameless = async (address: string) => {
      const headers = [
        ['authorization', `Bearer ${token}`],
        ['x-forwarded-for', address],
      ] as const;
      return (await backscroll.send({ target: messagesOf(2), headers })).status;
    };
    const client = async (address: string) =>
      (await ask(backscroll, 'key-of-the-client-jwt', [['x-forwarded-for', address]])).status;
    expect([await nameless('203.0.113.1'), await nameless('203.0.113.1'), await nameless('203.0.113.1')]).toEqual([
      200, 200, 429,
    ]);
    expect(await nameless('203.0.113.2')).toBe(200);
    expect([await client('203.0.113.1'), await client('203.0.113.2'), await client('203.0.113.3')]).toEqual([200, 200, 429]);
  });
});

test('operators are not limited', async () => {
  const { backscroll } = await startHouse({ clients: CLIENTS, env: { RATE_LIMIT: '1/1m' } });
  for (let n = 0; n < 3; n++) {
    expect((await backscroll.send({ target: '/healthz' })).status).toBe(200);
    expect((await backscroll.send({ target: '/metrics' })).status).toBe(200);
  }
});
