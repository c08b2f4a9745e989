// Whether a token may list messages, from two answers of Chatwoot: to a question about no account at all, and its user's profile.
// For `/readyz` and `backscroll check`, which must not disagree.

import type { BackscrollError } from '../errors.ts';
import { type FailureContext, mapFailure, rejected, UntoldRefusal, withoutApiAccess } from './map-failure.ts';
import type { Answered } from './chatwoot-refusal.ts';

/** No account has id 0, and Chatwoot judges the token before it looks for the account (contract 2.2). */
export const NOWHERE = { accountId: 0, conversationId: 0 } as const;
export const LATEST = { mode: 'latest', publicOnly: false } as const;

/** What stands in the way, from the answer to a read of `NOWHERE`; null where the token may list messages. */
export function judgeToken(answer: Answered, context: FailureContext): BackscrollError | null {
  const error = mapFailure(answer, context);
  if (error.code === 'not_found') return null;
  if (!(error instanceof UntoldRefusal)) return error;
  return rejected('it says so in words that are not known here. Copy it again from the profile of its user', {
    status: answer.status,
  });
}

/** An account of the token's user, as its profile lists it. */
export interface ListedAccount {
  readonly id: number;
  readonly isAdministrator: boolean;
  /** False where Chatwoot says that it may not be read by token (4.16 on). */
  readonly hasApiAccess: boolean;
}

/** The accounts in the answer to `GET /api/v1/profile`; null where it does not tell them: another Chatwoot may do so in another way. */
export function listedAccounts({ status, body }: Answered): readonly ListedAccount[] | null {
  const listed = status === 200 ? membersOf(body)['accounts'] : undefined;
  if (!Array.isArray(listed)) return null;
  return listed.flatMap((entry: unknown) => {
    const { id, role, api_and_webhooks: api } = members(entry);
    return typeof id === 'number' ? [{ id, isAdministrator: role === 'administrator', hasApiAccess: api !== false }] : [];
  });
}

/** A user as its profile shows it: what subscribing to its events takes (contract 8). */
export interface UserProfile {
  readonly userId: number;
  /** A secret. */
  readonly pubsubToken: string;
  readonly accounts: readonly ListedAccount[];
}

/** The user in the answer to `GET /api/v1/profile`; null where it does not tell all of it. */
export function userProfile(answer: Answered): UserProfile | null {
  const accounts = listedAccounts(answer);
  const { id, pubsub_token: pubsubToken } = membersOf(answer.body);
  if (accounts === null || typeof id !== 'number' || typeof pubsubToken !== 'string' || pubsubToken === '') return null;
  return { userId: id, pubsubToken, accounts };
}

/** The problem of a token that is for `account`, or for all that it reaches, where Chatwoot lets none of them be read by it. */
export function apiAccessProblem(accounts: readonly ListedAccount[], account: number | undefined): string | null {
  const concerned = accounts.filter(({ id }) => account === undefined || id === account);
  if (concerned.length === 0 || concerned.some(({ hasApiAccess }) => hasApiAccess)) return null;
  return withoutApiAccess(concerned.map(({ id }) => id).slice(0, ACCOUNTS_SHOWN));
}

export const ACCOUNTS_SHOWN = 20;

/** The members of a body that is an object of JSON; none of any other. */
export function membersOf(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return members(JSON.parse(body.toString('utf8')));
  } catch {
    return {};
  }
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
