import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseClientKeys } from '../../src/clients/client-keys.ts';
import type { Client } from '../../src/clients/client.ts';
import { digestOfKey } from '../../src/clients/key.ts';
import { clientRegistry, KNOWN_MAX, loadRegistry } from '../../src/clients/registry.ts';

const NOW = Date.parse('2027-01-01T00:00:00Z');
const CRM_KEY = 'k3y-of-the-crm-0001';

const hash = (key: string) => createHash('sha256').update(key).digest('hex');
const file = (name: string, key: string) => JSON.stringify({ clients: [{ name, keys: [{ sha256: hash(key) }], scope: '*' }] });

function client(name: string, keys: Client['keys']): Client {
  return { name, keys, scope: '*', view: 'agent', mayBypass: false };
}

function clientsOf(text: string): readonly Client[] {
  const read = parseClientKeys(text);
  if (read.kind === 'problems') throw new Error(read.problems.join());
  return read.clients;
}

describe('a registry', () => {
  test('finds each client by any of its keys', () => {
    const a = client('a', [{ digest: digestOfKey('a1') }, { digest: digestOfKey('a2') }]);
    const b = client('b', [{ digest: digestOfKey('b1') }]);
    const registry = clientRegistry([a, b], { allowAnonymous: false });
    expect(registry.find('a1', NOW)).toBe(a);
    expect(registry.find('a2', NOW)).toBe(a);
    expect(registry.find('b1', NOW)).toBe(b);
    expect(registry.find('b2', NOW)).toBeNull();
    expect(registry.find('', NOW)).toBeNull();
  });

  test('finds keys wherever they stand, and none where there is none', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 20 }), fc.string(), (keys, other) => {
        const registry = clientRegistry(
          keys.map((key, at) => client(`client-${at}`, [{ digest: digestOfKey(key) }])),
          { allowAnonymous: false },
        );
        for (const [at, key] of keys.entries()) expect(registry.find(key, NOW)?.name).toBe(`client-${at}`);
        expect(registry.find(other, NOW)?.name).toBe(keys.includes(other) ? `client-${keys.indexOf(other)}` : undefined);
      }),
    );
  });

  test('refuses an unknown key as fast among 16,000 as among few', () => {
    const registry = clientRegistry(
      Array.from({ length: 16_000 }, (_, n) => client(`c${n}`, [{ digest: digestOfKey(`key ${n}`) }])),
      { allowAnonymous: false },
    );
    const startedAt = performance.now();
    for (let n = 0; n < 1000; n++) expect(registry.find(`no key ${n}`, NOW)).toBeNull();
    // Some 5 ms. One look at each of all keys took 1,700.
    expect(performance.now() - startedAt).toBeLessThan(300);
  });

  test('refuses a key from its notAfter on, while the other keys of the client live', () => {
    const registry = clientRegistry(
      [client('a', [{ digest: digestOfKey('old'), notAfterAt: NOW }, { digest: digestOfKey('new') }])],
      {
        allowAnonymous: false,
      },
    );
    expect(registry.find('old', NOW - 1)?.name).toBe('a');
    expect(registry.find('old', NOW)).toBeNull();
    expect(registry.find('new', NOW)?.name).toBe('a');
  });

  test('says the same of a key however often it was asked before', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const mortal = fc.record({ key, notAfterAt: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }) });
    const keys = fc.uniqueArray(mortal, { selector: (one) => one.key });
    fc.assert(
      fc.property(keys, fc.array(fc.tuple(key, fc.integer({ min: 0, max: 9 }))), (known, questions) => {
        const clients = known.map((one) =>
          client(one.key, [
            { digest: digestOfKey(one.key), ...(one.notAfterAt === undefined ? {} : { notAfterAt: one.notAfterAt }) },
          ]),
        );
        const registry = clientRegistry(clients, { allowAnonymous: false });
        for (const [asked, now] of questions) {
          const anew = clientRegistry(clients, { allowAnonymous: false });
          expect(registry.readerWith(asked, now)).toEqual(anew.readerWith(asked, now));
        }
      }),
    );
  });

  test('finds more keys than it knows by themselves', () => {
    const keys = Array.from({ length: KNOWN_MAX + 10 }, (_, n) => `key ${n}`);
    const registry = clientRegistry(
      keys.map((key, n) => client(`c${n}`, [{ digest: digestOfKey(key) }])),
      { allowAnonymous: false },
    );
    for (let turn = 0; turn < 2; turn++) {
      expect(keys.map((key) => registry.find(key, NOW)?.name)).toEqual(keys.map((_, n) => `c${n}`));
    }
  });

  test('does not change with the list that it was made of', () => {
    const clients = [client('a', [{ digest: digestOfKey('a1') }])];
    const registry = clientRegistry(clients, { allowAnonymous: false });
    clients.pop();
    expect(registry.clients).toHaveLength(1);
    expect(Object.isFrozen(registry)).toBe(true);
    expect(Object.isFrozen(registry.clients)).toBe(true);
  });
});

describe('loadRegistry', () => {
  const sources = { clientKeys: clientsOf(`crm=${CRM_KEY}`), clientsFile: '/clients.json', allowAnonymous: false };

  test('joins CLIENT_KEYS and the file', () => {
    const read = loadRegistry(sources, () => file('reports', 'other'));
    expect(read.kind === 'registry' && read.registry.clients.map(({ name }) => name)).toEqual(['crm', 'reports']);
  });

  test('reads no file where none is named', () => {
    const read = loadRegistry({ ...sources, clientsFile: undefined }, () => {
      throw new Error('read');
    });
    expect(read.kind === 'registry' && read.registry.clients).toHaveLength(1);
  });

  test('says why a file cannot be read, without its path', () => {
    const read = loadRegistry(sources, () => {
      throw Object.assign(new Error("ENOENT: no such file, open '/clients.json'"), { code: 'ENOENT' });
    });
    expect(read).toEqual({
      kind: 'problems',
      problems: ['cannot be read (ENOENT); it names a file, such as /etc/backscroll/clients.json'],
    });
    const odd = loadRegistry(sources, () => {
      throw new Error('odd');
    });
    expect(odd).toEqual({
      kind: 'problems',
      problems: ['cannot be read (unknown reason); it names a file, such as /etc/backscroll/clients.json'],
    });
  });

  test('hands on the problems of the file', () => {
    expect(loadRegistry(sources, () => '[')).toEqual({ kind: 'problems', problems: ['is not JSON, such as {"clients":[…]}'] });
  });

  test('refuses a name or a key that CLIENT_KEYS has too', () => {
    expect(loadRegistry(sources, () => file('crm', 'other'))).toEqual({
      kind: 'problems',
      problems: ['the name of client crm is the same as a name in CLIENT_KEYS'],
    });
    expect(loadRegistry(sources, () => file('reports', CRM_KEY))).toEqual({
      kind: 'problems',
      problems: ['a key of client reports is the same as a key in CLIENT_KEYS'],
    });
  });
});
