// One caller has one address, however it is spelled.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bareAddress, callerAddress, trustOf } from '../../src/http/caller-address.ts';

const addressOf = callerAddress(64);
const of = (...ips: string[]): string => addressOf({ ip: ips.at(-1)!, ips });

describe('the address of a caller', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:50000', '203.0.113.7'],
    ['"203.0.113.7:50000"', '203.0.113.7'],
    ['[203.0.113.7]:80', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:cb00:7107]:1', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['[2001:DB8:1:2::]', '2001:db8:1:2::'],
    ['"[2001:0db8:0001:0002::9]:443"', '2001:db8:1:2::'],
    ['fe80::1%eth0', 'fe80::'],
    ['[fe80::1%25eth0]:1', 'fe80::'],
    ['::1', '::'],
  ])('%s is %s', (spelled, address) => expect(of(spelled)).toBe(address));

  test.each([
    '',
    'unknown',
    '_hidden',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.4:',
    '1.2.3.4:123456',
    '1.2.3.4:x',
    '[1.2.3.4',
    '[]',
    '%',
    '::1::',
  ])('%j is none: who sent it counts by the nearest proxy that has one', (garbage) => {
    expect(bareAddress(garbage)).toBeNull();
    expect(of('10.0.0.1', '192.0.2.9:80', garbage)).toBe('192.0.2.9');
    expect(of(garbage)).toBe('unknown');
  });

  test('is the socket’s where no proxy is trusted, and unknown where that has gone', () => {
    expect(addressOf({ ip: '203.0.113.7' })).toBe('203.0.113.7');
    expect(addressOf({ ip: undefined as unknown as string })).toBe('unknown');
  });

  test('is the same for all addresses of a network, and another for another network', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 128 }), fc.ipV6(), fc.ipV6(), (bits, one, other) => {
        const network = callerAddress(bits);
        const [first, second] = [one, other].map((ip) => network({ ip }));
        const bitsOf = (ip: string): string => {
          const { hostname } = new URL(`http://[${ip}]/`);
          const [head = '', tail] = hostname.slice(1, -1).split('::');
          const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
          const [before, after] = [groups(head), groups(tail ?? '')];
          const middle = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
          return [...before, ...middle, ...after]
            .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
            .join('');
        };
        const isMapped = (ip: string): boolean => bitsOf(ip).startsWith(`${'0'.repeat(80)}${'1'.repeat(16)}`);
        fc.pre(!isMapped(one) && !isMapped(other));
        expect(first === second).toBe(bitsOf(one).slice(0, bits) === bitsOf(other).slice(0, bits));
      }),
    );
  });

  test('is never long, whatever is sent', () => {
    fc.assert(fc.property(fc.string({ maxLength: 100 }), (text) => of(text).length < 46));
  });
});

test('proxies are known by their addresses with a port too, and by no name', () => {
  const trust = trustOf('loopback,10.0.0.0/8,2001:db8::/32,fe80::1%eth0');
  if (typeof trust === 'boolean') throw new Error('a function');
  const trusted = ['127.0.0.1', '10.1.2.3:4711', '[2001:db8::1]:443', '::ffff:10.0.0.1', '2001:db8::1%eth0', 'fe80::1%eth0'];
  expect(trusted.map((address) => trust(address, 0))).toEqual(trusted.map(() => true));
  const others = ['11.0.0.1', 'fe80::1%eth1', 'fe80::1', '10.0.0.1.example.test', 'localhost', '[2001:db9::1]:443', ''];
  expect(others.map((address) => trust(address, 0))).toEqual(others.map(() => false));
});
