import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { digestFromHex, digestOfKey } from '../../src/clients/key.ts';

describe('key digests', () => {
  test('are the SHA-256 that `sha256sum` prints', () => {
    const hex = createHash('sha256').update('bsk_0123456789abcdef').digest('hex');
    expect(Buffer.from(digestOfKey('bsk_0123456789abcdef')).toString('hex')).toBe(hex);
    expect(digestOfKey('bsk_0123456789abcdef')).toEqual(digestFromHex(hex));
  });

  test.each(['', 'abc', 'A'.repeat(64), 'g'.repeat(64), '0'.repeat(63), '0'.repeat(65)])('refuse %j as hexadecimal', (hex) => {
    expect(() => digestFromHex(hex)).toThrow(RangeError);
  });
});
