// `backscroll check`: whether it would work. Everything that is wrong with the settings and the clients file at once; if
// nothing is, what Chatwoot says to this server. Changes nothing, shows no secret, ends within a minute or so.

import type { Client } from '../clients/client.ts';
import { SigningKeys } from '../clients/signing-keys.ts';
import { ConfigError, loadConfig, type Config } from '../config/load-config.ts';
import { proxyFor } from '../upstream/proxies.ts';
import { askChatwoot, type Finding, type NamedToken } from './ask-chatwoot.ts';
import type { Terminal } from './terminal.ts';
import { optionsOf } from './usage.ts';

const QUESTION_TIMEOUT_MS = 10_000;
const ALL_TIMEOUT_MS = 60_000;

/**
 * Prints a line for each finding.
 * @returns false where there is a problem
 * @throws UsageError
 */
export async function check(args: readonly string[], env: NodeJS.ProcessEnv, { stdout }: Terminal): Promise<boolean> {
  optionsOf(args, []);
  let isGood = true;
  const tell = (findings: readonly Finding[]): void => {
    for (const { kind, text } of findings) stdout.write(`${kind.padEnd(7)}  ${text}\n`);
    isGood &&= findings.every(({ kind }) => kind !== 'problem');
  };
  let config: Config;
  try {
    config = loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tell(error.problems.map((text) => ({ kind: 'problem', text })));
    return false;
  }
  tell(settingsFindings(config));
  if (config.jwksUrl !== undefined) tell([await keysFinding(new URL(config.jwksUrl), config.proxies)]);
  tell(
    await askChatwoot({
      baseUrl: new URL(config.chatwootUrl),
      tokens: tokensOf(config),
      skewMaxMs: config.settleMs / 2,
      proxies: config.proxies,
      timeoutMs: Math.min(config.upstreamTimeoutMs, QUESTION_TIMEOUT_MS),
      signal: AbortSignal.timeout(ALL_TIMEOUT_MS),
    }),
  );
  if (config.feed.has('cable')) {
    const { askCable } = await import('./ask-cable.ts');
    tell(await askCable(config));
  }
  if (config.feed.has('webhook')) tell(webhookFindings(config));
  return isGood;
}

/** Chatwoot tells nobody when it does not send. */
function webhookFindings({ webhookSecrets }: Config): Finding[] {
  const accounts = [...webhookSecrets.keys()].join(', ');
  const text =
    `FEED=webhook: webhooks of account ${accounts} are taken. Where this server has a private address, Chatwoot 4.14 and later sends ` +
    'them only with SAFE_FETCH_ALLOW_PRIVATE_NETWORK=true; backscroll_feed_events_total{source="webhook"} shows whether they come';
  return [{ kind: 'note', text }];
}

function settingsFindings(config: Config): Finding[] {
  const { jwtSecrets, jwksUrl, trustProxy, tailMaxAgeMs, feed, passThrough } = config;
  const { clients, anonymous } = config.clients;
  const now = Date.now();
  const dead = clients.filter(({ keys }) => keys.every(({ notAfterAt = Infinity }) => now >= notAfterAt));
  return [
    { kind: 'ok', text: `Settings and clients: ${clients.length} ${clients.length === 1 ? 'client' : 'clients'}` },
    ...dead.map(({ name }): Finding => ({ kind: 'note', text: `Every key of client ${name} is past its notAfter` })),
    ...(jwtSecrets.length > 0 || jwksUrl !== undefined ? [{ kind: 'ok', text: 'Signed tokens are accepted' } as const] : []),
    ...(anonymous === null
      ? []
      : [{ kind: 'note', text: 'ALLOW_ANONYMOUS: callers without a key read everything, private notes included' } as const]),
    ...(passThrough === 'off'
      ? []
      : [
          {
            kind: 'ok',
            text: "PASS_THROUGH: callers with a Chatwoot token of their own reach the rest of Chatwoot's API, and write there",
          } as const,
        ]),
    ...proxyFindings(trustProxy),
    tailFinding(tailMaxAgeMs, clients, feed.has('cable')),
  ];
}

/** What the age of the newest messages costs. */
function tailFinding(tailMaxAgeMs: number, clients: readonly Client[], isFed: boolean): Finding {
  const others = clients.filter((client) => client.tailMaxAgeMs !== undefined).length;
  const but = others === 0 ? '' : ` (clients with an age of their own: ${others})`;
  if (tailMaxAgeMs === 0 && isFed) {
    return {
      kind: 'ok',
      text: `TAIL_MAX_AGE is 0s${but}: while the feed is trusted, newest pages are read when something changes`,
    };
  }
  return tailMaxAgeMs === 0
    ? {
        kind: 'ok',
        text: `TAIL_MAX_AGE is 0s${but}: each look at a newest page asks Chatwoot. Give clients that poll and can bear it "tailMaxAge": "1s", or set FEED=cable`,
      }
    : {
        kind: 'note',
        text: `TAIL_MAX_AGE is ${tailMaxAgeMs}ms${but}: whom a webhook wakes may miss the very message. Give such clients "tailMaxAge": "0s"`,
      };
}

/** What is asked of a proxy cannot be seen from here; what follows where there is one can be told. */
function proxyFindings(trustProxy: Config['trustProxy']): Finding[] {
  const off = 'TRUST_PROXY is off: if a proxy stands before this server, limits by address take all callers for one';
  const everyone = 'TRUST_PROXY is true: callers choose the address that limits count them by; better name the proxies';
  return typeof trustProxy === 'boolean' ? [{ kind: 'note', text: trustProxy ? everyone : off }] : [];
}

async function keysFinding(url: URL, proxies: Config['proxies']): Promise<Finding> {
  let problem: string | null = null;
  const keys = new SigningKeys({
    url,
    dispatcher: proxyFor(url, proxies),
    onFetched: (text) => (problem = text),
    now: () => performance.now(),
  });
  const count = await keys.fetch().catch(() => null);
  keys.close();
  if (count === null) return { kind: 'problem', text: `JWKS_URL: ${problem}` };
  return count === 0
    ? { kind: 'problem', text: 'JWKS_URL: the key set is empty' }
    : { kind: 'ok', text: `JWKS_URL: ${count} ${count === 1 ? 'key' : 'keys'}` };
}

function tokensOf({ chatwootApiToken, chatwootAccountTokens }: Config): NamedToken[] {
  const tokens: NamedToken[] = chatwootApiToken === undefined ? [] : [{ setting: 'CHATWOOT_API_TOKEN', token: chatwootApiToken }];
  for (const [account, token] of chatwootAccountTokens) {
    tokens.push({ setting: `CHATWOOT_ACCOUNT_TOKENS, account ${account}`, token, account });
  }
  return tokens;
}
