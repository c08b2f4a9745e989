// The door of this room: who may call, as the clients file and the key server have it at the moment.

import { proxyFor, type Proxies } from '../upstream/proxies.ts';
import { tokenVerifier, type TokenVerifier } from './jwt.ts';
import { LiveRegistry, type LiveRegistryOptions } from './live-registry.ts';
import type { ClientRegistry, RegistrySources } from './registry.ts';
import { SigningKeys, type SigningKeysOptions } from './signing-keys.ts';

/** As settings have them. */
export interface ClientSettings extends RegistrySources {
  /** As they were at start. */
  readonly clients: ClientRegistry;
  readonly jwtSecrets: readonly string[];
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly proxies: Proxies;
}

export interface OpenClientsOptions extends Required<Pick<LiveRegistryOptions, 'log' | 'onRead'>> {
  readonly settings: ClientSettings;
  /** A clock in milliseconds that never steps. */
  readonly now: () => number;
  readonly onKeysFetched: SigningKeysOptions['onFetched'];
}

export interface OpenClients {
  /** Take it anew for each request. */
  readonly current: () => ClientRegistry;
  /** What checks signed tokens; null where none are accepted. */
  readonly tokens: TokenVerifier | null;
  reload(): Promise<void>;
  isHung(): Promise<boolean>;
  close(): void;
}

export function openClients({ settings, log, onRead, now, onKeysFetched }: OpenClientsOptions): OpenClients {
  const clients = new LiveRegistry({ registry: settings.clients, sources: settings, log, onRead });
  clients.watch();
  const keys = signingKeys(settings, now, onKeysFetched);
  return {
    current: () => clients.current,
    tokens: tokens(settings, keys),
    reload: () => clients.reload(),
    isHung: () => clients.isHung(),
    close() {
      clients.close();
      keys?.close();
    },
  };
}

function tokens(
  { jwtSecrets: secrets, jwtIssuer: issuer, jwtAudience: audience }: ClientSettings,
  keys: SigningKeys | null,
): TokenVerifier | null {
  if (secrets.length === 0 && keys === null) return null;
  return tokenVerifier({ secrets, keys: keys?.find ?? null, ...(keys === null ? {} : { keysNow: keys.now }), issuer, audience });
}

function signingKeys(
  { jwksUrl, proxies }: ClientSettings,
  now: () => number,
  onFetched: SigningKeysOptions['onFetched'],
): SigningKeys | null {
  if (jwksUrl === undefined) return null;
  const url = new URL(jwksUrl);
  return new SigningKeys({ url, dispatcher: proxyFor(url, proxies), onFetched, now });
}
