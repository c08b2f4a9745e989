// What is derived from the Chatwoot token and CHATWOOT_URL: the keys that entries are sealed with, and names in Redis that give neither
// away. Another token or another installation has others, so nobody's entries get in anybody's way.

import { createHash, hkdfSync, type KeyObject, createSecretKey } from 'node:crypto';

const FORMAT = 'backscroll shared level 1';

export interface Secrets {
  /** Seals what is known of an account. */
  readonly keyOf: (accountId: number) => KeyObject;
  /** Tells the account's logs from those under another token. */
  readonly nameOf: (accountId: number) => string;
  /** Seals changes. */
  readonly changesKey: KeyObject;
  /** Tells an installation's changes from another's, whatever the token. */
  readonly installation: string;
}

interface SecretsOptions {
  readonly chatwootUrl: string;
  readonly tokenOf: (accountId: number) => string | undefined;
  /** All tokens there are. */
  readonly tokens: readonly string[];
}

interface AccountSecrets {
  readonly key: KeyObject;
  readonly name: string;
}

/** Accounts whose keys are kept; deriving one takes some microseconds. */
const KEPT_MAX = 1000;

export function deriveSecrets({ chatwootUrl, tokenOf, tokens }: SecretsOptions): Secrets {
  const derive = (secret: string, purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, chatwootUrl, `${FORMAT} ${purpose}`, bytes));
  const kept = new Map<number, AccountSecrets>();
  const of = (accountId: number): AccountSecrets => {
    const known = kept.get(accountId);
    if (known !== undefined) return known;
    const token = tokenOf(accountId) ?? '';
    const made = {
      key: createSecretKey(derive(token, 'log', 32)),
      name: derive(token, 'name', 9).toString('base64url'),
    };
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(accountId, made);
    return made;
  };
  const all = JSON.stringify(tokens.toSorted());
  return {
    keyOf: (accountId) => of(accountId).key,
    nameOf: (accountId) => of(accountId).name,
    changesKey: createSecretKey(derive(all, 'changes', 32)),
    installation: createHash('sha256').update(`${FORMAT} ${chatwootUrl}`).digest('base64url').slice(0, 12),
  };
}
