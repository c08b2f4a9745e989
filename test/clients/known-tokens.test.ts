// A token that was proved is not proved again, and that changes no verdict: not with time, and not with the keys.

import fc from 'fast-check';
import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import { credentialOf } from '../../src/clients/credential.ts';
import { tokenVerifier, type JwtOptions } from '../../src/clients/jwt.ts';
import { KnownTokens } from '../../src/clients/known-tokens.ts';

const SECRET = 'secret-of-known-tokens-0123456789abc';
const AT = Date.UTC(2026, 8, 1, 12);
const claims = (more: JWTPayload): JWTPayload => ({ account: 1, conversations: [1, 2], ...more });
const signed = async (more: JWTPayload): Promise<string> =>
  new SignJWT(claims(more)).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET));
const SECRETS: JwtOptions = { secrets: [SECRET], keys: null, issuer: undefined, audience: undefined };

test('whenever it is asked, it says what proving anew says', async () => {
  const second = fc.integer({ min: -20, max: 20 });
  await fc.assert(
    fc.asyncProperty(
      second,
      fc.option(second, { nil: undefined }),
      fc.array(fc.integer({ min: -40_000, max: 40_000 })),
      async (exp, nbf, times) => {
        const token = await signed({ exp: AT / 1000 + exp, ...(nbf === undefined ? {} : { nbf: AT / 1000 + nbf }) });
        const keeps = tokenVerifier(SECRETS);
        for (const ms of times)
          expect(await keeps.verify(token, AT + ms)).toEqual(await tokenVerifier(SECRETS).verify(token, AT + ms));
      },
    ),
    { numRuns: 300 },
  );
});

test('it is proved once, and another token with the same claims for itself', async () => {
  const token = await signed({ exp: AT / 1000 + 60 });
  const verifier = tokenVerifier(SECRETS);
  expect(verifier.verify(token, AT)).toBeInstanceOf(Promise);
  await vi.waitFor(() => expect(verifier.verify(token, AT)).toMatchObject({ clientName: 'jwt' }));
  const forged = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
  expect(await verifier.verify(forged, AT)).toBeNull();
  expect(await verifier.verify(forged, AT)).toBeNull();
});

test('other public keys prove it anew; without a word of theirs none is kept', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const token = await new SignJWT(claims({ exp: AT / 1000 + 60 })).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  const good = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] });
  let keys: object | null = good;
  const find: JwtOptions['keys'] = async (...asked) => (keys === null ? Promise.reject(new Error('no keys')) : good(...asked));
  const verifier = tokenVerifier({ ...SECRETS, keys: find, keysNow: () => keys });
  expect(await verifier.verify(token, AT)).not.toBeNull();
  expect(verifier.verify(token, AT)).not.toBeInstanceOf(Promise);
  keys = { fetched: 'anew' };
  const again = verifier.verify(token, AT);
  expect(again).toBeInstanceOf(Promise);
  expect(await again).not.toBeNull();
  keys = null;
  expect(await verifier.verify(token, AT)).toBeNull();

  const mute = tokenVerifier({ ...SECRETS, keys: good });
  expect(await mute.verify(token, AT)).not.toBeNull();
  expect(mute.verify(token, AT)).toBeInstanceOf(Promise);
});

test('they are bounded in bytes: those that were asked for longest ago go first', () => {
  const known = new KnownTokens();
  const conversations = Array.from({ length: 1000 }, (_, n) => n + 1);
  const reader = { clientName: 'jwt', scope: [{ account: 1, conversations }], view: 'customer', mayBypass: false } as const;
  for (let n = 0; n < 2000; n++) known.keep(`token ${n}`, { reader, keys: known, exp: 1, nbf: undefined });
  expect([known.find('token 0'), known.find('token 1999')]).toEqual([undefined, expect.anything()]);
  const kept = Array.from({ length: 2000 }, (_, n) => known.find(`token ${n}`)).filter((each) => each !== undefined).length;
  expect(kept).toBeGreaterThan(900);
  expect(kept).toBeLessThan(1000);
});

test('of the header in which it came, no more is kept than the token', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const known = new KnownTokens();
  const reader = { clientName: 'jwt', scope: '*', view: 'customer', mayBypass: false } as const;
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 2000; n++) {
    const header = Buffer.from(`Bearer${' '.repeat(15_000)}eyJ${n}.${'x'.repeat(20)}.x`).toString('latin1');
    const credential = credentialOf(['authorization', header]);
    if (credential.kind === 'token') known.keep(credential.token, { reader, keys: known, exp: 1, nbf: undefined });
  }
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(8_000_000);
  expect(known.find(`eyJ7.${'x'.repeat(20)}.x`)).toBeDefined();
});

test('the bound counts the tokens, which may be as long as headers', () => {
  const known = new KnownTokens();
  const reader = { clientName: 'jwt', scope: '*', view: 'customer', mayBypass: false } as const;
  const tokens = Array.from({ length: 1000 }, (_, n) => `${n} ${'x'.repeat(15_000)}`);
  for (const token of tokens) known.keep(token, { reader, keys: known, exp: 1, nbf: undefined });
  expect(tokens.filter((token) => known.find(token) !== undefined).length).toBeLessThan(600);
});
