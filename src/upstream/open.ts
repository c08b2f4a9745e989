// The door of this room: Chatwoot, as the rest of the program may ask it.

import { Budget, type ReadBudget } from './budget.ts';
import { createChatwoot, type Chatwoot, type ChatwootOptions, type NamedToken } from './chatwoot.ts';
import { protectUpstream, type ProtectedUpstream, type ProtectionOptions } from './protected-upstream.ts';
import type { Proxies } from './proxies.ts';
import type { Rate } from '../rate.ts';
import { VERSION } from '../version.ts';

/** As settings have them. */
export interface UpstreamSettings {
  readonly chatwootUrl: string;
  readonly chatwootApiToken: string | undefined;
  readonly chatwootAccountTokens: ReadonlyMap<number, string>;
  readonly upstreamConnections: number;
  readonly upstreamTimeoutMs: number;
  readonly upstreamBodyMaxBytes: number;
  readonly upstreamRate: Rate;
  readonly proxies: Proxies;
}

/** What is told of it. */
type Observers = Pick<ChatwootOptions, 'onRead' | 'onNotice'> & Pick<ProtectionOptions, 'onEvent' | 'onTurn'>;

export interface OpenUpstreamOptions extends Required<Observers> {
  readonly settings: UpstreamSettings;
  /** Of UPSTREAM_RATE, where others than this process spend of it, too. */
  readonly budget?: ReadBudget | undefined;
  /** The engine's clock, ms. */
  readonly now: () => number;
}

export interface OpenUpstream {
  readonly upstream: ProtectedUpstream;
  /** The same without protection, for what is no read of messages. */
  readonly chatwoot: Chatwoot;
  /** Of UPSTREAM_RATE, for all who spend of it. */
  readonly budget: ReadBudget;
}

export function openUpstream({ settings, now, onRead, onNotice, onEvent, onTurn, ...given }: OpenUpstreamOptions): OpenUpstream {
  const { upstreamConnections: connections, upstreamTimeoutMs: timeoutMs, upstreamRate: rate } = settings;
  const chatwoot = createChatwoot({
    baseUrl: new URL(settings.chatwootUrl),
    version: VERSION,
    tokenFor: (accountId) => settings.chatwootAccountTokens.get(accountId) ?? settings.chatwootApiToken,
    tokens: namedTokens(settings),
    connections,
    proxies: settings.proxies,
    timeoutMs,
    bodyMaxBytes: settings.upstreamBodyMaxBytes,
    now,
    onRead,
    onNotice,
  });
  const budget = given.budget ?? new Budget(rate);
  const upstream = protectUpstream(chatwoot, { rate, budget, connections, timeoutMs, now, onEvent, onTurn });
  return { upstream, chatwoot, budget };
}

function namedTokens({ chatwootApiToken: token, chatwootAccountTokens }: UpstreamSettings): NamedToken[] {
  const ofAccounts = [...chatwootAccountTokens].map(([account, each]) => ({
    setting: `CHATWOOT_ACCOUNT_TOKENS, account ${account}`,
    token: each,
    account,
  }));
  return token === undefined ? ofAccounts : [{ setting: 'CHATWOOT_API_TOKEN', token }, ...ofAccounts];
}
