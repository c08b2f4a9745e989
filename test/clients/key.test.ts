import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestFromHex, digestOfKey, indexOfDigest } from '../../src/clients/key.ts';

describe('key digests', () => {
  test('are the SHA-256 that `sha256sum` prints', () => {
    const hex = createHash('sha256').update('bsk_0123456789abcdef').digest('hex');
    expect(Buffer.from(digestOfKey('bsk_0123456789abcdef')).toString('hex')).toBe(hex);
    expect(indexOfDigest(digestOfKey('bsk_0123456789abcdef'), [digestFromHex(hex)])).toBe(0);
  });

  test.each(['', 'abc', 'A'.repeat(64), 'g'.repeat(64), '0'.repeat(63), '0'.repeat(65)])('refuse %j as hexadecimal', (hex) => {
    expect(() => digestFromHex(hex)).toThrow(RangeError);
  });

  test('are found wherever they stand, and nowhere where they are not', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 20 }), fc.string(), (keys, other) => {
        const known = keys.map(digestOfKey);
        for (const [index, key] of keys.entries()) expect(indexOfDigest(digestOfKey(key), known)).toBe(index);
        expect(indexOfDigest(digestOfKey(other), known)).toBe(keys.indexOf(other));
      }),
    );
  });

  test('are compared with every entry, also after a match', () => {
    const known = Array.from({ length: 5 }, (_, index) => digestOfKey(`key ${index}`));
    let compared = 0;
    const counting = new Proxy(known, {
      get(target, property) {
        if (typeof property === 'string' && /^\d+$/.test(property)) compared += 1;
        const value: unknown = Reflect.get(target, property);
        return value;
      },
    });
    expect(indexOfDigest(digestOfKey('key 0'), counting)).toBe(0);
    expect(compared).toBe(5);
  });
});
