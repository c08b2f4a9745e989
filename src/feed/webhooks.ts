// Whether a webhook is Chatwoot's, and what it changes. It is signed with a secret of its account, or, where Chatwoot signs nothing
// (before 4.11.2), sent to a path that ends in one.

import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Change } from '../cache/changes.ts';
import { membersOf, type Members } from './json-members.ts';
import type { FeedObserver, WebhookRefusal } from './observer.ts';
import { EVENT_NAMES, translateWebhook } from './translate.ts';

/** What is known of a webhook before its body is read. */
export interface WebhookHead {
  readonly accountId: number;
  /** What its path ends in, where that is a secret. */
  readonly pathSecret: string | null;
  /** The headers X-Chatwoot-Timestamp, X-Chatwoot-Signature and X-Chatwoot-Delivery. */
  readonly timestamp: string;
  readonly signature: string;
  readonly delivery: string;
}

/** Null where it is taken. */
export type WebhookVerdict = WebhookRefusal | null;

export interface WebhooksOptions {
  /** WEBHOOK_SECRETS. */
  readonly secrets: ReadonlyMap<number, readonly string[]>;
  /** The wall clock, ms since the epoch. */
  readonly wallNow: () => number;
  readonly apply: (change: Change) => void;
  readonly observer: FeedObserver;
}

/** Chatwoot signs the moment at which it sends. */
const TIMESTAMP_TOLERANCE_MS = 5 * 60_000;
const DELIVERIES_MAX = 20_000;
const SIGNATURE = /^sha256=([0-9a-f]{64})$/i;

export class Webhooks {
  readonly #options: WebhooksOptions;
  /** Those taken lately. */
  readonly #deliveries = new LRUCache<string, true>({ max: DELIVERIES_MAX });

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** What speaks against it, as far as that can be told without its body. */
  judgeHead({ accountId, pathSecret, timestamp, signature }: WebhookHead): WebhookVerdict {
    const secrets = this.#options.secrets.get(accountId);
    if (pathSecret !== null) {
      if (secrets === undefined) return 'unknown';
      return secrets.some((secret) => areEqual(secret, pathSecret)) ? null : 'forged';
    }
    if (signature === '' || timestamp === '') return 'unsigned';
    if (!SIGNATURE.test(signature) || !/^\d{1,12}$/.test(timestamp)) return 'forged';
    if (Math.abs(this.#options.wallNow() - Number(timestamp) * 1000) > TIMESTAMP_TOLERANCE_MS) return 'late';
    return secrets === undefined ? 'unknown' : null;
  }

  /** What speaks against the sender of one whose head was not refused. */
  judgeBody(head: WebhookHead, body: Buffer): WebhookVerdict {
    return head.pathSecret !== null || this.#isSigned(head, body) ? null : 'forged';
  }

  /** Takes one that nothing spoke against: what it says has changed is due when this returns. */
  take({ accountId, pathSecret, signature, delivery }: WebhookHead, body: Buffer): WebhookVerdict {
    const deliveryName = pathSecret === null ? nameOf(accountId, delivery, signature) : null;
    if (deliveryName !== null && this.#deliveries.has(deliveryName)) return 'repeated';
    let event: Members;
    try {
      event = membersOf(JSON.parse(body.toString('utf8')));
    } catch {
      return 'garbage';
    }
    const { observer, apply } = this.#options;
    const name = typeof event['event'] === 'string' ? event['event'] : '';
    const shown = EVENT_NAMES.has(name) ? name : 'other';
    const translation = translateWebhook(accountId, event);
    if (translation.kind === 'foreign') {
      observer.event('webhook', shown, 'foreign');
      return 'foreign';
    }
    if (deliveryName !== null) this.#deliveries.set(deliveryName, true);
    if (translation.kind === 'changes') for (const change of translation.changes) apply(change);
    observer.event('webhook', shown, translation.kind === 'changes' ? 'applied' : translation.kind);
    return null;
  }

  #isSigned({ accountId, timestamp, signature }: WebhookHead, body: Buffer): boolean {
    const given = Buffer.from(SIGNATURE.exec(signature)?.[1] ?? '', 'hex');
    return (this.#options.secrets.get(accountId) ?? []).some((secret) => {
      const right = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
      return given.length === right.length && timingSafeEqual(given, right);
    });
  }
}

/** A delivery's own id, which stays the same when it is sent again; by its signature where there is none. */
function nameOf(accountId: number, delivery: string, signature: string): string {
  return `${accountId} ${/^[\w-]{1,64}$/.test(delivery) ? delivery : signature.toLowerCase()}`;
}

/** In a time that tells nothing of either. */
function areEqual(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}
