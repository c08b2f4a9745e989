// Who calls in the soak: honest clients, and customers who mean harm with what they rightly have.

import { createHash } from 'node:crypto';
import { SignJWT } from 'jose';

const SECRET = 'a-secret-of-the-soak-run-of-at-least-32-bytes';

/** Keys of the honest clients. */
export const HONEST_KEYS = ['agent', 'reports', 'portal', 'crm'].map((name) => `bsk_key-of-the-honest-${name}`);
/** Clients that ask for everything as of now, as fast as they may. */
export const FLOOD_KEYS = [1, 2, 3, 4].map((n) => `bsk_key-of-the-flooding-${n}`);
export const ADMIN_KEY = 'bsk_key-of-the-admin';

/** Settings that make them known. */
export function credentialSettings(clientsFile: string): Readonly<Record<string, string>> {
  return { CLIENTS_FILE: clientsFile, JWT_SECRET: SECRET, ADMIN_KEYS: `soak=${ADMIN_KEY}` };
}

/** Limits that nobody here passes: a flood within its limit is the hardest to tell from honest callers. */
export function clientsFileText(honestRate: string, floodRate: string): string {
  const entry = (key: string, rateLimit: string) => ({
    name: key.slice('bsk_key-of-the-'.length),
    scope: '*',
    rateLimit,
    keys: [{ sha256: createHash('sha256').update(key).digest('hex') }],
  });
  return JSON.stringify({
    clients: [...HONEST_KEYS.map((key) => entry(key, honestRate)), ...FLOOD_KEYS.map((key) => entry(key, floodRate))],
  });
}

/** A customer's token; `wrong` with a signature of somebody else, `expired` an hour ago. */
export async function customerToken(kind: 'valid' | 'wrong' | 'expired', sub: string): Promise<string> {
  const key = Buffer.from(kind === 'wrong' ? `${SECRET}-of-another` : SECRET);
  return new SignJWT({ account: 1, conversations: [1], view: 'customer', sub })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(kind === 'expired' ? '-1h' : '4h')
    .sign(key);
}
