// What a guess costs. Failures are not refused by address before they are judged, so judging must be cheap.

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, exportJWK, importJWK, jwtVerify, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { tokenVerifier } from '../../src/clients/jwt.ts';

const SECRETS = Array.from({ length: 20 }, (_, n) => `secret-number-${n}-of-the-tests-0123456789`);
const NOW = Date.parse('2027-01-01T00:00:00Z');
const CLAIMS = { account: 1, conversations: [2], exp: NOW / 1000 + 600 };
const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(secret: string): string {
  const text = `${base64({ alg: 'HS256' })}.${base64(CLAIMS)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

const verifier = tokenVerifier({ secrets: SECRETS, keys: null, issuer: undefined, audience: undefined });

/** The least CPU time that a few rounds of it took, in µs: other work on the machine only adds to it. */
async function leastCpu(work: () => Promise<void>): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, user + system);
  }
  return least;
}

test('a token that none of 20 secrets signed costs a fraction of what the library takes to try them all', async () => {
  const wrong = signed('another-secret');
  const keys = SECRETS.map((secret) => new TextEncoder().encode(secret));
  const ours = await leastCpu(async () => {
    for (let n = 0; n < 40; n++) expect(await verifier.verify(wrong, NOW)).toBeNull();
  });
  const library = await leastCpu(async () => {
    for (let n = 0; n < 40; n++) for (const key of keys) await jwtVerify(wrong, key).catch(() => null);
  });
  expect(ours / library).toBeLessThan(0.5);
});

test('each of the secrets counts, and only for what it signed', async () => {
  for (const secret of SECRETS) expect(await verifier.verify(signed(secret), NOW)).not.toBeNull();
  const [head, claims, signature] = signed(SECRETS[7]!).split('.');
  const other = base64({ ...CLAIMS, conversations: '*' });
  for (const forged of [
    `${head}.${other}.${signature}`,
    `${head}.${claims}.`,
    `${head}.${claims}.${signature}A`,
    `${head}.${claims}.${signature!.slice(0, -2)}`,
    `${base64({ alg: 'none' })}.${claims}.`,
    `${base64({ alg: 'HS256', crit: ['x'], x: 1 })}.${claims}.${signature}`,
  ]) {
    expect(await verifier.verify(forged, NOW)).toBeNull();
  }
});

test('a wrong asymmetric signature costs about one verification, however many secrets there are', async () => {
  const [right, wrong] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(right!.publicKey)), kid: 'a', alg: 'ES256' }] });
  const asymmetric = tokenVerifier({
    secrets: SECRETS,
    keys,
    issuer: undefined,
    audience: undefined,
  });
  const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'ES256', kid: 'a' }).sign(wrong!.privateKey);
  const key = await importJWK(await exportJWK(right!.publicKey), 'ES256');
  const ours = await leastCpu(async () => {
    for (let n = 0; n < 40; n++) expect(await asymmetric.verify(token, NOW)).toBeNull();
  });
  const library = await leastCpu(async () => {
    for (let n = 0; n < 40; n++) await jwtVerify(token, key).catch(() => null);
  });
  expect(ours / library).toBeLessThan(3);
});
