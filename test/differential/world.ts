// The fake's table with a memory: every write is done here, and noted with its moment.

import type { JsonObject } from '../support/fake-chatwoot/rails-json.ts';
import { contactJson, defaultMeta } from '../support/fake-chatwoot/conversation-meta.ts';
import type { MessageDraft, MessageRow } from '../support/fake-chatwoot/message-row.ts';
import { isInternal } from '../support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../support/fake-chatwoot/message-table.ts';
import type { OpenInsert } from '../support/fake-chatwoot/message-table.ts';
import type { TieOrder } from '../support/fake-chatwoot/finder.ts';
import { customerMeta, customerRow } from './customer-json.ts';
import type { KnownVersion, Life, Past, Version } from './past.ts';

type Open<T> = { -readonly [key in keyof T]: T[key] };

/** The one account of this world. */
export const ACCOUNT = 1;

/** Created_at is cut to seconds and taken a little before the id is. */
const BACK_DATED_US = 2_000_000;
const WRITES_TOLD = 40;

/** A row that has its id and is not committed yet. */
export interface Pending {
  readonly open: OpenInsert;
  readonly handedOutAt: number;
  readonly belated: boolean;
}

class Conversation implements Past {
  readonly existed: Open<{ from: number; until: number }>[] = [];
  readonly metas: Open<Version>[] = [];
  readonly lives: Open<Life>[] = [];
  /** The latest life under each id, with the version that stands. */
  readonly current = new Map<number, { life: Open<Life>; version: Open<Version> }>();
  readonly writes: string[] = [];
  readonly #byText = { agent: new Map<string, KnownVersion>(), customer: new Map<string, KnownVersion>() };

  find(view: 'agent' | 'customer', text: string): KnownVersion | undefined {
    return this.#byText[view].get(text);
  }

  add(life: Open<Life>, json: string, from: number): Open<Version> {
    const version = { agent: json, customer: life.internal ? '' : customerRow(json), from, until: Infinity };
    this.#byText.agent.set(version.agent, { life, version });
    if (!life.internal) this.#byText.customer.set(version.customer, { life, version });
    return version;
  }
}

export class World {
  readonly table: MessageTable;
  readonly #now: () => number;
  readonly startedAt: number;
  readonly #conversations = new Map<number, Conversation>();
  #highest = 0;

  constructor(options: { readonly now: () => number; readonly ties: TieOrder; readonly firstId: number }) {
    this.table = new MessageTable(options);
    this.#now = options.now;
    this.startedAt = options.now();
  }

  /** Conversations that are there, or were. */
  get ids(): readonly number[] {
    return [...this.#conversations.keys()];
  }

  /** What is to be known of a conversation; of one that never was, too. */
  past(conversation: number): Past {
    return this.#conversations.get(conversation) ?? NOTHING;
  }

  /** The latest writes of a conversation, each with the seconds since the start. */
  writes(conversation: number): readonly string[] {
    return this.#conversations.get(conversation)?.writes.slice(-WRITES_TOLD) ?? [];
  }

  isThere(conversation: number): boolean {
    return this.table.hasConversation(ACCOUNT, conversation);
  }

  rows(conversation: number): readonly MessageRow[] {
    return this.isThere(conversation) ? this.table.rows(ACCOUNT, conversation) : [];
  }

  addConversation(id: number): void {
    this.table.addConversation(ACCOUNT, id, {
      ...defaultMeta(id),
      contact: contactJson({ id, name: `Contact ${id}`, email: `contact-${id}@example.test` }),
    });
    const conversation = this.#of(id);
    conversation.existed.push({ from: this.#now(), until: Infinity });
    this.#noteMeta(id, conversation);
    this.#note(id, 'added');
  }

  removeConversation(id: number): void {
    const conversation = this.#of(id);
    const at = this.#now();
    for (const row of this.rows(id)) this.#end(conversation, row.id, at);
    this.table.removeConversation(ACCOUNT, id);
    conversation.existed.at(-1)!.until = at;
    conversation.metas.at(-1)!.until = at;
    this.#note(id, 'removed');
  }

  /** Adds a row that has been there since before anybody looked. */
  addOld(draft: MessageDraft & { readonly createdAtUs: number }): void {
    const row = this.table.insert(draft);
    this.#show(row, { handedOutAt: draft.createdAtUs / 1000, from: -Infinity, belated: false });
  }

  begin(draft: MessageDraft): Pending {
    const open = this.table.begin(draft);
    const belated = open.id < this.#highest;
    this.#highest = Math.max(this.#highest, open.id);
    return { open, handedOutAt: this.#now(), belated };
  }

  commit(pending: Pending): MessageRow {
    const row = this.table.commit(pending.open);
    this.#show(row, { ...pending, from: this.#now() });
    const lateMs = this.#now() - pending.handedOutAt;
    const backMs = pending.handedOutAt - row.createdAtUs / 1000;
    const late = lateMs < 2 ? '' : `, ${lateMs.toFixed(0)} ms after its id was given out`;
    const back = Math.abs(backMs) < 2 ? '' : `, created_at ${backMs.toFixed(0)} ms before that`;
    this.#note(
      row.conversationId,
      `committed ${row.id}${late}${back}${row.private || row.messageType === 2 ? ', internal' : ''}`,
    );
    return row;
  }

  insert(draft: MessageDraft): MessageRow {
    return this.commit(this.begin(draft));
  }

  /** Rows of one conversation, one after the other, as a burst of messages or an import brings them. */
  insertAll(drafts: readonly MessageDraft[]): void {
    const conversation = this.#of(drafts[0]!.conversationId);
    const noted = conversation.writes.length;
    const ids = drafts.map((draft) => this.insert(draft).id);
    conversation.writes.splice(noted);
    this.#note(drafts[0]!.conversationId, `committed ${ids.length} rows at once, ${ids[0]} to ${ids.at(-1)}`);
  }

  rollback(pending: Pending): void {
    this.table.rollback(pending.open);
    this.#note(pending.open.row.conversationId, `rolled ${pending.open.id} back`);
  }

  edit(id: number, change: JsonObject): void {
    this.#replace(this.table.edit(id, change), 'edited');
  }

  softDelete(id: number): void {
    this.#replace(this.table.softDelete(id), 'softly deleted');
  }

  hardDelete(id: number): void {
    const { conversationId } = this.table.row(id);
    this.table.hardDelete(id);
    this.#end(this.#of(conversationId), id, this.#now());
    this.#note(conversationId, `deleted ${id}`);
  }

  changeMeta(id: number, change: JsonObject): void {
    this.table.changeMeta(ACCOUNT, id, change);
    const conversation = this.#of(id);
    conversation.metas.at(-1)!.until = this.#now();
    this.#noteMeta(id, conversation);
    this.#note(id, 'meta changed');
  }

  /** The database is one from a backup: what came since has gone, and its ids are given out again. */
  restore(nextId: number): void {
    for (const id of this.ids) {
      for (const row of this.rows(id)) if (row.id >= nextId) this.hardDelete(row.id);
      this.#note(id, `a backup was restored; ids go on from ${nextId}`);
    }
    this.table.setSequence(nextId);
  }

  /** A row with an id far ahead of the sequence, which knows nothing of it. */
  insertAhead(draft: MessageDraft & { readonly id: number }): void {
    const { nextId } = this.table;
    this.insert(draft);
    this.table.setSequence(nextId);
  }

  #of(id: number): Conversation {
    const conversation = this.#conversations.get(id) ?? new Conversation();
    this.#conversations.set(id, conversation);
    return conversation;
  }

  #show(row: MessageRow, when: { readonly handedOutAt: number; readonly from: number; readonly belated: boolean }): void {
    const conversation = this.#of(row.conversationId);
    const { id, createdAtUs } = row;
    this.#highest = Math.max(this.#highest, id);
    const life = {
      id,
      createdAtUs,
      internal: isInternal(row),
      handedOutAt: when.handedOutAt,
      backDated: createdAtUs < when.handedOutAt * 1000 - BACK_DATED_US,
      belated: when.belated,
      from: when.from,
      until: Infinity,
    };
    conversation.lives.push(life);
    conversation.current.set(id, { life, version: conversation.add(life, row.json, when.from) });
  }

  #replace(row: MessageRow, what: string): void {
    const conversation = this.#of(row.conversationId);
    const known = conversation.current.get(row.id)!;
    known.version.until = this.#now();
    known.version = conversation.add(known.life, row.json, this.#now());
    this.#note(row.conversationId, `${what} ${row.id}`);
  }

  #end(conversation: Conversation, id: number, at: number): void {
    const { life, version } = conversation.current.get(id)!;
    life.until = at;
    version.until = at;
  }

  #noteMeta(id: number, conversation: Conversation): void {
    const json = this.table.metaJson(ACCOUNT, id);
    conversation.metas.push({ agent: json, customer: customerMeta(json), from: this.#now(), until: Infinity });
  }

  #note(id: number, what: string): void {
    const { writes } = this.#of(id);
    writes.push(`${((this.#now() - this.startedAt) / 1000).toFixed(3)} s: ${what}`);
  }
}

const NOTHING: Past = new Conversation();
