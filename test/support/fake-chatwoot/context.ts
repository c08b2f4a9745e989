// What an answer of the fake depends on, and what all of them share.

import type { HeaderList } from './answer.ts';
import { leakedSession, type Credentials } from './credentials.ts';
import type { Directory, FakeUser } from './directory.ts';
import type { MessageTable } from './message-table.ts';
import type { Params } from './rails-params.ts';
import type { LoggedRequest } from './request-log.ts';
import type { Throttle } from './throttle.ts';
import type { FakeWebhooks } from './webhooks.ts';

/** All that an answer depends on besides the request. */
export interface Installation {
  readonly table: MessageTable;
  readonly directory: Directory;
  /** Conversations ("account/display id") that answer 500, as during a contact's deletion (contract 2.2). */
  readonly failing: ReadonlySet<string>;
  /** Conversations whose reads are too much for the database: 422 for `latest` and `before`, 500 for the others (4.16 on). */
  readonly tooSlow: ReadonlySet<string>;
  /** The language of the accounts, in which 4.16 and later refuse. */
  readonly accountLocale: string;
  readonly throttle: Throttle | undefined;
  readonly webhooks: FakeWebhooks;
  /** Of conversations ("account/display id") that are not open. */
  readonly statuses: Map<string, string>;
}

/** One request on its way to an answer. */
export interface Context {
  readonly request: LoggedRequest;
  readonly headers: ReadonlyMap<string, string>;
  readonly params: Params;
  readonly installation: Installation;
}

/** The secrets that session authentication leaves on an answer (contract 4). */
export function sessionTraces(
  directory: Directory,
  credentials: Credentials,
  user: FakeUser,
): { sessionHeaders: HeaderList; setCookie: string | undefined } {
  const leaked = leakedSession(directory, credentials, user);
  const setCookie = credentials.session === undefined ? undefined : '_chatwoot_session=fake; path=/; httponly; samesite=lax';
  if (leaked === undefined) return { sessionHeaders: [], setCookie };
  const { session, accessToken } = leaked;
  const [client, expiry, uid] = [session.client, String(session.expiry), session.uid];
  const bearer =
    accessToken === session.accessToken
      ? session.bearer
      : Buffer.from(JSON.stringify({ 'access-token': accessToken, 'token-type': 'Bearer', client, expiry, uid })).toString(
          'base64',
        );
  const sessionHeaders: HeaderList = [
    ['access-token', accessToken ?? ''],
    ['token-type', 'Bearer'],
    ['client', client],
    ['expiry', expiry],
    ['uid', uid],
    ['authorization', `Bearer ${bearer}`],
  ];
  return { sessionHeaders, setCookie };
}

export function localeOf(params: Params): string {
  const locale = params.get('locale');
  return typeof locale === 'string' ? locale : 'en';
}
