// Reads that no caller waits for: they refresh what was shown past its freshness, seal history that is being walked, and
// check a sample of proved answers.

import type { OwnToken } from '../upstream/own-token.ts';
import type { Query } from '../timeline/query.ts';
import { planFill } from '../timeline/plan/fill.ts';
import { noteStale, planRefresh } from '../timeline/plan/refresh.ts';
import { planWitness } from '../timeline/plan/witness.ts';
import type { Proof } from '../timeline/prove.ts';
import { highestId, settledTop } from '../timeline/prove.ts';
import type { Row } from '../timeline/reading.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { Behind } from './behind.ts';
import type { Library } from './library.ts';
import { conversationKey } from './memory-store.ts';
import type { CacheObserver, ReadReason, RowList } from './observer.ts';
import type { SharedReads } from './shared-reads.ts';
import { Shadow } from './shadow.ts';

export interface ReadBehindOptions {
  readonly library: Library;
  /** What other processes read; null where there are none. */
  readonly shared: SharedReads | null;
  readonly observer: CacheObserver;
  /** Share of proved answers that are compared with upstream's own, 0 to 1. */
  readonly shadowRate: number;
  readonly random: () => number;
}

/** Conversations read behind answers at once. */
const RUNNING_MAX = 4;
const WAITING_MAX = 1000;
/** Reads that one seal may take in a row; a walk that goes on asks again. */
export const SEAL_READS_MAX = 4;

const LATEST: Query = { mode: 'latest', publicOnly: false };

export class ReadBehind {
  readonly #library: Library;
  readonly #shared: SharedReads | null;
  readonly #observer: CacheObserver;
  readonly #behind: Behind;
  readonly #shadow: Shadow;
  /** The reads that have their turn at Chatwoot, by conversation. */
  readonly #reading = new Map<string, Promise<void>>();

  constructor({ library, shared, observer, shadowRate, random }: ReadBehindOptions) {
    this.#library = library;
    this.#shared = shared;
    this.#observer = observer;
    this.#shadow = new Shadow({ rate: shadowRate, random });
    this.#behind = new Behind({
      runningMax: RUNNING_MAX,
      waitingMax: WAITING_MAX,
      onFailure: (error) => observer.behindFailed(error),
    });
  }

  /** Jobs that run or wait. */
  get size(): number {
    return this.#behind.size;
  }

  /** The end of the read of a conversation that Chatwoot is answering just now, or undefined. Never rejects. */
  reading(conversation: ConversationId): Promise<void> | undefined {
    return this.#reading.get(conversationKey(conversation));
  }

  /** After a proved answer: has read again what is due, and reads ahead of a walk. @returns whether there was nothing to do */
  after(conversation: ConversationId, query: Query, proof: Proof): boolean {
    let isDone = false;
    this.#plan(() => (isDone = !this.#readAgainOrAhead(conversation, query, proof)));
    return isDone;
  }

  /** Whether it reads. */
  #readAgainOrAhead(conversation: ConversationId, query: Query, proof: Proof): boolean {
    const exact = this.#library.isExact(conversation);
    const history = proof.refresh.history && this.#isWorthRefreshing(conversation);
    const { meta } = proof.refresh;
    if (!history && !meta && (exact || this.#library.nextSeal(conversation, query) === null)) return false;
    this.#behind.offer(conversationKey(conversation), (signal) =>
      this.#forAll(conversation, async () => {
        if (exact) {
          await this.#read(conversation, query, 'refresh', signal);
          return;
        }
        // Others may have done it.
        const { history: isOld, meta: isMetaOld } =
          this.#shared === null ? proof.refresh : this.#dueBehind(conversation, query, proof);
        if (history && isOld) await this.#refresh(conversation, signal);
        else if (isMetaOld) await this.#refreshMeta(conversation, signal);
        await this.#seal(conversation, query, signal);
      }),
    );
    return true;
  }

  /** Reads what all processes want to be read, unless another one does. */
  async #forAll(conversation: ConversationId, read: () => Promise<void>): Promise<void> {
    if (this.#shared === null) return read();
    const { reads, end } = await this.#shared.behind(conversation);
    try {
      if (reads) await read();
    } finally {
      end();
    }
  }

  #dueBehind(conversation: ConversationId, query: Query, proof: Proof): Proof['refresh'] {
    const found = this.#library.prove(conversation, query);
    return found.proved ? found.refresh : proof.refresh;
  }

  /** After a forwarded page: has read what tells how long it stays true. */
  afterForwarded(conversation: ConversationId, query: Query): void {
    this.#plan(() => {
      if (this.#library.isExact(conversation)) return;
      const witness = planWitness(this.#library.get(conversation).timeline, query);
      if (witness === null) return;
      this.#behind.offer(conversationKey(conversation), (signal) =>
        this.#forAll(conversation, () => this.#read(conversation, witness, 'seal', signal)),
      );
    });
  }

  /** After a change: has read what the newest page lacks, so that the next reader finds it. */
  probe(conversation: ConversationId): void {
    if (this.#library.isExact(conversation)) return;
    this.#behind.offer(`${conversationKey(conversation)} probe`, (signal) =>
      this.#forAll(conversation, async () => {
        const found = this.#library.prove(conversation, LATEST);
        if (found.proved) return;
        const { timeline, due } = this.#library.get(conversation);
        const fill = planFill(timeline, LATEST, found, {
          ...this.#library.planContext,
          due,
          isFed: this.#library.isFed(conversation),
        });
        await this.#read(conversation, fill ?? LATEST, 'probe', signal);
      }),
    );
  }

  /** Compares a sample of proved answers with upstream's own, as it gives them to the token of who was answered. */
  check(conversation: ConversationId, query: Query, proof: Proof, own?: OwnToken): void {
    if (this.#shadow.isDue()) this.#plan(() => this.#compare(conversation, query, proof, own));
  }

  #compare(conversation: ConversationId, query: Query, proof: Proof, own?: OwnToken): void {
    if (this.#library.isExact(conversation)) return;
    const tailFrom = settledTop(this.#library.get(conversation).timeline, query.publicOnly);
    this.#behind.offer(`${conversationKey(conversation)} shadow`, async (signal) => {
      const rowsOf = async (asked: Query): Promise<readonly Row[]> => {
        const { result } = this.#library.read(conversation, asked, {
          reason: 'shadow',
          priority: 'behind',
          own,
          asOf: this.#library.now,
          signal,
        });
        const { answer } = await result;
        return answer.kind === 'reading' ? answer.reading.rows : answer.answer.rows;
      };
      const isThere = async (id: number): Promise<boolean> => {
        const rows = await rowsOf({ mode: 'between', after: id, before: id + 1, publicOnly: query.publicOnly });
        return rows.length > 0;
      };
      const read = await rowsOf(query);
      const confirmed = await this.#shadow.confirms(query, proof.rows, read, tailFrom, isThere);
      this.#observer.shadowed(confirmed ? null : { conversation, query, proved: rowList(proof.rows), read: rowList(read) });
      if (!confirmed) this.#distrust(conversation);
    });
  }

  #distrust(conversation: ConversationId): void {
    const distrust = this.#shadow.differed(conversationKey(conversation), this.#library.now);
    if (distrust === 'nothing') return;
    if (distrust === 'all') this.#library.giveUpProofs();
    else this.#library.giveUpProofsOf(conversation);
    this.#observer.fellBackToExact(distrust === 'all' ? null : conversation);
  }

  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void> {
    return this.#behind.idle();
  }

  /** Ends all jobs and takes no more. */
  close(): Promise<void> {
    return this.#behind.close();
  }

  /** The answer is there already: a mistake in what is planned beside it is told, and is not the caller's. */
  #plan(plan: () => void): void {
    try {
      plan();
    } catch (error) {
      this.#observer.behindFailed(error);
    }
  }

  #isWorthRefreshing(conversation: ConversationId): boolean {
    const { walk, refresh } = noteStale(this.#library.get(conversation).walk, this.#library.now);
    this.#library.setWalk(conversation, walk);
    return refresh;
  }

  async #refresh(conversation: ConversationId, signal: AbortSignal): Promise<void> {
    const { timeline } = this.#library.get(conversation);
    for (const read of planRefresh(timeline, this.#library.planContext)) {
      await this.#read(conversation, read, 'refresh', signal);
    }
  }

  async #refreshMeta(conversation: ConversationId, signal: AbortSignal): Promise<void> {
    const after = Math.max(0, highestId(this.#library.get(conversation).timeline));
    const least: Query = { mode: 'after', after, publicOnly: false };
    await this.#read(conversation, this.#library.isNewestDue(conversation, LATEST) ? LATEST : least, 'meta', signal);
  }

  async #seal(conversation: ConversationId, query: Query, signal: AbortSignal): Promise<void> {
    for (let step = 0; step < SEAL_READS_MAX; step++) {
      const read = this.#library.nextSeal(conversation, query);
      if (read === null) return;
      await this.#tracked(conversation, (onTurn) =>
        this.#library.seal(conversation, read, { priority: 'behind', onTurn, signal }),
      );
    }
  }

  async #read(conversation: ConversationId, query: Query, reason: ReadReason, signal: AbortSignal): Promise<void> {
    await this.#tracked(
      conversation,
      (onTurn) => this.#library.read(conversation, query, { reason, priority: 'behind', onTurn, signal }).result,
    );
  }

  /** Callers may wait for the read while Chatwoot answers it, until it is learnt; not while it waits, be it to be sent again. */
  async #tracked(
    conversation: ConversationId,
    read: (onTurn: (exchange: Promise<unknown>) => void) => Promise<unknown>,
  ): Promise<void> {
    const key = conversationKey(conversation);
    const leave = (): void => void this.#reading.delete(key);
    const done = Promise.resolve().then(() =>
      read((exchange) => {
        this.#reading.set(
          key,
          exchange.then(() => ended, leave),
        );
      }),
    );
    const ended = done.then(leave, leave);
    await done;
  }
}

function rowList(rows: readonly Row[]): RowList {
  return rows.map(({ id, createdAt }) => ({ id, createdAt }));
}
