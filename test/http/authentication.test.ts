// Who gets in, over HTTP: keys and not their hashes, old keys until their time is over, strangers not at speed.

import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UnauthenticatedLimit } from '../../src/http/unauthenticated-limit.ts';
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
  expect(await statusOf(backscroll, NEW)).toBe(401);
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

  test('after 60 failures in a minute, an address gets 429 with Retry-After, for a right key too', async () => {
    stopClock('2027-01-01T00:00:00Z');
    const { backscroll, chatwoot } = await startHouse({ clients, env });
    const statuses = await guess(backscroll, '203.0.113.1', 62);
    expect(statuses).toEqual([...Array<number>(60).fill(401), 429, 429]);
    const right = await ask(backscroll, NEW, from('203.0.113.1'));
    expect([right.status, right.code, right.headers['retry-after']]).toEqual([429, 'rate_limited', '60']);
    expect(right.body).toEqual((await ask(backscroll, 'wrong', from('203.0.113.1'))).body);
    expect(readsOf(chatwoot)).toEqual([]);
    expect((await ask(backscroll, NEW, from('203.0.113.2'))).status).toBe(200);

    vi.setSystemTime(Date.parse('2027-01-01T00:01:00Z'));
    expect((await ask(backscroll, NEW, from('203.0.113.1'))).status).toBe(200);
  });

  test('do not lock out who was let in before at the same address', async () => {
    const { backscroll } = await startHouse({ clients, env });
    expect((await ask(backscroll, NEW, from('203.0.113.1'))).status).toBe(200);
    await guess(backscroll, '203.0.113.1', 60);
    expect((await ask(backscroll, NEW, from('203.0.113.1'))).status).toBe(200);
    expect((await ask(backscroll, OTHER, from('203.0.113.1'))).status).toBe(429);
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

  test('takes a network of IPv6 for one address, and both spellings of an IPv4 address', () => {
    const limit = new UnauthenticatedLimit({ max: 2, windowMs: 1000 });
    limit.failed('2001:db8:1:2::1', 0);
    limit.failed('2001:db8:1:2:ffff::9', 0);
    expect(limit.waitMs('2001:0DB8:0001:0002::77', 0)).toBe(1000);
    expect(limit.waitMs('2001:db8:1:3::1', 0)).toBe(0);
    limit.failed('::ffff:192.0.2.1', 0);
    limit.failed('192.0.2.1', 0);
    expect(limit.waitMs('::ffff:192.0.2.1', 0)).toBe(1000);
  });

  test('forgets who was let in after an hour', () => {
    const limit = new UnauthenticatedLimit();
    limit.succeeded('192.0.2.1', 'crm', 0);
    expect(limit.knows('192.0.2.1', 'crm', 3_599_999)).toBe(true);
    expect(limit.knows('192.0.2.1', 'crm', 3_600_000)).toBe(false);
    expect(limit.knows('192.0.2.1', 'portal', 0)).toBe(false);
    expect(limit.knows('192.0.2.2', 'crm', 0)).toBe(false);
  });

  test('remembers no more than 10,000 addresses: the one that was heard of longest ago is forgotten', () => {
    const limit = new UnauthenticatedLimit({ max: 1, windowMs: 1000 });
    const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    for (let n = 0; n <= 10_000; n++) {
      limit.failed(address(n), 0);
      limit.succeeded(address(n), 'crm', 0);
    }
    expect([limit.waitMs(address(0), 0), limit.knows(address(0), 'crm', 0)]).toEqual([0, false]);
    expect([limit.waitMs(address(1), 0), limit.knows(address(1), 'crm', 0)]).toEqual([1000, true]);
  });
});
