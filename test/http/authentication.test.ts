// Who gets in, over HTTP: keys and not their hashes, old keys until their time is over, strangers not at speed.

import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UnauthenticatedLimit } from '../../src/http/unauthenticated-limit.ts';
import { noticeProxies } from '../../src/http/untrusted-proxy.ts';
import { messagesOf, readsOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';

const OLD = 'bsk_old-key-of-the-crm';
const NEW = 'bsk_new-key-of-the-crm';
const OTHER = 'bsk_key-of-the-portal';
const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');

const ask = async (
  backscroll: Backscroll,
  key: string,
  headers: readonly (readonly [string, string])[] = [],
): Promise<Received> => backscroll.send({ target: messagesOf(2), headers: [['api_access_token', key], ...headers] });
const statusOf = async (backscroll: Backscroll, key: string): Promise<number> => (await ask(backscroll, key)).status;

/** Stops this process's clock, which tells whether a key's time is over. */
function stopClock(at: string): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(at) });
  onTestFinished(() => void vi.useRealTimers());
}

test('a caller whose connection was lost, and its address with it, is no fault of this server', async () => {
  const { backscroll } = await startHouse({ clients: [{ name: 'crm', key: NEW }] });
  backscroll.app.http.server.prependListener('request', ({ socket }) => {
    Object.defineProperty(socket, 'remoteAddress', { value: undefined });
  });
  expect(await statusOf(backscroll, NEW)).toBe(200);
  expect(await statusOf(backscroll, OLD)).toBe(401);
  expect(backscroll.logs.filter((line) => line.includes('unexpected error'))).toEqual([]);
});

test('a key is a key, its hash is none', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: [{ name: 'crm', key: NEW }] });
  expect(await statusOf(backscroll, NEW)).toBe(200);
  const reads = readsOf(chatwoot).length;
  for (const wrong of [sha256(NEW), sha256(NEW).toUpperCase(), Buffer.from(sha256(NEW), 'hex').toString('base64')]) {
    const bearer = await backscroll.send({ target: messagesOf(2), headers: [['authorization', `Bearer ${wrong}`]] });
    expect([await statusOf(backscroll, wrong), bearer.status]).toEqual([401, 401]);
  }
  expect(readsOf(chatwoot)).toHaveLength(reads);
});

test('every refusal is one and the same, and asks nothing of Chatwoot', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: [{ name: 'crm', key: NEW }] });
  const refusals = await Promise.all([
    backscroll.send({ target: messagesOf(2) }),
    ask(backscroll, 'wrong'),
    ask(backscroll, 'x'.repeat(5000)),
    backscroll.send({ target: messagesOf(2), headers: [['authorization', 'Basic eDp5']] }),
    backscroll.send({ target: messagesOf(2), headers: [['authorization', 'Bearer a.b.c']] }),
    backscroll.send({ target: `${messagesOf(2)}?api_access_token=${NEW}` }),
  ]);
  for (const refusal of refusals) {
    expect(refusal.status).toBe(401);
    expect(refusal.body).toEqual(refusals[0].body);
    expect(refusal.headers['www-authenticate']).toBe('Bearer realm="backscroll"');
  }
  expect(readsOf(chatwoot)).toEqual([]);
  expect(backscroll.logs.join('')).not.toContain(NEW);
});

test('rotation: two keys live side by side; the old one dies at its notAfter, with no restart and no reload', async () => {
  stopClock('2027-01-31T23:59:50Z');
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  const keys = [{ sha256: sha256(OLD), notAfter: '2027-01-31' }, { sha256: sha256(NEW) }];
  await writeFile(path, JSON.stringify({ clients: [{ name: 'crm', keys, scope: '*' }] }));
  const { backscroll, chatwoot } = await startHouse({ env: { CLIENT_KEYS: '', CLIENTS_FILE: path } });

  expect([await statusOf(backscroll, OLD), await statusOf(backscroll, NEW)]).toEqual([200, 200]);
  vi.setSystemTime(Date.parse('2027-01-31T23:59:59.999Z'));
  expect(await statusOf(backscroll, OLD)).toBe(200);
  const reads = readsOf(chatwoot).length;
  vi.setSystemTime(Date.parse('2027-02-01T00:00:00Z'));
  expect([await statusOf(backscroll, OLD), await statusOf(backscroll, NEW)]).toEqual([401, 200]);
  expect(readsOf(chatwoot)).toHaveLength(reads);
  expect(await statusOf(backscroll, OTHER)).toBe(401);
  const reasons = backscroll.logs.map((line) => JSON.parse(line) as { reason?: string }).flatMap(({ reason }) => reason ?? []);
  expect(reasons).toEqual(['expired-key', 'unknown-key']);
});

describe('strangers', () => {
  const env = { TRUST_PROXY: 'loopback' };
  const clients = [
    { name: 'crm', key: NEW },
    { name: 'portal', key: OTHER },
  ];
  const from = (address: string) => [['x-forwarded-for', address]] as const;

  async function guess(backscroll: Backscroll, address: string, times: number): Promise<number[]> {
    const statuses: number[] = [];
    for (let n = 0; n < times; n++) statuses.push((await ask(backscroll, `guess-${n}`, from(address))).status);
    return statuses;
  }

  test('after 60 failures in a minute, those of an address get 429 with Retry-After; a right key passes', async () => {
    stopClock('2027-01-01T00:00:00Z');
    const { backscroll, chatwoot } = await startHouse({ clients, env });
    const statuses = await guess(backscroll, '203.0.113.1', 62);
    expect(statuses).toEqual([...Array<number>(60).fill(401), 429, 429]);
    const wrong = await ask(backscroll, 'wrong', from('203.0.113.1'));
    expect([wrong.status, wrong.code, wrong.headers['retry-after']]).toEqual([429, 'rate_limited', '60']);
    expect((await backscroll.send({ target: messagesOf(2), headers: from('203.0.113.1') })).status).toBe(429);
    expect(readsOf(chatwoot)).toEqual([]);
    for (const key of [NEW, OTHER]) expect((await ask(backscroll, key, from('203.0.113.1'))).status).toBe(200);
    expect((await ask(backscroll, 'wrong', from('203.0.113.2'))).status).toBe(401);

    vi.setSystemTime(Date.parse('2027-01-01T00:01:00Z'));
    expect((await ask(backscroll, 'wrong', from('203.0.113.1'))).status).toBe(401);
  });

  test('do not keep out 365 others with right credentials behind the same proxy', async () => {
    const many = Array.from({ length: 365 }, (_, n) => ({ name: `client-${n}`, key: `key-of-client-number-${n}` }));
    const { backscroll } = await startHouse({ clients: many });
    await guess(backscroll, '203.0.113.1', 79);
    const answers = await Promise.all(many.map(async ({ key }) => statusOf(backscroll, key)));
    expect(answers.filter((status) => status !== 200)).toEqual([]);
  });

  test.each([
    ['of one proxy that sends ports', (n: number) => `203.0.113.7:${50_000 + n}`],
    ['of IPv6 with ports', (n: number) => `[2001:db8::7]:${50_000 + n}`],
    ['of one network of IPv6', (n: number) => `2001:db8:0:1:${n.toString(16)}::${n.toString(16)}`],
    ['with a zone', (n: number) => `fe80::1%eth${n}`],
    ['of IPv4 in IPv6', (n: number) => (n % 2 === 0 ? '203.0.113.7' : '::FFFF:203.0.113.7')],
    ['of IPv4 in hexadecimal IPv6, with ports', (n: number) => (n % 2 === 0 ? '203.0.113.7' : `[::ffff:cb00:7107]:${n + 1}`)],
    ['that are none', (n: number) => `unknown-${n}`],
    ['that are none, behind one that is', (n: number) => `_hidden${n}, 127.0.0.1`],
  ])('are counted as one by addresses %s', async (_what, addressOf) => {
    const { backscroll } = await startHouse({ clients, env });
    const statuses: number[] = [];
    for (let n = 0; n < 62; n++) statuses.push((await ask(backscroll, 'wrong', from(addressOf(n)))).status);
    expect(statuses.slice(60)).toEqual([429, 429]);
    expect(statuses.slice(0, 60)).not.toContain(429);
  });

  test.each([
    ['networks', '127.0.0.0/8, 10.0.0.0/8'],
    ['hops', '2'],
  ])('are told apart behind two proxies that are trusted by %s and send ports', async (_how, trusted) => {
    const { backscroll } = await startHouse({ clients, env: { TRUST_PROXY: trusted } });
    const through = (address: string) => from(`${address}:4711, 10.0.0.5:50001`);
    for (let n = 0; n < 61; n++) await ask(backscroll, 'wrong', through('203.0.113.1'));
    expect((await ask(backscroll, 'wrong', through('203.0.113.1'))).status).toBe(429);
    expect((await ask(backscroll, 'wrong', through('203.0.113.2'))).status).toBe(401);
    // What a caller writes itself stands before what the proxies add.
    expect((await ask(backscroll, 'wrong', from('198.51.100.9, 203.0.113.1:1, 10.0.0.5:2'))).status).toBe(429);
  });

  test('of the networks that IPV6_PREFIX makes, each is one', async () => {
    const { backscroll } = await startHouse({ clients, env: { ...env, IPV6_PREFIX: '48' } });
    for (let n = 0; n < 60; n++) await ask(backscroll, 'wrong', from(`2001:db8:1:${n.toString(16)}::1`));
    expect((await ask(backscroll, 'wrong', from('2001:db8:1:ffff::1'))).status).toBe(429);
    expect((await ask(backscroll, 'wrong', from('2001:db8:2:ffff::1'))).status).toBe(401);
  });

  test('are not those who succeed, however often', async () => {
    const { backscroll } = await startHouse({ clients, env });
    for (let n = 0; n < 100; n++) expect((await ask(backscroll, NEW, from('203.0.113.1'))).status).toBe(200);
    expect(await guess(backscroll, '203.0.113.1', 1)).toEqual([401]);
  });

  test('do not keep anonymous readers out, who try nothing', async () => {
    const { backscroll } = await startHouse({ env: { ALLOW_ANONYMOUS: 'true', CLIENT_KEYS: '' } });
    expect(await guess(backscroll, '203.0.113.1', 61)).toContain(429);
    expect((await backscroll.send({ target: messagesOf(2) })).status).toBe(200);
  });
});

describe('the limit of failures', () => {
  test('counts in windows, each from its first failure', () => {
    const limit = new UnauthenticatedLimit({ max: 2, windowMs: 1000 });
    limit.failed('192.0.2.1', 0);
    expect(limit.waitMs('192.0.2.1', 900)).toBe(0);
    limit.failed('192.0.2.1', 900);
    expect(limit.waitMs('192.0.2.1', 950)).toBe(50);
    expect(limit.waitMs('192.0.2.2', 950)).toBe(0);
    expect(limit.waitMs('192.0.2.1', 1000)).toBe(0);
    limit.failed('192.0.2.1', 1000);
    expect(limit.waitMs('192.0.2.1', 1001)).toBe(0);
  });

  test('remembers who is past it, however many others fail; in all no more than 20,000 addresses', () => {
    const limit = new UnauthenticatedLimit({ max: 2, windowMs: 1000 });
    for (const time of [1, 2]) limit.failed('192.0.2.1', time);
    for (let n = 0; n < 30_000; n++) limit.failed(`10.0.${n >> 8}.${n & 255}`, 3);
    expect(limit.waitMs('192.0.2.1', 4)).toBe(997);
  });
});

describe('who comes through a proxy that is not trusted', () => {
  const warnings = (backscroll: Backscroll) => backscroll.logs.filter((line) => line.includes('TRUST_PROXY'));

  test('is told about in the log, once', async () => {
    const { backscroll } = await startHouse();
    await backscroll.get(messagesOf(2));
    expect(warnings(backscroll)).toEqual([]);
    for (let n = 0; n < 5; n++) await backscroll.get(messagesOf(2), { 'x-forwarded-for': '203.0.113.1' });
    expect(warnings(backscroll)).toHaveLength(1);
    expect(warnings(backscroll)[0]).toContain('"level":40');
    expect(warnings(backscroll)[0]).not.toContain('203.0.113.1');
  });

  test('is told about again after an hour', () => {
    let now = 0;
    let told = 0;
    const notice = noticeProxies({ warn: () => void told++ }, () => now);
    const request = { raw: { headers: { 'x-forwarded-for': '203.0.113.1' } } } as unknown as FastifyRequest;
    for (now of [0, 1, 3_599_999]) notice(request);
    expect(told).toBe(1);
    now = 3_600_000;
    notice(request);
    expect(told).toBe(2);
  });

  test('is no matter where one is', async () => {
    const { backscroll } = await startHouse({ env: { TRUST_PROXY: '203.0.113.0/24' } });
    await backscroll.get(messagesOf(2), { 'x-forwarded-for': '203.0.113.1' });
    expect(warnings(backscroll)).toEqual([]);
  });
});
