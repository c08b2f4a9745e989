// The errors that callers met: of each code how many, and the last one. There are few codes, so a crowd of one hides no other.

import type { ConversationId } from '../upstream/upstream.ts';

export interface MetError {
  readonly code: string;
  readonly sentence: string;
  readonly requestId: string;
  readonly client: string | null;
  readonly conversation: ConversationId | null;
}

export interface LastError extends MetError {
  readonly count: number;
  /** ISO 8601. */
  readonly at: string;
}

export class LastErrors {
  readonly #byCode = new Map<string, LastError>();

  met(error: MetError): void {
    const count = (this.#byCode.get(error.code)?.count ?? 0) + 1;
    this.#byCode.delete(error.code);
    this.#byCode.set(error.code, { ...error, count, at: new Date().toISOString() });
  }

  /** The latest first. */
  get list(): readonly LastError[] {
    return [...this.#byCode.values()].toReversed();
  }
}
