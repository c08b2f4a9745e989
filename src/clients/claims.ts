// What a verified token says of its bearer. A signature proves who wrote the claims, not that they make sense: what does not
// have exactly this form reads nothing.

import { createHash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { Reader } from './client.ts';

export const CONVERSATIONS_MAX = 1000;
export const SUBJECT_LENGTH_MAX = 128;

const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

/** Other claims are the issuer's own business and are left alone. */
const ClaimsSchema = Type.Object({
  account: Id,
  conversations: Type.Union([Type.Literal('*'), Type.Array(Id, { maxItems: CONVERSATIONS_MAX })]),
  view: Type.Optional(Type.Union([Type.Literal('agent'), Type.Literal('customer')])),
  sub: Type.Optional(Type.String({ maxLength: SUBJECT_LENGTH_MAX })),
});

export type Claims = Static<typeof ClaimsSchema>;

/** The reader that verified claims describe; null where they are not of the form above. */
export function readerOfClaims(claims: unknown): Reader | null {
  if (!Value.Check(ClaimsSchema, claims)) return null;
  const { account, conversations, view = 'customer', sub = '' } = claims;
  const reader: Reader = { clientName: nameOfSubject(sub), scope: [{ account, conversations }], view, mayBypass: false };
  return sub === '' ? { ...reader, isNameless: true } : reader;
}

/** Which claim of those that are not of the form above is wrong or missing. */
export function wrongClaim(claims: unknown): keyof Claims {
  const names = ['account', 'conversations', 'view', 'sub'] as const;
  return names.find((name) => !Value.Check(Type.Pick(ClaimsSchema, [name]), claims)) ?? 'account';
}

/** The name of all readers whose token has no subject. */
const NAMELESS = 'jwt';

/**
 * A name that is safe to log, and different for different subjects: one that had to be changed ends in a part of its hash.
 * No client of the operator's has such a name, since theirs hold no colon.
 */
function nameOfSubject(subject: string): string {
  if (subject === '') return NAMELESS;
  const safe = subject.replaceAll(/[^A-Za-z0-9._-]/g, '_');
  return safe === subject ? `jwt:${safe}` : `jwt:${safe}~${createHash('sha256').update(subject).digest('hex').slice(0, 8)}`;
}
