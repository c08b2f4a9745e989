// The fake's account webhooks: one attempt each, in the order of the events, signed as from 4.11.2 on or not at all (contract 7).

import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Delivery } from './delivery.ts';
import { railsJson } from './rails-json.ts';

/** One registered webhook. */
export interface FakeWebhook {
  readonly id: number;
  readonly accountId: number;
  readonly url: string;
  readonly subscriptions: readonly string[];
  /** What it signs with; undefined for a Chatwoot that signs nothing. */
  readonly secret: string | undefined;
}

/** What became of a POST. */
export interface Delivered {
  readonly event: string;
  readonly status: number | 'failed';
}

/** What Chatwoot takes; it knows more, but none about deletions. */
export const WEBHOOK_EVENTS: readonly string[] = [
  'conversation_status_changed',
  'conversation_updated',
  'conversation_created',
  'contact_created',
  'contact_updated',
  'message_created',
  'message_updated',
  'webwidget_triggered',
];
const TIMEOUT_MS = 5000;

export class FakeWebhooks {
  readonly delivery = new Delivery();
  readonly delivered: Delivered[] = [];
  /** Whether new ones get a secret. */
  signs = true;
  readonly #registered: FakeWebhook[] = [];
  readonly #now: () => number;
  /** The POSTs so far, one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(now: () => number) {
    this.#now = now;
  }

  get isEmpty(): boolean {
    return this.#registered.length === 0;
  }

  register(accountId: number, url: string, subscriptions: readonly string[] = WEBHOOK_EVENTS): FakeWebhook {
    const secret = this.signs ? randomBytes(18).toString('base64url') : undefined;
    const webhook = { id: this.#registered.length + 1, accountId, url, subscriptions, secret };
    this.#registered.push(webhook);
    return webhook;
  }

  /** Gives one another URL. */
  move(accountId: number, id: number, url: string): FakeWebhook | undefined {
    const at = this.#registered.findIndex((webhook) => webhook.accountId === accountId && webhook.id === id);
    const old = this.#registered[at];
    if (old === undefined) return undefined;
    return (this.#registered[at] = { ...old, url });
  }

  get registered(): readonly FakeWebhook[] {
    return this.#registered;
  }

  isRegistered(accountId: number, url: string): boolean {
    return this.#registered.some((webhook) => webhook.accountId === accountId && webhook.url === url);
  }

  send(accountId: number, body: { readonly event: string }): void {
    for (const webhook of this.#registered) {
      if (webhook.accountId !== accountId || !webhook.subscriptions.includes(body.event)) continue;
      this.delivery.pass(body.event, () => {
        this.#queue = this.#queue.then(() => this.#post(webhook, body));
      });
    }
  }

  /** Resolves when everything that was sent so far has been answered. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  async #post({ url, secret }: FakeWebhook, json: { readonly event: string }): Promise<void> {
    const body = railsJson(json);
    const timestamp = String(Math.floor(this.#now() / 1000));
    const signed = secret === undefined ? {} : signature(secret, timestamp, body);
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...signed };
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
      await answer.arrayBuffer();
      this.delivered.push({ event: json.event, status: answer.status });
    } catch {
      this.delivered.push({ event: json.event, status: 'failed' });
    }
  }
}

/** The headers that Chatwoot signs a webhook with (contract 7.3). */
export function signature(
  secret: string,
  timestamp: string,
  body: string,
  delivery: string = randomUUID(),
): Record<string, string> {
  return {
    'X-Chatwoot-Timestamp': timestamp,
    'X-Chatwoot-Signature': `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`,
    'X-Chatwoot-Delivery': delivery,
  };
}
