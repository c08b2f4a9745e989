// `backscroll token create`: a signed token, for trying what a browser would get. In earnest, the application that knows its
// users signs them.

import { SignJWT } from 'jose';
import { CONVERSATIONS_MAX, readerOfClaims, SUBJECT_LENGTH_MAX } from '../clients/claims.ts';
import { SECRET_ALGORITHM } from '../clients/jwt.ts';
import { parseDuration } from '../rate.ts';
import { ConfigError, loadSettings } from '../config/load-config.ts';
import type { Terminal } from './terminal.ts';
import { optionsOf, UsageError } from './usage.ts';

const EXPIRES_MS_MAX = 24 * 60 * 60_000;

/**
 * Prints a token on standard output, and what it permits on standard error.
 * @throws UsageError, ConfigError
 */
export async function tokenCreate(args: readonly string[], env: NodeJS.ProcessEnv, { stdout, stderr }: Terminal): Promise<void> {
  const options = optionsOf(args, ['account', 'conversations', 'view', 'expires', 'sub']);
  const claims = {
    account: idOf(options.account ?? ''),
    conversations: conversationsOf(options.conversations ?? ''),
    view: viewOf(options.view ?? 'customer'),
    ...(options.sub === undefined ? {} : { sub: options.sub }),
  };
  if (Number.isNaN(claims.account)) throw new UsageError('--account must be an account id, such as 1');
  if (readerOfClaims(claims) === null) throw new UsageError(`--sub must be at most ${SUBJECT_LENGTH_MAX} characters`);
  const expiresMs = parseDuration(options.expires ?? '1h') ?? NaN;
  if (!(expiresMs >= 1000 && expiresMs <= EXPIRES_MS_MAX)) throw new UsageError('--expires must be from 1s to 24h, such as 1h');

  const { jwtSecrets, jwtIssuer, jwtAudience } = loadSettings(env, ['jwtSecrets', 'jwtIssuer', 'jwtAudience']);
  const [secret] = jwtSecrets;
  if (secret === undefined) throw new ConfigError(['JWT_SECRET is required: a token is signed with the first secret in it']);
  const now = Math.floor(Date.now() / 1000);
  const expiresAt = now + Math.floor(expiresMs / 1000);
  const token = new SignJWT(claims).setProtectedHeader({ alg: SECRET_ALGORITHM, typ: 'JWT' }).setIssuedAt(now);
  token.setExpirationTime(expiresAt);
  if (jwtIssuer !== undefined) token.setIssuer(jwtIssuer);
  if (jwtAudience !== undefined) token.setAudience(jwtAudience);
  stdout.write(`${await token.sign(Buffer.from(secret))}\n`);
  const { account, conversations, view } = claims;
  const which = conversations === '*' ? 'all conversations' : `conversations ${conversations.join(', ')}`;
  const until = new Date(expiresAt * 1000).toISOString();
  stderr.write(`It reads ${which} of account ${account} in the ${view} view, until ${until}; send it as Authorization: Bearer\n`);
}

function idOf(text: string): number {
  const id = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(id) ? id : NaN;
}

function conversationsOf(text: string): '*' | number[] {
  if (text === '*') return '*';
  const ids = text.split(',').map((id) => idOf(id.trim()));
  if (ids.length <= CONVERSATIONS_MAX && !ids.some((id) => Number.isNaN(id))) return ids;
  throw new UsageError(`--conversations must be '*' or at most ${CONVERSATIONS_MAX} conversation ids, such as 2,3`);
}

function viewOf(text: string): 'agent' | 'customer' {
  if (text === 'agent' || text === 'customer') return text;
  throw new UsageError('--view must be agent or customer');
}
