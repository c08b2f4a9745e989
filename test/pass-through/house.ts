// What tests of the pass-through share: a house in which callers may bring a token of their own.

import type { RawRequest } from '../support/fake-chatwoot/raw-request.ts';
import type { FakeUser } from '../support/fake-chatwoot/directory.ts';
import { startHouse, type Backscroll, type BackscrollOptions, type Received, type TestClock } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

/** The tokens that callers bring: of an administrator, and of an agent that reads conversations 1 and 2. */
export const OWN = 'Qw7ownTokenOfAnAdministrator';
export const AGENTS = 'Zx3ownTokenOfAnAgent';
export const OWN_TOKENS = [OWN, AGENTS];

export const AGENT: FakeUser = { id: 7, name: 'Gil Agent', email: 'gil@example.test', pubsubToken: 'pubsub-7' };
const ADMINISTRATOR: FakeUser = { id: 8, name: 'Ivy Admin', email: 'ivy@example.test', pubsubToken: 'pubsub-8' };

export interface PassingHouse {
  readonly backscroll: Backscroll;
  readonly chatwoot: FakeChatwoot;
  readonly clock: TestClock;
  /** Sends with an own token, that of the administrator unless another is given. */
  readonly ask: (target: string, request?: Partial<RawRequest> & { readonly token?: string }) => Promise<Received>;
}

export async function startPassingHouse(
  options: Omit<BackscrollOptions, 'chatwoot' | 'now' | 'ownTokens'> & {
    readonly clock?: TestClock;
    readonly ownTokens?: readonly string[];
  } = {},
): Promise<PassingHouse> {
  const { env = {}, ownTokens = OWN_TOKENS, ...rest } = options;
  const house = await startHouse({ ...rest, ownTokens, env: { PASS_THROUGH: 'own-token', ...env } });
  const { backscroll, chatwoot } = house;
  chatwoot.directory.join(AGENT, 1, { role: 'agent', reads: new Set([1, 2]) });
  chatwoot.directory.join(ADMINISTRATOR, 1, { role: 'administrator' });
  chatwoot.directory.addToken(AGENTS, AGENT);
  chatwoot.directory.addToken(OWN, ADMINISTRATOR);
  return {
    ...house,
    ask: (target, { token = OWN, headers = [], ...request } = {}) =>
      backscroll.send({ target, headers: [['api_access_token', token], ...headers], ...request }),
  };
}

/** A clock that runs. */
export const RUNNING: TestClock = {
  now: () => performance.timeOrigin + performance.now(),
  advance() {
    throw new Error('this clock runs by itself');
  },
};

export const JSON_TYPE = ['content-type', 'application/json'] as const;
