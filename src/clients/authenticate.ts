// From a request's headers to its reader. The table of clients is an argument: a reload hands in another one.

import type { Reader } from './client.ts';
import { credentialOf } from './credential.ts';
import type { Refusal } from './refusal.ts';
import type { ClientRegistry } from './registry.ts';

/** What tells the reader of a token, at once or later. */
export interface TokenCheck {
  verify(token: string, now: number, onRefused: (reason: Refusal) => void): Reader | null | Promise<Reader | null>;
}

/**
 * The reader that the headers (Node's `rawHeaders`) prove, or null where the answer is 401. Without any credential that is
 * the registry's anonymous reader, if it has one; a wrong credential never is anonymous. `now` is in milliseconds since 1970.
 * `onRefused` is told why there is none. Only a signed token is waited for, and only where there is a verifier: without one it
 * is a key that nobody has.
 */
export function authenticate(rawHeaders: readonly string[], clients: ClientRegistry, now: number): Reader | null;
export function authenticate(
  rawHeaders: readonly string[],
  clients: ClientRegistry,
  now: number,
  tokens: TokenCheck | null,
  onRefused?: (reason: Refusal) => void,
): Reader | null | Promise<Reader | null>;
export function authenticate(
  rawHeaders: readonly string[],
  clients: ClientRegistry,
  now: number,
  tokens: TokenCheck | null = null,
  onRefused: (reason: Refusal) => void = () => {},
): Reader | null | Promise<Reader | null> {
  const credential = credentialOf(rawHeaders);
  switch (credential.kind) {
    case 'none':
      return clients.anonymous ?? refused('no-credential');
    case 'refused':
      return refused('not-a-credential');
    case 'key':
      return readerWithKey(credential.key);
    case 'token':
      return tokens === null ? readerWithKey(credential.token) : tokens.verify(credential.token, now, onRefused);
  }

  function readerWithKey(key: string): Reader | null {
    const reader = clients.readerWith(key, now);
    if (reader !== null) return reader;
    return refused(clients.find(key, -Infinity) === null ? 'unknown-key' : 'expired-key');
  }

  function refused(reason: Refusal): null {
    onRefused(reason);
    return null;
  }
}
