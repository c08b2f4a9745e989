// Who brings a Chatwoot token of its own, and how often. What Chatwoot says of such a token is known only after it was asked, so
// where an address has shown many that it refuses, only tokens that it has taken before are still asked about.

import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Reader } from '../clients/client.ts';
import { broughtToken, readerWithOwnToken } from '../clients/own-token.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import type { BackscrollError } from '../errors.ts';
import { tooManyFailures } from '../http/authentication.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import type { UnauthenticatedLimit } from '../http/unauthenticated-limit.ts';

export interface OwnCallersOptions {
  /** All whose keys are this server's own, and go nowhere. */
  readonly registries: () => readonly ClientRegistry[];
  /** The same that failures with keys count in. */
  readonly limit: UnauthenticatedLimit;
  readonly addressOf: (request: FastifyRequest) => string;
}

/** Tokens that Chatwoot has taken of late. */
const TAKEN_MAX = 10_000;
const TAKEN_FOR_MS = 10 * 60_000;

export class OwnCallers {
  readonly #options: OwnCallersOptions;
  readonly #taken = new LRUCache<string, true>({ max: TAKEN_MAX, ttl: TAKEN_FOR_MS });

  constructor(options: OwnCallersOptions) {
    this.#options = options;
  }

  /** The reader with the token of its own that the request brings; null where it brings none. */
  readerOf(request: FastifyRequest): Reader | null {
    const brought = broughtToken(request.raw.rawHeaders);
    if (brought.kind !== 'own') return null;
    const isKey = this.#options.registries().some((registry) => registry.find(brought.own.token, -Infinity) !== null);
    return isKey ? null : readerWithOwnToken(brought.own);
  }

  /** The refusal that it is to get without Chatwoot being asked; undefined where it may go on. */
  refusal(request: FastifyRequest, own: OwnToken): BackscrollError | undefined {
    if (this.isTaken(own)) return undefined;
    const waitMs = this.#options.limit.waitMs(this.#options.addressOf(request), Date.now());
    return waitMs > 0 ? tooManyFailures(waitMs) : undefined;
  }

  /** Whether Chatwoot has taken it of late. */
  isTaken({ name }: OwnToken): boolean {
    return this.#taken.has(name);
  }

  /** Chatwoot has shown something to this token that it shows to no stranger. */
  taken({ name }: OwnToken): void {
    this.#taken.set(name, true);
  }

  /** Chatwoot has answered 401. For a token that it has taken, that is about what it asked for. */
  refused(request: FastifyRequest, own: OwnToken): void {
    if (!this.isTaken(own)) this.#options.limit.failed(this.#options.addressOf(request), Date.now());
  }
}
