// Who a request speaks for, and whether that one may read a conversation: the checks in Chatwoot's order (contract 2.2).

import type { Directory, FakeSession, FakeUser } from './directory.ts';
import type { Params } from './rails-params.ts';

/** The first check that a request fails. */
export type Refusal =
  | 'sign-in'
  | 'invalid-token'
  | 'bot'
  | 'no-account'
  | 'suspended'
  | 'not-a-member'
  | 'no-api'
  | 'no-conversation'
  | 'no-access';

/** Everything of a request that authenticates. */
export interface Credentials {
  /** The access token, '' where there is none: blank counts as none (contract 2.2, row 1). */
  readonly token: string;
  readonly session: FakeSession | undefined;
  /** `access-token` and `client`, which may make a token's answer leak session headers (contract 4). */
  readonly accessToken: string;
  readonly client: string;
}

/** An authenticated request: the policy looks at `user`, the membership at `member`. They differ for mixed credentials (contract 2.1). */
export interface Identity {
  readonly user: FakeUser;
  readonly member: FakeUser;
  /** Whether a token speaks for it, and not a session alone. */
  readonly byToken: boolean;
}

/** Reads the credentials from headers, query and body (contract 2.1). */
export function readCredentials(directory: Directory, headers: ReadonlyMap<string, string>, params: Params): Credentials {
  const named = (name: string): string => {
    const parameter = params.get(name);
    const header =
      headers.get(`HTTP_${name.toUpperCase().replaceAll('-', '_')}`) ?? headers.get(name.toUpperCase().replaceAll('-', '_'));
    return header ?? (typeof parameter === 'string' ? parameter : '');
  };
  const [accessToken, client, uid] = [named('access-token'), named('client'), named('uid')];
  const bearer = /^Bearer (.+)$/.exec(headers.get('AUTHORIZATION') ?? '')?.[1] ?? '';
  const token = (headers.get('API_ACCESS_TOKEN') ?? '').trim();
  return { token, session: directory.findSession({ accessToken, client, uid, bearer }), accessToken, client };
}

/** Rows 1 to 3 of contract 2.2. */
export function authenticate(directory: Directory, { token, session }: Credentials): Identity | Refusal {
  if (token === '') return session === undefined ? 'sign-in' : { user: session.user, member: session.user, byToken: false };
  const owner = directory.tokenOwner(token);
  if (owner === undefined) return 'invalid-token';
  if (owner === 'bot' || owner === 'gone') return 'bot';
  return { user: owner, member: session?.user ?? owner, byToken: true };
}

/** Rows 4 to 8 of contract 2.2; undefined where all pass. */
export function authorize(
  directory: Directory,
  identity: Identity,
  conversation: { readonly accountId: number; readonly conversationId: number; readonly exists: boolean },
): Refusal | undefined {
  const { accountId, conversationId, exists } = conversation;
  if (!directory.hasAccount(accountId)) return 'no-account';
  if (directory.isSuspended(accountId)) return 'suspended';
  const membership = directory.membership(identity.member, accountId);
  if (membership === undefined) return 'not-a-member';
  if (identity.byToken && !directory.hasApi(accountId)) return 'no-api';
  if (!exists) return 'no-conversation';
  if (membership.role === 'administrator') return undefined;
  const own = directory.membership(identity.user, accountId);
  if (own?.role !== 'agent') return 'no-access';
  return own.reads === 'all' || own.reads.has(conversationId) ? undefined : 'no-access';
}

/** The session whose secrets the answer carries, and the access token it echoes (contract 4). Undefined where it carries none. */
export function leakedSession(
  directory: Directory,
  credentials: Credentials,
  user: FakeUser,
): { readonly session: FakeSession; readonly accessToken: string | null } | undefined {
  const { token, session, client, accessToken } = credentials;
  if (token === '') return session === undefined ? undefined : { session, accessToken: session.accessToken };
  const named = client === '' ? undefined : directory.sessionOfClient(user, client);
  return named === undefined ? undefined : { session: named, accessToken: accessToken === '' ? null : accessToken };
}
