// From a request's headers to its reader. The table of clients is an argument: a reload hands in another one.

import { readerOf, type Reader } from './client.ts';
import { credentialOf } from './credential.ts';
import type { TokenVerifier } from './jwt.ts';
import type { ClientRegistry } from './registry.ts';

/**
 * The reader that the headers (Node's `rawHeaders`) prove, or null where the answer is 401. Without any credential that is
 * the registry's anonymous reader, if it has one; a wrong credential never is anonymous. `now` is in milliseconds since 1970.
 * Only a signed token is waited for, and only where there is a verifier: without one it is a key that nobody has.
 */
export function authenticate(rawHeaders: readonly string[], clients: ClientRegistry, now: number): Reader | null;
export function authenticate(
  rawHeaders: readonly string[],
  clients: ClientRegistry,
  now: number,
  tokens: TokenVerifier | null,
): Reader | null | Promise<Reader | null>;
export function authenticate(
  rawHeaders: readonly string[],
  clients: ClientRegistry,
  now: number,
  tokens: TokenVerifier | null = null,
): Reader | null | Promise<Reader | null> {
  const credential = credentialOf(rawHeaders);
  switch (credential.kind) {
    case 'none':
      return clients.anonymous;
    case 'refused':
      return null;
    case 'key':
      return readerWithKey(credential.key, clients, now);
    case 'token':
      return tokens === null ? readerWithKey(credential.token, clients, now) : tokens.verify(credential.token, now);
  }
}

function readerWithKey(key: string, clients: ClientRegistry, now: number): Reader | null {
  const client = clients.find(key, now);
  return client === null ? null : readerOf(client);
}
