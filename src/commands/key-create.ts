// `backscroll key create`: a random key, shown once, and the entry of the clients file that knows it by its hash.

import { randomBytes } from 'node:crypto';
import { ANONYMOUS, CLIENT_NAME } from '../clients/client.ts';
import { digestOfKey, KEY_PREFIX } from '../clients/key.ts';
import type { Terminal } from './terminal.ts';
import { optionsOf, UsageError } from './usage.ts';

const BYTES = 32;

/** @throws UsageError */
export function keyCreate(args: readonly string[], { stdout }: Terminal): void {
  const { name = 'new-client' } = optionsOf(args, ['name']);
  if (!CLIENT_NAME.test(name)) throw new UsageError('--name must be 1 to 64 letters, digits, ".", "_" or "-"');
  if (name === ANONYMOUS.clientName) throw new UsageError('--name must be another one: this is kept for readers without a key');
  const key = `${KEY_PREFIX}${randomBytes(BYTES).toString('base64url')}`;
  const sha256 = Buffer.from(digestOfKey(key)).toString('hex');
  const entry = { name, keys: [{ sha256 }], scope: [{ account: 1, conversations: '*' }] };
  stdout.write(`The key, shown this once; the caller sends it as api_access_token:

  ${key}

The entry for "clients" in CLIENTS_FILE; set its scope to what this client may read ("*": everything):

  ${JSON.stringify(entry)}
`);
}
