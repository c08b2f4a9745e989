// The readers of tokens that were proved, so that a signature is checked once and not for each page of a walk. What changes with
// time is judged each time: whether the token has begun and not ended, and whether its key is still good.

import { LRUCache } from 'lru-cache';
import type { Reader } from './client.ts';
import { apart } from './key.ts';

export interface KnownToken {
  readonly reader: Reader;
  /** The keys among which the one was that proved it: others prove it anew. */
  readonly keys: object;
  /** Its claims, in seconds. */
  readonly exp: number;
  readonly nbf: number | undefined;
}

const KEPT_BYTES_MAX = 8 * 1024 * 1024;
/** A reader and its place, without the conversations that it names. */
const ENTRY_BYTES = 500;

export class KnownTokens {
  readonly #kept = new LRUCache<string, KnownToken>({
    maxSize: KEPT_BYTES_MAX,
    sizeCalculation: ({ reader }, token) => ENTRY_BYTES + token.length + 8 * namedBy(reader),
  });

  find(token: string): KnownToken | undefined {
    return this.#kept.get(token);
  }

  keep(token: string, known: KnownToken): void {
    this.#kept.set(apart(token), known);
  }
}

function namedBy({ scope }: Reader): number {
  if (scope === '*') return 0;
  return scope.reduce((sum, { conversations }) => sum + (conversations === '*' ? 0 : conversations.length), 0);
}
