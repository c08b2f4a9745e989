// Tokens for browsers and widgets: short-lived, signed elsewhere, narrow.
//
// Two kinds of keys never meet: a secret only ever checks HS256, a public key only ever an asymmetric signature. A token's own
// header chooses between them and never what is done with a key, so a public key cannot pass for a secret.

import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions } from 'jose';
import { readerOfClaims, wrongClaim } from './claims.ts';
import type { Reader } from './client.ts';
import { KnownTokens, type KnownToken } from './known-tokens.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import { SigningKeysUnavailable } from './signing-keys.ts';

export const SECRET_ALGORITHM = 'HS256';
export const KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
const CLOCK_TOLERANCE_S = 5;

export interface JwtOptions {
  /** The first is the current one; the others are still accepted. */
  readonly secrets: readonly string[];
  /** Finds the public key that a token names; null where none is accepted. */
  readonly keys: JWTVerifyGetKey | null;
  /** The public keys as they are at the moment, by identity; null where there are none. Without it no token of theirs is kept. */
  readonly keysNow?: () => object | null;
  /** Required of tokens where it is set. */
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

export interface TokenVerifier {
  /**
   * The reader that the token proves at `now` (milliseconds since 1970), or null: `onRefused` is told why. At once where it was
   * proved before. @throws SigningKeysUnavailable (rejects) where the keys to check it with cannot be fetched.
   */
  verify(token: string, now: number, onRefused?: (reason: Refusal) => void): Reader | Promise<Reader | null>;
  /** The reader of a token that was proved before; null where that has to be done. */
  known(token: string, now: number): Reader | null;
}

export function tokenVerifier({ secrets, keys, keysNow = () => null, issuer, audience }: JwtOptions): TokenVerifier {
  const secretKeys = secrets.map((secret) => createSecretKey(secret, 'utf8'));
  const known = new KnownTokens();
  const rules = (algorithms: string[], now: number): JWTVerifyOptions => ({
    algorithms,
    requiredClaims: ['exp'],
    clockTolerance: CLOCK_TOLERANCE_S,
    currentDate: new Date(now),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  });

  async function prove(token: string, now: number): Promise<{ claims: JWTPayload; keys: object | null }> {
    const { alg } = decodeProtectedHeader(token);
    if (alg !== SECRET_ALGORITHM) {
      if (keys === null) throw new errors.JOSEAlgNotAllowed();
      const keysBefore = keysNow();
      return { claims: (await jwtVerify(token, keys, rules(KEY_ALGORITHMS, now))).payload, keys: keysBefore };
    }
    if (secretKeys.length === 0) throw new errors.JOSEAlgNotAllowed();
    // The right one is looked for without the library, which takes a hundred microseconds to refuse one. It judges the rest.
    const secret = secretKeys.find((candidate) => isSignedWith(candidate, token));
    if (secret === undefined) throw new errors.JWSSignatureVerificationFailed();
    return { claims: (await jwtVerify(token, secret, rules([SECRET_ALGORITHM], now))).payload, keys: secretKeys };
  }

  async function verifyAnew(token: string, now: number, onRefused: (reason: Refusal) => void): Promise<Reader | null> {
    try {
      const { claims, keys: provedBy } = await prove(token, now);
      const reader = readerOfClaims(claims);
      if (reader === null) onRefused(`${wrongClaim(claims)}-claim`);
      else if (provedBy !== null) known.keep(token, { reader, keys: provedBy, exp: claims.exp!, nbf: claims.nbf });
      return reader;
    } catch (error) {
      if (error instanceof SigningKeysUnavailable) throw error;
      // Also what the library throws where a token is no token: nothing that a caller sends is a fault of ours.
      onRefused(refusalOf(error));
      return null;
    }
  }

  const readerKnown = (token: string, now: number): Reader | null => {
    const before = known.find(token);
    if (before === undefined || !isCurrent(before, now)) return null;
    return before.keys === secretKeys || before.keys === keysNow() ? before.reader : null;
  };
  return {
    verify: (token, now, onRefused = () => {}) => readerKnown(token, now) ?? verifyAnew(token, now, onRefused),
    known: readerKnown,
  };
}

/** Whether the token's time has come and is not over, as the library judges it. */
function isCurrent({ exp, nbf }: KnownToken, now: number): boolean {
  const second = Math.floor(now / 1000);
  return exp > second - CLOCK_TOLERANCE_S && (nbf === undefined || nbf <= second + CLOCK_TOLERANCE_S);
}

function isSignedWith(secret: KeyObject, token: string): boolean {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  const right = createHmac('sha256', secret).update(token.slice(0, end)).digest();
  return signature.length === right.length && timingSafeEqual(signature, right);
}
