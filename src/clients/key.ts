// A key is kept and compared as its SHA-256, so that neither a file nor the time a comparison takes gives it away.

import { hash } from 'node:crypto';

/** The 32 bytes that stand for a key. */
export type KeyDigest = Uint8Array;

/** How keys that are made here begin: lets scanners for secrets, and this server, know one when they see it. */
export const KEY_PREFIX = 'bsk_';

/** Keys of fewer characters are refused where they are set up: they can be guessed. */
export const KEY_LENGTH_MIN = 16;

/** Credentials of more characters are refused before they are hashed: nobody has such a key, and hashing costs by length. */
export const KEY_LENGTH_MAX = 4096;

/** What a clients file writes for a key: its SHA-256 as 64 lower-case hexadecimal digits. */
export const HEX_DIGEST = /^[0-9a-f]{64}$/;

export function digestOfKey(key: string): KeyDigest {
  return hash('sha256', key, 'buffer');
}

/** The digest of a key or a token as text, in base64: quicker to come by, and to look for. Nobody can send another with the same. */
export function nameOfSecret(secret: string): string {
  return hash('sha256', secret, 'base64');
}

/** The same text by itself, to be kept: as a part of a header it would keep all of that in memory. */
export function apart(secret: string): string {
  return Buffer.from(secret).toString();
}

/** What `nameOfSecret` says of the key with this digest. */
export function nameOfDigest(digest: KeyDigest): string {
  return Buffer.from(digest).toString('base64');
}

/** @throws RangeError unless `hex` matches `HEX_DIGEST`. */
export function digestFromHex(hex: string): KeyDigest {
  if (!HEX_DIGEST.test(hex)) throw new RangeError('A digest has 64 lower-case hexadecimal digits');
  return Buffer.from(hex, 'hex');
}
