// Strong ETags: of a page, and of the same page in a coding (RFC 9110 8.8.3.3).

import { createHash, hash } from 'node:crypto';
import { STEP_BYTES, type Steps } from '../steps.ts';
import type { Coding } from './codings.ts';

/** The SHA-256 of the body (RFC 9110 8.8.1), which takes about a millisecond for a megabyte. */
export function* etagSteps(body: Buffer): Steps<string> {
  if (body.length <= STEP_BYTES) return `"${hash('sha256', body, 'base64url')}"`;
  const whole = createHash('sha256');
  for (let at = 0; at < body.length; at += STEP_BYTES) {
    if (at > 0) yield;
    whole.update(body.subarray(at, at + STEP_BYTES));
  }
  return `"${whole.digest('base64url')}"`;
}

/** In the form in which Apache writes it too, where it is Apache that compresses. */
export function codedEtag(etag: string, coding: Coding): string {
  return `${etag.slice(0, -1)}-${coding}"`;
}

/**
 * Which of these an If-None-Match names, the first where it names several; null for none. As RFC 9110 13.1.2 has it: weak comparison,
 * which also is for servers on the way that compress and make a strong tag weak; lists and `*` included.
 */
export function namedEtag(ifNoneMatch: string, etags: readonly string[]): string | null {
  const named = ifNoneMatch.split(',').map((tag) => tag.trim());
  return etags.find((etag) => named.some((tag) => tag === '*' || tag === etag || tag === `W/${etag}`)) ?? null;
}
