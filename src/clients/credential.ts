// What a caller offers as its credential: read from headers only, as Chatwoot reads them. A query parameter never is one.

import { KEY_LENGTH_MAX } from './key.ts';

export type Credential =
  /** Nothing was sent. */
  | { readonly kind: 'none' }
  /** Something was sent that cannot be a credential: two values, too long for a key, another scheme. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'key'; readonly key: string }
  /** What can only be a signed token: three parts, the first of them JSON. It stands in `Authorization` alone, and may be as long as headers may. */
  | { readonly kind: 'token'; readonly token: string };

const NONE: Credential = { kind: 'none' };
const REFUSED: Credential = { kind: 'refused' };

/** Base64url of a text that begins with `{"`, and two more parts; an unsigned token leaves the last one empty. */
const SIGNED_TOKEN = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** Of the names that can carry one: the others need not be looked at. */
const LENGTHS: ReadonlySet<number> = new Set(['api-access-token', 'authorization'].map(({ length }) => length));

/**
 * Picks the credential from Node's flat list of names and values.
 *
 * `api_access_token` comes before `Authorization`, also where it is wrong. Its name counts in any case and with `_` or `-`;
 * where both spellings come the one with hyphens wins (contract 2.1: so does Puma). A blank value counts as not sent.
 * The same header with two values is refused: choosing one would let a proxy in front and this one see two callers.
 */
export function credentialOf(rawHeaders: readonly string[]): Credential {
  const { hyphens, underscores, authorizations } = credentialFields(rawHeaders);
  const tokens = hyphens.length > 0 ? hyphens : underscores;
  return tokens.length > 0 ? onlyKey(tokens) : bearer(authorizations);
}

/** The values, trimmed, of the headers that can carry a credential, by name and spelling; blank ones are left out. */
export function credentialFields(rawHeaders: readonly string[]): {
  readonly hyphens: readonly string[];
  readonly underscores: readonly string[];
  readonly authorizations: readonly string[];
} {
  const hyphens: string[] = [];
  const underscores: string[] = [];
  const authorizations: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const spelt = rawHeaders[index]!;
    if (!LENGTHS.has(spelt.length)) continue;
    const name = spelt.toLowerCase();
    const value = rawHeaders[index + 1]!.trim();
    if (value === '') continue;
    if (name === 'api-access-token') hyphens.push(value);
    else if (name === 'api_access_token' || name.replaceAll('_', '-') === 'api-access-token') underscores.push(value);
    else if (name === 'authorization') authorizations.push(value);
  }
  return { hyphens, underscores, authorizations };
}

function bearer(authorizations: readonly string[]): Credential {
  const [value] = authorizations;
  if (value === undefined) return NONE;
  if (authorizations.length > 1) return REFUSED;
  const [scheme = ''] = value.split(' ', 1);
  if (scheme.toLowerCase() !== 'bearer') return REFUSED;
  const key = value.slice(scheme.length).trim();
  if (key === '') return NONE;
  return SIGNED_TOKEN.test(key) ? { kind: 'token', token: key } : onlyKey([key]);
}

function onlyKey(values: readonly string[]): Credential {
  const [key] = values;
  return key === undefined || values.length > 1 || key.length > KEY_LENGTH_MAX ? REFUSED : { kind: 'key', key };
}
