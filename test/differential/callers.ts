// Callers: walks, polls and questions at random, by readers of every kind, one after the other.

import { createHash } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Pool } from 'undici';
import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import { CANARY } from '../support/canary.ts';
import type { Chance } from './chance.ts';
import type { Observation, View } from './judge.ts';
import { flawOf, plainOf, readPage } from './page.ts';
import type { World } from './world.ts';
import { ACCOUNT } from './world.ts';

/** Who asks, and what that permits. */
export interface Persona {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly view: View;
  readonly mayBypass: boolean;
  readonly conversations: '*' | readonly number[];
}

export interface Asked {
  readonly persona: string;
  readonly conversation: number;
  readonly target: string;
  readonly method: string;
  /** What beside the credential was sent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cacheStatus: string;
  readonly observation: Observation;
  /** What is wrong with the answer whatever Chatwoot could have said. */
  readonly flaw: string | undefined;
}

const SECRET = 'a-secret-of-the-differential-run-of-at-least-32-bytes';
const KEYS = { agent: 'bsk_key-of-the-agent', customer: 'bsk_key-of-the-customer', bypass: 'bsk_key-of-the-bypassing' };

/** The clients file and the secret that the personas' credentials belong to. */
export const CLIENTS_FILE = JSON.stringify({
  clients: [
    { name: 'agent', scope: '*', keys: [keyEntry(KEYS.agent)] },
    { name: 'customer', scope: '*', view: 'customer', keys: [keyEntry(KEYS.customer)] },
    { name: 'bypass', scope: '*', mayBypass: true, keys: [keyEntry(KEYS.bypass)] },
  ],
});
export const CLIENTS_SECRET = SECRET;

function keyEntry(key: string): { readonly sha256: string } {
  return { sha256: createHash('sha256').update(key).digest('hex') };
}

/** Readers of both views; one that may bypass the cache; one whose token covers three conversations. */
export async function personas(): Promise<readonly Persona[]> {
  const conversations = [1, 3, 5];
  const token = await new SignJWT({ account: ACCOUNT, conversations, view: 'customer', sub: 'visitor' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('2h')
    .sign(Buffer.from(SECRET));
  const key = (value: string) => ({ api_access_token: value });
  return [
    { name: 'agent', headers: key(KEYS.agent), view: 'agent', mayBypass: false, conversations: '*' },
    { name: 'customer', headers: key(KEYS.customer), view: 'customer', mayBypass: false, conversations: '*' },
    { name: 'bypass', headers: key(KEYS.bypass), view: 'agent', mayBypass: true, conversations: '*' },
    { name: 'visitor', headers: { authorization: `Bearer ${token}` }, view: 'customer', mayBypass: false, conversations },
  ];
}

/** A cursor beyond every id, one of the largest that are taken, and one below every id. */
const ODD_CURSORS = [0, 1, 5_000_000, Number.MAX_SAFE_INTEGER];
const MISSING_CONVERSATION = 4_711;
const PAGES_KEPT = 200;
/** Most do not say what they accept. */
const ACCEPTED = [{}, {}, {}, { 'accept-encoding': 'gzip' }, { 'accept-encoding': 'gzip, deflate, br' }];

export interface CallerOptions {
  readonly world: World;
  readonly pool: Pool;
  readonly persona: Persona;
  readonly chance: Chance;
  readonly now: () => number;
}

type Page = NonNullable<Observation['page']>;

export class Caller {
  readonly #options: CallerOptions;
  /** What to ask next, in the course of a walk or a poll. */
  #next: FinderParams | null = null;
  #activity: 'backwards' | 'forwards' | 'polling' | 'at random' = 'at random';
  #left = 0;
  #conversation = 1;
  #publicOnly = false;
  /** Pages by their ETags, to know what a 304 or a HEAD stands for. */
  readonly #pages = new Map<string, Page>();
  readonly #etags = new Map<string, string>();

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Asks the next question and returns what came. @throws where no answer comes at all. */
  async ask(): Promise<Asked> {
    const { chance, persona, pool, now } = this.#options;
    if (this.#left-- <= 0) this.#begin();
    const query = this.#next ?? this.#anything();
    const target = `/api/v1/accounts/${ACCOUNT}/conversations/${this.#conversation}/messages${searchOf(query, chance)}`;
    const method = chance.isTrue(0.05) ? 'HEAD' : 'GET';
    const demands = chance.isTrue(0.12);
    const etag = chance.isTrue(0.3) ? this.#etags.get(target) : undefined;
    const headers = {
      ...(demands ? { 'cache-control': chance.pick(['no-cache', 'max-age=0']) } : {}),
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
      ...chance.pick(ACCEPTED),
    };
    const sentAt = now();
    const answer = await pool.request({ method, path: target, headers: { ...persona.headers, ...headers } });
    const sent = Buffer.from(await answer.body.arrayBuffer());
    const receivedAt = now();
    const header = (name: string): string | undefined => {
      const value = answer.headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    const { statusCode: status } = answer;
    const { body, etag: told } = plainOf({ body: sent, etag: header('etag'), coding: header('content-encoding') });
    const text = body.toString();
    const page = this.#pageOf(status, method, told, text);
    const cacheStatus = header('cache-status') ?? '';
    this.#follow(page);
    if (told !== undefined) this.#etags.set(target, header('etag')!);
    return {
      persona: persona.name,
      conversation: this.#conversation,
      target,
      method,
      headers,
      cacheStatus,
      flaw:
        flawOf({ status, method, body, etag: status === 304 ? header('etag') : told, ifNoneMatch: etag }) ??
        (text.includes(CANARY) ? 'the token is in it' : undefined),
      observation: {
        sentAt,
        receivedAt,
        query: persona.view === 'customer' ? { ...query, publicOnly: true } : query,
        view: persona.view,
        demand: !demands ? 'whatever is fresh' : persona.mayBypass ? 'bypass' : 'as of now',
        inScope: persona.conversations === '*' || persona.conversations.includes(this.#conversation),
        status,
        code: status >= 400 && method !== 'HEAD' ? codeOf(text) : codeOfStatus(status),
        isStale: cacheStatus.includes('fwd=stale'),
        ageS: header('age') === undefined ? undefined : Number(header('age')),
        page: page ?? undefined,
      },
    };
  }

  #begin(): void {
    const { chance, world, persona } = this.#options;
    const known = persona.conversations !== '*' && chance.isTrue(0.9) ? persona.conversations : world.ids;
    this.#conversation = chance.isTrue(0.02) ? MISSING_CONVERSATION : chance.pick(known);
    this.#publicOnly = chance.isTrue(0.3);
    this.#activity = chance.pick(['backwards', 'forwards', 'polling', 'at random']);
    this.#left = chance.whole(2, 8);
    const ids = world.rows(this.#conversation).map(({ id }) => id);
    const newest = ids.length === 0 ? 0 : Math.max(...ids);
    switch (this.#activity) {
      case 'backwards':
        this.#next = this.#with(chance.isTrue(0.5) ? {} : { before: this.#cursor() });
        return;
      case 'forwards':
        this.#next = this.#with({ after: chance.isTrue(0.5) ? 0 : this.#cursor() });
        return;
      case 'polling':
        this.#next = this.#with(chance.isTrue(0.5) ? {} : { after: newest });
        return;
      case 'at random':
        this.#next = null;
    }
  }

  /** The question that follows from the page, as clients make it. */
  #follow(page: Page | null): void {
    const ids = page?.rows.map((row) => Number(/^\{"id":(\d+)/.exec(row)?.[1])) ?? [];
    if (ids.length === 0) return;
    if (this.#activity === 'backwards') this.#next = this.#with({ before: Math.min(...ids) });
    if (this.#activity === 'forwards') this.#next = this.#with({ after: Math.max(...ids) });
    if (this.#activity === 'polling' && this.#next?.after !== undefined) this.#next = this.#with({ after: Math.max(...ids) });
  }

  #anything(): FinderParams {
    const { chance } = this.#options;
    switch (chance.whole(0, 3)) {
      case 0:
        return this.#with({});
      case 1:
        return this.#with({ before: this.#cursor() });
      case 2:
        return this.#with({ after: this.#cursor() });
      default: {
        const after = this.#cursor();
        return this.#with({ after, before: chance.isTrue(0.5) ? this.#cursor() : after + chance.whole(0, 400) });
      }
    }
  }

  #with(cursors: FinderParams): FinderParams {
    return this.#publicOnly ? { ...cursors, publicOnly: true } : cursors;
  }

  /** The id of a row, one beside it, or one that is odd. */
  #cursor(): number {
    const { chance, world } = this.#options;
    const rows = world.rows(this.#conversation);
    if (rows.length === 0 || chance.isTrue(0.06)) return chance.pick(ODD_CURSORS);
    const row = rows[rows.length - 1 - Math.floor(chance.next() ** 2 * rows.length)]!;
    return Math.max(0, row.id + chance.pick([0, 0, 0, 1, -1, chance.whole(-60, 60)]));
  }

  #pageOf(status: number, method: string, etag: string | undefined, text: string): Page | null {
    if (status === 200 && method === 'GET') {
      const page = readPage(text);
      if (page !== null && etag !== undefined) {
        this.#pages.set(etag, page);
        for (const oldest of this.#pages.keys()) {
          if (this.#pages.size <= PAGES_KEPT) break;
          this.#pages.delete(oldest);
        }
      }
      return page;
    }
    return (status === 200 || status === 304) && etag !== undefined ? (this.#pages.get(etag) ?? null) : null;
  }
}

function searchOf({ before, after, publicOnly }: FinderParams, chance: Chance): string {
  const parts = [
    ...(after === undefined ? [] : [`after=${after}`]),
    ...(before === undefined ? [] : [`before=${before}`]),
    ...(publicOnly === true ? [`filter_internal_messages=${chance.pick(['true', '1', 'false'])}`] : []),
  ];
  const shuffled = chance.isTrue(0.5) ? parts : parts.toReversed();
  return shuffled.length === 0 ? '' : `?${shuffled.join('&')}`;
}

function codeOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { readonly code?: string }).code;
  } catch {
    return undefined;
  }
}

/** The one that a HEAD most likely stands for. */
function codeOfStatus(status: number): string | undefined {
  if (status < 400) return undefined;
  return { 404: 'not_found', 429: 'upstream_busy', 502: 'upstream_error', 503: 'overloaded', 504: 'upstream_timeout' }[status];
}
