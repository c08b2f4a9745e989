// From a request's headers to its reader. The table of clients is an argument: a reload hands in another one.

import { readerOf, type Reader } from './client.ts';
import { credentialOf } from './credential.ts';
import type { ClientRegistry } from './registry.ts';

/**
 * The reader that the headers (Node's `rawHeaders`) prove, or null where the answer is 401. Without any credential that is
 * the registry's anonymous reader, if it has one; a wrong credential never is anonymous. `now` is in milliseconds since 1970.
 */
export function authenticate(rawHeaders: readonly string[], clients: ClientRegistry, now: number): Reader | null {
  const credential = credentialOf(rawHeaders);
  switch (credential.kind) {
    case 'none':
      return clients.anonymous;
    case 'refused':
      return null;
    case 'key': {
      const client = clients.find(credential.key, now);
      return client === null ? null : readerOf(client);
    }
  }
}
