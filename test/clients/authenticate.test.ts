import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { authenticate } from '../../src/clients/authenticate.ts';
import type { Client } from '../../src/clients/client.ts';
import { digestOfKey } from '../../src/clients/key.ts';
import { clientRegistry } from '../../src/clients/registry.ts';

const NOW = 1_800_000_000_000;
const KEY = 'k3y-of-the-crm-0001';
const OTHER = 'k3y-of-the-reports-0002';
const LONG = 'x'.repeat(4096);

function client(name: string, key: string, more: Partial<Client> = {}): Client {
  return { name, keys: [{ digest: digestOfKey(key) }], scope: '*', view: 'agent', mayBypass: false, ...more };
}

const table = [
  client('crm', KEY, { scope: [{ account: 1, conversations: '*' }], mayBypass: true, rateLimit: { max: 1, windowMs: 1_000 } }),
  client('reports', OTHER),
  client('long', LONG),
  client('longer', `${LONG}x`),
];
const closed = clientRegistry(table, { allowAnonymous: false });
const open = clientRegistry(table, { allowAnonymous: true });

const nameOf = (...rawHeaders: string[]) => authenticate(rawHeaders, closed, NOW)?.clientName ?? null;

describe('authenticate', () => {
  test('gives the reader what its client may, and no keys', () => {
    expect(authenticate(['Host', 'x', 'api_access_token', KEY], closed, NOW)).toEqual({
      clientName: 'crm',
      scope: [{ account: 1, conversations: '*' }],
      view: 'agent',
      mayBypass: true,
      rateLimit: { max: 1, windowMs: 1_000 },
    });
    expect(authenticate(['api_access_token', OTHER], closed, NOW)).toEqual({
      clientName: 'reports',
      scope: '*',
      view: 'agent',
      mayBypass: false,
    });
  });

  test('takes the header in any case, with hyphens or underscores', () => {
    const letters = 'api_access_token'
      .split('')
      .map((letter) => (letter === '_' ? fc.constantFrom('_', '-') : fc.constantFrom(letter, letter.toUpperCase())));
    fc.assert(
      fc.property(fc.tuple(...letters), (spelled) => {
        expect(nameOf(spelled.join(''), KEY)).toBe('crm');
      }),
    );
  });

  test('takes no other name for it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z_-]{1,24}$/), (name) => {
        fc.pre(name.toLowerCase().replaceAll('_', '-') !== 'api-access-token');
        expect(nameOf(name, KEY)).toBeNull();
      }),
    );
  });

  test.each([
    'HTTP_API_ACCESS_TOKEN',
    'x-api-access-token',
    'api access token',
    'apiaccesstoken',
    'access-token',
    'cookie',
    'x-api-key',
  ])('does not take %s', (name) => {
    expect(nameOf(name, KEY)).toBeNull();
  });

  test.each([`Bearer ${KEY}`, `bearer ${KEY}`, `BEARER   ${KEY}  `, `  Bearer ${KEY}`])('takes Authorization: %s', (value) => {
    expect(nameOf('Authorization', value)).toBe('crm');
    expect(nameOf('AUTHORIZATION', value)).toBe('crm');
  });

  test.each([
    KEY,
    `Token ${KEY}`,
    `Basic ${KEY}`,
    `Bearer${KEY}`,
    `Bearer ${KEY} ${KEY}`,
    `Bearer ${KEY},${KEY}`,
    `Bearer: ${KEY}`,
  ])('does not take Authorization: %s', (value) => {
    expect(nameOf('Authorization', value)).toBeNull();
  });

  test('the hyphens win over the underscores, also where they are wrong', () => {
    expect(nameOf('api_access_token', KEY, 'Api-Access-Token', OTHER)).toBe('reports');
    expect(nameOf('api-access-token', OTHER, 'API_ACCESS_TOKEN', KEY)).toBe('reports');
    expect(nameOf('api-access-token', 'wrong', 'api_access_token', KEY)).toBeNull();
    expect(nameOf('api-access-token', KEY, 'api_access_token', 'a', 'api_access_token', 'b')).toBe('crm');
  });

  test('api_access_token wins over Authorization, also where it is wrong', () => {
    expect(nameOf('Authorization', `Bearer ${OTHER}`, 'api_access_token', KEY)).toBe('crm');
    expect(nameOf('api_access_token', 'wrong', 'Authorization', `Bearer ${KEY}`)).toBeNull();
    expect(nameOf('api_access_token', KEY, 'Authorization', 'Basic x', 'Authorization', 'Basic y')).toBe('crm');
  });

  test.each([
    ['api_access_token', KEY, 'api_access_token', KEY],
    ['api_access_token', KEY, 'API_ACCESS_TOKEN', OTHER],
    ['api_access_token', KEY, 'api-access_token', KEY],
    ['Api-Access-Token', KEY, 'api-access-token', OTHER],
    ['Authorization', `Bearer ${KEY}`, 'authorization', `Bearer ${KEY}`],
    ['api_access_token', `${KEY}, ${KEY}`],
  ])('refuses two values: %s, %s, …', (...rawHeaders) => {
    expect(nameOf(...rawHeaders)).toBeNull();
    expect(authenticate(rawHeaders, open, NOW)).toBeNull();
  });

  test('trims values, and takes a blank one as not sent', () => {
    expect(nameOf('api_access_token', `  ${KEY}\t`)).toBe('crm');
    expect(nameOf('api_access_token', '  ', 'Authorization', `Bearer ${KEY}`)).toBe('crm');
    expect(nameOf('api-access-token', '', 'api_access_token', KEY)).toBe('crm');
    expect(nameOf('api_access_token', '', 'Authorization', '  ')).toBeNull();
    expect(nameOf('Authorization', 'Bearer ')).toBeNull();
  });

  test('compares exactly', () => {
    expect(nameOf('api_access_token', KEY.toUpperCase())).toBeNull();
    expect(nameOf('api_access_token', KEY.slice(0, -1))).toBeNull();
    expect(nameOf('api_access_token', `${KEY}0`)).toBeNull();
  });

  test('does not take the hash of a key for the key', () => {
    expect(nameOf('api_access_token', createHash('sha256').update(KEY).digest('hex'))).toBeNull();
    expect(nameOf('Authorization', `Bearer ${createHash('sha256').update(KEY).digest('hex')}`)).toBeNull();
  });

  test('refuses an oversized credential before it is looked up', () => {
    expect(nameOf('api_access_token', LONG)).toBe('long');
    expect(nameOf('api_access_token', `${LONG}x`)).toBeNull();
    expect(nameOf('Authorization', `Bearer ${LONG}`)).toBe('long');
    expect(nameOf('Authorization', `Bearer ${LONG}x`)).toBeNull();
  });

  test('refuses who sends nothing, unless anonymous readers are admitted', () => {
    expect(authenticate([], closed, NOW)).toBeNull();
    const anonymous = { clientName: 'anonymous', scope: '*', view: 'agent', mayBypass: false, isNameless: true };
    for (const rawHeaders of [[], ['Host', 'x'], ['api_access_token', ' '], ['Authorization', ''], ['Authorization', 'Bearer']]) {
      expect(authenticate(rawHeaders, open, NOW)).toEqual(anonymous);
    }
  });

  test('never takes a wrong credential for none', () => {
    for (const rawHeaders of [
      ['api_access_token', 'wrong'],
      ['Authorization', 'Bearer wrong'],
      ['Authorization', 'Basic d3Jvbmc='],
      ['api_access_token', `${LONG}x`],
    ]) {
      expect(authenticate(rawHeaders, open, NOW)).toBeNull();
    }
    expect(authenticate(['api_access_token', KEY], open, NOW)?.clientName).toBe('crm');
  });

  test('asks at the time given', () => {
    const dying = clientRegistry([client('old', KEY, { keys: [{ digest: digestOfKey(KEY), notAfterAt: NOW }] })], {
      allowAnonymous: true,
    });
    expect(authenticate(['api_access_token', KEY], dying, NOW - 1)?.clientName).toBe('old');
    expect(authenticate(['api_access_token', KEY], dying, NOW)).toBeNull();
  });
});
