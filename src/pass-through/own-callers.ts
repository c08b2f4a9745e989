// Who brings a Chatwoot token of its own, and how often. What Chatwoot says of such a token is known only after it was asked, so
// where an address has shown many that it refuses, only tokens that it has taken before are still asked about.

import type { FastifyReply, FastifyRequest } from 'fastify';
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
  /** The engine's clock, ms. */
  readonly now: () => number;
}

/** Tokens that Chatwoot has taken of late. */
const TAKEN_MAX = 10_000;
const TAKEN_FOR_MS = 10 * 60_000;

export class OwnCallers {
  readonly #options: OwnCallersOptions;
  readonly #taken: LRUCache<string, true>;
  /** Requests under way with tokens that Chatwoot has not taken, with their addresses, and how many each address has. */
  readonly #unjudged = new Map<FastifyRequest, string>();
  readonly #unjudgedOf = new Map<string, number>();

  constructor(options: OwnCallersOptions) {
    this.#options = options;
    this.#taken = new LRUCache({ max: TAKEN_MAX, ttl: TAKEN_FOR_MS, ttlResolution: 0, perf: options });
  }

  /** The reader with the token of its own that the request brings; null where it brings none. */
  readerOf(request: FastifyRequest): Reader | null {
    const brought = broughtToken(request.raw.rawHeaders);
    if (brought.kind !== 'own') return null;
    const isKey = this.#options.registries().some((registry) => registry.find(brought.own.token, -Infinity) !== null);
    return isKey ? null : readerWithOwnToken(brought.own);
  }

  /** The refusal that it is to get without Chatwoot being asked; undefined where it may go on. */
  refusal(request: FastifyRequest, { raw }: FastifyReply, own: OwnToken): BackscrollError | undefined {
    if (this.isTaken(own)) return undefined;
    const { limit, addressOf } = this.#options;
    const address = addressOf(request);
    const unjudged = this.#unjudgedOf.get(address) ?? 0;
    const waitMs = limit.waitMs(address, Date.now(), unjudged);
    if (waitMs > 0) return tooManyFailures(waitMs);
    this.#unjudged.set(request, address);
    this.#unjudgedOf.set(address, unjudged + 1);
    raw.once('close', () => {
      // Who leaves before it is judged has had Chatwoot asked all the same.
      if (this.#judged(request) && !raw.headersSent) limit.failed(address, Date.now());
    });
    return undefined;
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
    this.#judged(request);
    if (!this.isTaken(own)) this.#options.limit.failed(this.#options.addressOf(request), Date.now());
  }

  /** @returns whether it was not, until now. */
  #judged(request: FastifyRequest): boolean {
    const address = this.#unjudged.get(request);
    if (address === undefined) return false;
    this.#unjudged.delete(request);
    const others = (this.#unjudgedOf.get(address) ?? 0) - 1;
    if (others > 0) this.#unjudgedOf.set(address, others);
    else this.#unjudgedOf.delete(address);
    return true;
  }
}
