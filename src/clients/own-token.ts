// Which Chatwoot token a caller brings itself, and what is taken for one. It goes to Chatwoot and nowhere else, so whatever may be
// a key or a token of this server's is none: that must never be sent there.

import type { OwnToken } from '../upstream/own-token.ts';
import type { Reader } from './client.ts';
import { credentialFields } from './credential.ts';
import { KEY_LENGTH_MAX, KEY_PREFIX, nameOfSecret } from './key.ts';

/** What a request brings in `api_access_token`, in any spelling. `Authorization` never holds a token of Chatwoot's. */
export type Brought =
  | { readonly kind: 'nothing' }
  /** Several values, or one that cannot be a token of Chatwoot's. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'own'; readonly own: OwnToken };

const NOTHING: Brought = { kind: 'nothing' };
const REFUSED: Brought = { kind: 'refused' };

/** What a header can carry, and no more. */
const SENDABLE = /^[\x21-\x7e]+$/;
/** The beginning of a signed token, or three parts as it has them. */
const SIGNED = /^eyJ|^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Looks at Node's flat list of names and values. Whether the token is a known key of this server's, others know. */
export function broughtToken(rawHeaders: readonly string[]): Brought {
  const { hyphens, underscores } = credentialFields(rawHeaders);
  const [token] = [...hyphens, ...underscores];
  if (token === undefined) return NOTHING;
  if (hyphens.length + underscores.length > 1 || token.length > KEY_LENGTH_MAX) return REFUSED;
  if (!SENDABLE.test(token) || token.includes(KEY_PREFIX) || SIGNED.test(token)) return REFUSED;
  return { kind: 'own', own: { token, name: nameOfSecret(token) } };
}

/** The caller who brings it: what it may read, Chatwoot says each time. */
export function readerWithOwnToken(own: OwnToken): Reader {
  return { clientName: `own-token-${labelOf(own)}`, scope: '*', view: 'agent', mayBypass: false, ownToken: own };
}

/** So much of its hash as tells one from another in a log. */
export function labelOf({ name }: OwnToken): string {
  return Buffer.from(name, 'base64').toString('hex', 0, 6);
}
