// What happens in Chatwoot: conversations with a past, and what people write, change and back-date during the trace.

import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import type { MessageDraft, MessageRow, MessageType } from '../../test/support/fake-chatwoot/message-row.ts';
import { isInternal } from '../../test/support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../../test/support/fake-chatwoot/message-table.ts';
import { Chance, Zipf } from './chance.ts';
import { Truth } from './truth.ts';
import type { VirtualTime } from './virtual-time.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const ACCOUNT = 1;

/** Issue 3, item 6. Where it leaves a number open, the number is chosen here. */
export const WORLD = {
  conversations: 1500,
  lengthMedian: 50,
  /** With 1,500 conversations the longest comes out near the cap. */
  lengthSigma: 1.4,
  lengthMax: 4000,
  messagesPerSecond: 1.2,
  /** Of the conversations' shares in new messages and readers. Length and rank have nothing to do with each other. */
  zipfExponent: 1,
  pastMs: 28 * DAY,
  /** People write in bursts: so many messages, so far apart (means). */
  burstMessages: 6,
  burstGapMs: 40 * SECOND,
  outgoingShare: 0.42,
  activityShare: 0.05,
  privateShare: 0.03,
  deliveredAfterMs: 2 * SECOND,
  readAfterMs: 2 * MINUTE,
  editShare: 0.01,
  /** Log-uniform. */
  editAfterMs: [10 * SECOND, 2 * HOUR],
  backdatedShare: 0.005,
  /** Log-uniform. */
  backdatedByMs: [MINUTE, 14 * DAY],
  lateShare: 0.01,
  /** Log-uniform. */
  lateByMs: [0.2 * SECOND, MINUTE],
  contentCharacters: [10, 200],
} as const;

/** A message that has just become visible. */
export type Commit = (row: MessageRow) => void;

/** A message that has just become visible, or has just changed. */
export type Told = (row: MessageRow, what: 'created' | 'updated') => void;

export class World {
  readonly truth = new Truth();
  /** Conversations by rank: the first gets the largest share of messages and readers. */
  readonly popularity: Zipf<number>;
  readonly lengths: readonly number[];
  readonly startAt: number;
  readonly envelope = { head: '', tail: ']}' };
  /** Who hears of every change. */
  readonly listeners: Told[] = [];
  readonly events = { messages: 0, statusChanges: 0, edits: 0, backdated: 0, late: 0 };
  readonly #time: VirtualTime;
  readonly #table: MessageTable;
  readonly #chance: Chance;
  readonly #rows = new WeakMap<MessageRow, Row>();
  #changed = new Set<number>();

  constructor(seed: number, time: VirtualTime) {
    this.#time = time;
    this.startAt = time.now;
    this.#chance = new Chance(seed, 0);
    this.#table = new MessageTable({ now: () => time.now });
    const ids = Array.from({ length: WORLD.conversations }, (_, at) => at + 1);
    for (const id of ids) this.#table.addConversation(ACCOUNT, id);
    this.envelope.head = `{"meta":${this.#table.metaJson(ACCOUNT, 1)},"payload":[`;
    this.popularity = new Zipf(this.#chance.shuffled(ids), WORLD.zipfExponent);
    this.lengths = ids.map(() =>
      Math.round(Math.min(WORLD.lengthMax, Math.max(1, this.#chance.logNormal(WORLD.lengthMedian, WORLD.lengthSigma)))),
    );
    this.#writePast(ids);
  }

  /** The rows that Chatwoot's finder answers now. */
  find(conversationId: number, query: Query): readonly Row[] {
    const params = query.mode === 'latest' ? { publicOnly: query.publicOnly } : query;
    return this.#table.find(ACCOUNT, conversationId, params).map((row) => this.#read(row));
  }

  /** Conversations changed since the last call. */
  takeChanged(): number[] {
    const changed = [...this.#changed];
    this.#changed = new Set();
    return changed;
  }

  /** Lets people write until `until`. `onIncoming` hears of customers' messages. */
  start(until: number, onIncoming: Commit): void {
    const next = (): void => {
      this.#time.at(this.#time.now + this.#chance.exponential(SECOND / WORLD.messagesPerSecond), () => {
        if (this.#time.now >= until) return;
        this.#write(onIncoming);
        next();
      });
    };
    next();
  }

  #write(onIncoming: Commit): void {
    const chance = this.#chance;
    const { now } = this.#time;
    const draft = this.#draft(this.popularity.choose(chance));
    const isBackdated = chance.happens(WORLD.backdatedShare);
    const backdatedByMs = isBackdated ? chance.logUniform(...WORLD.backdatedByMs) : 0;
    const lateByMs = chance.happens(WORLD.lateShare) ? chance.logUniform(...WORLD.lateByMs) : 0;
    const editAfterMs = chance.happens(WORLD.editShare) ? chance.logUniform(...WORLD.editAfterMs) : 0;
    this.events.messages++;
    if (isBackdated) this.events.backdated++;
    if (lateByMs > 0) this.events.late++;
    const open = this.#table.begin(isBackdated ? { ...draft, createdAtUs: Math.floor((now - backdatedByMs) * 1000) } : draft);
    const commit = (): void => {
      const row = this.#table.commit(open);
      this.#committed(row, now);
      if (row.messageType === 0) onIncoming(row);
      if (row.messageType === 1 && !row.private) {
        this.#editLater(row.id, WORLD.deliveredAfterMs * chance.uniform(0.5, 1.5), { status: 'delivered' });
        this.#editLater(row.id, WORLD.readAfterMs * chance.uniform(0.5, 1.5), { status: 'read' });
        this.events.statusChanges += 2;
      }
      if (editAfterMs > 0) {
        this.#editLater(row.id, editAfterMs, { content: `edited: ${draft.content ?? ''}` });
        this.events.edits++;
      }
    };
    if (lateByMs > 0) this.#time.at(now + lateByMs, commit);
    else commit();
  }

  #editLater(id: number, afterMs: number, change: { status: string } | { content: string }): void {
    this.#time.at(this.#time.now + afterMs, () => {
      const row = this.#table.edit(id, change);
      this.truth.edited(id, this.#read(row).raw, this.#time.now);
      for (const tell of this.listeners) tell(row, 'updated');
      this.#changed.add(row.conversationId);
    });
  }

  #committed(row: MessageRow, handedOutAt: number): void {
    this.truth.committed(row, this.#read(row).raw, { handedOutAt, at: this.#time.now });
    this.#changed.add(row.conversationId);
    for (const tell of this.listeners) tell(row, 'created');
  }

  /** All past messages, their ids in the order in which they were written. */
  #writePast(conversations: readonly number[]): void {
    const chance = this.#chance;
    const { now } = this.#time;
    const written: { readonly at: number; readonly conversationId: number }[] = [];
    for (const conversationId of conversations) {
      const startedAt = now - chance.uniform(0, WORLD.pastMs);
      for (let left = this.lengths[conversationId - 1]!; left > 0;) {
        let at = chance.uniform(startedAt, now);
        for (let n = chance.geometric(WORLD.burstMessages); n > 0 && left > 0 && at < now; n--, left--) {
          written.push({ at, conversationId });
          at += chance.exponential(WORLD.burstGapMs);
        }
      }
    }
    for (const { at, conversationId } of written.toSorted((a, b) => a.at - b.at)) {
      const row = this.#table.insert({ ...this.#draft(conversationId), createdAtUs: Math.floor(at * 1000), status: 'read' });
      this.truth.committed(row, this.#read(row).raw, { handedOutAt: at, at });
    }
  }

  #draft(conversationId: number): MessageDraft {
    const chance = this.#chance;
    const kind = chance.uniform(0, 1);
    const isActivity = kind < WORLD.activityShare;
    const isPrivate = !isActivity && kind < WORLD.activityShare + WORLD.privateShare;
    const isOutgoing = !isActivity && kind < WORLD.activityShare + WORLD.privateShare + WORLD.outgoingShare;
    const messageType: MessageType = isActivity ? 2 : isOutgoing ? 1 : 0;
    const characters = Math.floor(chance.uniform(...WORLD.contentCharacters));
    return { accountId: ACCOUNT, conversationId, messageType, private: isPrivate, content: TEXT.slice(0, characters) };
  }

  /** A row as it comes out of an answer. One object per version, so that the policies share their memory. */
  #read(row: MessageRow): Row {
    let read = this.#rows.get(row);
    if (read === undefined) {
      const raw = Buffer.from(row.json).toString('latin1');
      read = { id: row.id, createdAt: Math.floor(row.createdAtUs / 1e6), internal: isInternal(row), raw };
      this.#rows.set(row, read);
    }
    return read;
  }
}

const TEXT = 'Grüezi, thank you for writing. We have looked into it and will send the parcel again tomorrow. '.repeat(3);
