// Whether Chatwoot's cable can be subscribed to, and whether anything comes of it: for `backscroll check` where FEED has `cable`.

import type { Config } from '../config/load-config.ts';
import { Cable } from '../feed/cable.ts';
import { cableUrl } from '../feed/feed.ts';
import { feedTokens } from '../feed/feed-tokens.ts';
import { createChatwoot } from '../upstream/chatwoot.ts';
import { tunnelTo } from '../upstream/proxies.ts';
import { VERSION } from '../version.ts';
import type { Finding } from './ask-chatwoot.ts';

/** For all that a subscription takes: profile, upgrade, welcome, confirmation, first frame. */
const TIMEOUT_MS = 20_000;
const BODY_BYTES_MAX = 1024 * 1024;

/** One finding for each token, and one for each account without all of its events. */
export async function askCable(config: Config, timeoutMs = TIMEOUT_MS): Promise<readonly Finding[]> {
  const baseUrl = new URL(config.chatwootUrl);
  const chatwoot = createChatwoot({
    baseUrl,
    version: VERSION,
    tokenFor: () => undefined,
    tokens: [],
    connections: 1,
    proxies: config.proxies,
    timeoutMs: config.upstreamTimeoutMs,
    bodyMaxBytes: BODY_BYTES_MAX,
    now: () => performance.now(),
  });
  const tunnel = tunnelTo(baseUrl, config.proxies);
  try {
    const found = await Promise.all(
      feedTokens(config).map(({ token, serves }) =>
        listen({ url: cableUrl(baseUrl), tunnel, serves, timeoutMs, profile: (signal) => chatwoot.profile(token, signal) }),
      ),
    );
    return found.flat();
  } finally {
    await chatwoot.close();
  }
}

interface Listening extends Pick<ConstructorParameters<typeof Cable>[0], 'url' | 'serves' | 'profile' | 'tunnel'> {
  readonly timeoutMs: number;
}

/** Subscribes as the server would, until of each account something has come or it is told why not, or nothing comes any more. */
async function listen({ timeoutMs, ...options }: Listening): Promise<Finding[]> {
  const confirmed = new Map<number, { readonly isAdministrator: boolean; isHeard: boolean }>();
  const findings: Finding[] = [];
  /** Accounts of which nothing more is awaited, and how many there are. */
  const told = new Set<number>();
  let accounts = Infinity;
  let cable: Cable | undefined;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      if (confirmed.size === 0) findings.push(problem('it was not confirmed in time'));
      resolve();
    }, timeoutMs);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const tell = (accountId: number): void => {
      if (told.add(accountId).size >= accounts) end();
    };
    cable = new Cable({
      ...options,
      version: VERSION,
      async profile(signal) {
        const profile = await options.profile(signal);
        accounts = profile.accounts.filter(({ id }) => options.serves(id)).length;
        return profile;
      },
      listener: {
        confirmed: (accountId, isAdministrator) => void confirmed.set(accountId, { isAdministrator, isHeard: false }),
        ended(accountId, { text }) {
          findings.push(problem(accountId === null ? text : `account ${accountId}: ${text}`));
          if (accountId === null) return end();
          tell(accountId);
        },
        event(accountId) {
          const account = confirmed.get(accountId);
          if (account === undefined) return;
          account.isHeard = true;
          tell(accountId);
        },
        passedOver(count) {
          accounts -= count;
          if (count > 0)
            findings.push({
              kind: 'note',
              text: `FEED=cable: ${count} accounts of its user are too many: they are not heard of`,
            });
        },
        pinged: () => undefined,
        garbage: () => undefined,
      },
    });
    cable.start();
  });
  await cable?.close();
  for (const [account, { isAdministrator, isHeard }] of confirmed) {
    if (!isHeard) {
      findings.push(problem(`account ${account} is subscribed to, but nothing comes through Redis: has it been restarted?`));
    } else if (isAdministrator) {
      findings.push({ kind: 'ok', text: `FEED=cable: subscribed to account ${account}, and events arrive` });
    } else {
      const text = `FEED=cable: account ${account} is heard of in part only, since the user is no administrator of it: it is never trusted`;
      findings.push({ kind: 'note', text });
    }
  }
  return findings;
}

function problem(text: string): Finding {
  return { kind: 'problem', text: `FEED=cable: ${text}` };
}
