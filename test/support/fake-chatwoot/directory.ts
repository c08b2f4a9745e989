// Who exists and who may read what: accounts, users, tokens, sessions (contract 2.1, 2.2).

/** A user's place in one account. An agent reads the conversations of its inboxes and teams, here simply listed by display id. */
export type Membership =
  | { readonly role: 'administrator' }
  | { readonly role: 'agent'; readonly reads: 'all' | ReadonlySet<number> };

/** A user with a place in any number of accounts. */
export interface FakeUser {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly pubsubToken: string;
}

/** A devise_token_auth session. `expiry` is in Unix seconds. */
export interface FakeSession {
  readonly user: FakeUser;
  readonly accessToken: string;
  readonly client: string;
  readonly uid: string;
  readonly expiry: number;
  /** What follows `Authorization: Bearer`. */
  readonly bearer: string;
}

/** Owners that may not list messages: agent bots, platform apps, and nobody (contract 2.2, row 3). */
export type TokenOwner = FakeUser | 'bot' | 'gone';

/** Accounts, users and their credentials. Everything can change at any time, without an event (contract 6.3). */
export class Directory {
  readonly #memberships = new Map<number, Map<number, Membership>>();
  readonly #users = new Map<number, FakeUser>();
  /** Of users that have changed their password. */
  readonly #rotated = new Map<number, string>();
  readonly #suspended = new Set<number>();
  readonly #withoutApi = new Set<number>();
  readonly #tokens = new Map<string, TokenOwner>();
  readonly #sessions: FakeSession[] = [];

  addAccount(accountId: number): void {
    if (!this.#memberships.has(accountId)) this.#memberships.set(accountId, new Map());
  }

  removeAccount(accountId: number): void {
    this.#memberships.delete(accountId);
  }

  hasAccount(accountId: number): boolean {
    return this.#memberships.has(accountId);
  }

  suspend(accountId: number): void {
    this.#suspended.add(accountId);
  }

  reinstate(accountId: number): void {
    this.#suspended.delete(accountId);
  }

  isSuspended(accountId: number): boolean {
    return this.#suspended.has(accountId);
  }

  /** Takes from an account the feature `api_and_webhooks` (4.16 on): tokens read nothing of it any more. */
  disableApi(accountId: number): void {
    this.#withoutApi.add(accountId);
  }

  enableApi(accountId: number): void {
    this.#withoutApi.delete(accountId);
  }

  hasApi(accountId: number): boolean {
    return !this.#withoutApi.has(accountId);
  }

  /** Gives a user a place in an account, or another one than before. Adds the account when it is new. */
  join(user: FakeUser, accountId: number, membership: Membership): void {
    this.addAccount(accountId);
    this.#users.set(user.id, user);
    this.#memberships.get(accountId)?.set(user.id, membership);
  }

  leave(user: FakeUser, accountId: number): void {
    this.#memberships.get(accountId)?.delete(user.id);
  }

  membership(user: FakeUser, accountId: number): Membership | undefined {
    return this.#memberships.get(accountId)?.get(user.id);
  }

  /** The accounts of a user, as the profile lists them. It tells of API access since there is such a thing (4.16 on). */
  accountsOf(
    user: FakeUser,
  ): readonly { readonly id: number; readonly role: Membership['role']; readonly api_and_webhooks?: boolean }[] {
    return [...this.#memberships].flatMap(([id, members]) => {
      const membership = members.get(user.id);
      if (membership === undefined) return [];
      return [{ id, role: membership.role, ...(this.#withoutApi.size === 0 ? {} : { api_and_webhooks: this.hasApi(id) }) }];
    });
  }

  /** Who hears of a conversation: administrators, and agents that read it (contract 8). Of all users where no conversation is named. */
  listeners(accountId: number, conversationId?: number): readonly FakeUser[] {
    return [...(this.#memberships.get(accountId) ?? [])].flatMap(([id, membership]) => {
      const user = this.#users.get(id);
      const hears =
        conversationId === undefined ||
        membership.role === 'administrator' ||
        membership.reads === 'all' ||
        membership.reads.has(conversationId);
      return user === undefined || !hears ? [] : [user];
    });
  }

  /** The token of a user's stream. It is another one after `changePassword`. */
  pubsubTokenOf({ id, pubsubToken }: FakeUser): string {
    return this.#rotated.get(id) ?? pubsubToken;
  }

  /** Rotates the token of the user's stream; access tokens stay (contract 8). */
  changePassword(user: FakeUser): void {
    this.#rotated.set(user.id, `${this.pubsubTokenOf(user)}-changed`);
  }

  userOfPubsubToken(token: string): FakeUser | undefined {
    return [...this.#users.values()].find((user) => this.pubsubTokenOf(user) === token);
  }

  addToken(token: string, owner: TokenOwner): void {
    this.#tokens.set(token, owner);
  }

  revokeToken(token: string): void {
    this.#tokens.delete(token);
  }

  tokenOwner(token: string): TokenOwner | undefined {
    return this.#tokens.get(token);
  }

  addSession(session: FakeSession): void {
    this.#sessions.push(session);
  }

  /** The session that these three name together, or that this bearer stands for. */
  findSession(credentials: { accessToken: string; client: string; uid: string; bearer: string }): FakeSession | undefined {
    return this.#sessions.find(
      (session) =>
        (session.accessToken === credentials.accessToken &&
          session.client === credentials.client &&
          session.uid === credentials.uid) ||
        session.bearer === credentials.bearer,
    );
  }

  /** The session of this user that a `client` alone names: enough for a token's answer to leak it (contract 4). */
  sessionOfClient(user: FakeUser, client: string): FakeSession | undefined {
    return this.#sessions.find((session) => session.user.id === user.id && session.client === client);
  }
}
