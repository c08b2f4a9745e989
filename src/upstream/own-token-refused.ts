// What Chatwoot says to a read with a caller's own token that may not be: it is for that caller, word for word, and says nothing of
// what others may read.

import { BackscrollError } from '../errors.ts';
import type { Answered } from './chatwoot-refusal.ts';

/** Whoever speaks, Chatwoot or what stands before it: with this token there is nothing to see. */
const REFUSING: ReadonlySet<number> = new Set([401, 403, 404]);

export class OwnTokenRefused extends BackscrollError {
  readonly contentType: string | undefined;
  readonly body: Buffer;

  constructor({ status, header, body }: Answered) {
    super('upstream_forbidden', 'Chatwoot does not let this token read this conversation', { status, upstream: { status } });
    this.name = 'OwnTokenRefused';
    this.contentType = header('content-type');
    this.body = body;
  }
}

/** @throws OwnTokenRefused where the answer is a refusal. */
export function throwIfRefused(answer: Answered): void {
  if (REFUSING.has(answer.status)) throw new OwnTokenRefused(answer);
}
