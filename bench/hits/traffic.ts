// What is asked of Backscroll: one settled page by one key, and the same as real traffic comes.

import { SignJWT } from 'jose';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HeaderList } from './load.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface Traffic {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mix: readonly HeaderList[];
  /** The Content-Encoding that is asked for; a program that does not offer it is not measured in it. */
  readonly coding?: string;
}

export const KEY = 'bench-key-0123456789';
const SECRET = 'bench-secret-of-at-least-32-bytes!';
const ORIGIN = 'https://app.example.com';
/** Callers that share connections. */
const CALLERS = 50;

/**
 * The kinds of traffic for which the bounds hold.
 * @param redisUrl null for none with it
 */
export async function traffics(redisUrl: string | null): Promise<Traffic[]> {
  const key = { api_access_token: KEY };
  const tokens = await Promise.all(Array.from({ length: CALLERS }, (_, n) => token(`reader-${n}`)));
  const signed = tokens.map((text) => ({ authorization: `Bearer ${text}` }));
  const redis = redisUrl === null ? [] : [{ REDIS_URL: redisUrl }];
  return [
    { name: 'LOG_LEVEL=info', env: {}, mix: [key] },
    { name: 'LOG_LEVEL=warn', env: { LOG_LEVEL: 'warn' }, mix: [key] },
    {
      name: 'behind a proxy, 50 callers',
      env: { TRUST_PROXY: '1' },
      mix: Array.from({ length: CALLERS }, (_, n) => ({ ...key, 'x-forwarded-for': `203.0.113.${n}` })),
    },
    { name: '50 signed tokens', env: { JWT_SECRET: SECRET }, mix: signed },
    ...redis.flatMap((env) => [
      { name: 'Redis', env, mix: [key] },
      { name: 'Redis, RATE_LIMIT_SHARED=false', env: { ...env, RATE_LIMIT_SHARED: 'false' }, mix: [key] },
      { name: 'Redis, 50 signed tokens', env: { ...env, JWT_SECRET: SECRET }, mix: signed },
    ]),
    { name: 'with Origin', env: { CORS_ORIGINS: ORIGIN }, mix: [{ ...key, origin: ORIGIN }] },
    ...[100, 16_000].map((keys) => ({ name: `${keys} keys`, env: { CLIENTS_FILE: clientsFile(keys) }, mix: [key] })),
    ...['gzip', 'br'].map((coding) => ({ name: coding, env: {}, mix: [{ ...key, 'accept-encoding': coding }], coding })),
  ];
}

function token(subject: string): Promise<string> {
  return new SignJWT({ account: 1, conversations: '*', view: 'agent' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

/** A clients file of that many keys, sixteen to a client at most. */
function clientsFile(count: number): string {
  const hashes = Array.from({ length: count }, (_, n) => ({
    sha256: createHash('sha256').update(`another key ${n}`).digest('hex'),
  }));
  const clients = Array.from({ length: Math.ceil(count / 16) }, (_, n) => ({
    name: `client-${n}`,
    keys: hashes.slice(n * 16, n * 16 + 16),
    scope: '*',
  }));
  const path = join(temporaryFolder('clients'), 'clients.json');
  writeFileSync(path, JSON.stringify({ clients }));
  return path;
}
