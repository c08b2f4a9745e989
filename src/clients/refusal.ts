// Why a credential is refused: a word for the operator's log and numbers, never for the caller.

import { errors } from 'jose';

export const REFUSALS = [
  'no-credential',
  /** Two values, another scheme than Bearer, or more characters than any key has. */
  'not-a-credential',
  'unknown-key',
  /** A client's, past its `notAfter`. */
  'expired-key',
  'malformed-token',
  /** Of another algorithm than those that are accepted, or of one for which nothing is set up. */
  'algorithm',
  /** Its `kid` is not at JWKS_URL, or it has none and several keys might be meant. */
  'unknown-signing-key',
  'signature',
  'expired',
  'not-yet-valid',
  'expiry-claim',
  'issuer',
  'audience',
  'account-claim',
  'conversations-claim',
  'view-claim',
  'sub-claim',
] as const;

export type Refusal = (typeof REFUSALS)[number];

/** What the library found wrong with a token. Anything it throws is the token's fault. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return refusedClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) return 'unknown-signing-key';
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return 'algorithm';
  return 'malformed-token';
}

function refusedClaim({ claim, reason }: errors.JWTClaimValidationFailed): Refusal {
  switch (claim) {
    case 'iss':
      return 'issuer';
    case 'aud':
      return 'audience';
    case 'exp':
      return 'expiry-claim';
    case 'nbf':
      return reason === 'check_failed' ? 'not-yet-valid' : 'malformed-token';
    default:
      return 'malformed-token';
  }
}
