// Messages for who brings a Chatwoot token of its own: the rows are those that the cache knows for all, shown to whom Chatwoot has shown
// this very conversation within the last seconds, with that token. Without that there is no row, however much is known.

import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { endsKnowledge } from '../cache/read-errors.ts';
import type { Answer, Demand, ReadThrough } from '../cache/read-through.ts';
import type { OwnToken } from '../upstream/own-token.ts';
import { BackscrollError } from '../errors.ts';
import type { Query } from '../timeline/query.ts';
import { startDeadline } from '../upstream/deadline.ts';
import { OwnTokenRefused } from '../upstream/own-token-refused.ts';
import type { ConversationId, TimestampQuery } from '../upstream/upstream.ts';
import type { OwnCallers } from './own-callers.ts';
import type { Permissions } from './permissions.ts';

/** How a conversation came to be shown: known to be allowed, asked about and allowed, or refused. */
export type Permitted = 'live' | 'asked' | 'refused';
export const PERMITTED: readonly Permitted[] = ['live', 'asked', 'refused'];

export interface OwnMessagesOptions {
  readonly readThrough: ReadThrough;
  readonly permissions: Permissions;
  readonly callers: OwnCallers;
  /** The engine's clock, ms. */
  readonly now: () => number;
  /** The longest that one caller waits, ms. */
  readonly answerTimeoutMs: number;
  readonly onPermitted: (how: Permitted) => void;
}

/** Who asks for what. */
interface Asked {
  readonly own: OwnToken;
  readonly conversation: ConversationId;
  readonly query: Query | TimestampQuery;
  readonly demand: Demand;
}

/** Conversations that this server's own token may not read: for a while nobody tries. */
const UNREADABLE_MAX = 10_000;
const UNREADABLE_FOR_MS = 60_000;

export class OwnMessages {
  readonly #options: OwnMessagesOptions;
  readonly #unreadable: LRUCache<string, true>;

  constructor(options: OwnMessagesOptions) {
    this.#options = options;
    this.#unreadable = new LRUCache({ max: UNREADABLE_MAX, ttl: UNREADABLE_FOR_MS, ttlResolution: 0, perf: options });
  }

  /** @throws BackscrollError, OwnTokenRefused */
  async answer(request: FastifyRequest, own: OwnToken, { conversation, query, demand }: Omit<Asked, 'own'>): Promise<Answer> {
    const { callers, now, answerTimeoutMs, onPermitted } = this.#options;
    const deadline = startDeadline(answerTimeoutMs, demand.signal?.());
    const timed = { ...demand, cameAt: now(), own, signal: () => deadline.signal };
    try {
      return await this.#answer({ own, conversation, query, demand: timed });
    } catch (error) {
      if (error instanceof OwnTokenRefused) onPermitted('refused');
      if (error instanceof OwnTokenRefused && error.status === 401) callers.refused(request, own);
      throw error;
    } finally {
      deadline.clear();
    }
  }

  async #answer(asked: Asked): Promise<Answer> {
    const { permissions, onPermitted } = this.#options;
    const { own, conversation } = asked;
    if (permissions.isLive(own, conversation)) onPermitted('live');
    else {
      const answer = await this.#ask(asked);
      if (answer !== null) return answer;
    }
    const page = await this.#page(asked);
    if (permissions.isLive(own, conversation)) return page;
    // Its rows have taken their time.
    return (await this.#ask(asked)) ?? page;
  }

  /** Asks Chatwoot with this token. @returns the page, where it follows by now. */
  async #ask({ own, conversation, query, demand }: Asked): Promise<Answer | null> {
    const { readThrough, permissions, callers, onPermitted } = this.#options;
    try {
      const { askedAt, answer } = await readThrough.readWith(own, conversation, query, demand);
      permissions.shown(own, conversation, askedAt);
      callers.taken(own);
      onPermitted('asked');
      return answer;
    } catch (error) {
      if (error instanceof OwnTokenRefused) permissions.end(own, conversation);
      throw error;
    }
  }

  async #page(asked: Asked): Promise<Answer> {
    const { conversation, query, demand } = asked;
    const key = `${conversation.accountId}/${conversation.conversationId}`;
    let refusal = new BackscrollError(
      'upstream_forbidden',
      'Chatwoot does not let the user of this server read this conversation',
    );
    if (!this.#unreadable.has(key)) {
      try {
        return await this.#options.readThrough.answer(conversation, query, demand);
      } catch (error) {
        if (!endsKnowledge(error)) throw error;
        refusal = error;
        this.#unreadable.set(key, true);
      }
    }
    const answer = await this.#ask(asked);
    if (answer === null) throw refusal;
    return answer;
  }
}
