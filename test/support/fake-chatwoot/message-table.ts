// The messages of one installation: a single id sequence, rows that become visible at commit, and Chatwoot's finder over them.

import type { ConversationMeta } from './conversation-meta.ts';
import { defaultMeta, renderMeta } from './conversation-meta.ts';
import type { FinderParams, TieOrder } from './finder.ts';
import { comesBefore, findRows } from './finder.ts';
import type { MessageDraft, MessageJson, MessageRow } from './message-row.ts';
import { changeRow, rowFromDraft } from './message-row.ts';

/** Options of a `MessageTable`. */
export interface MessageTableOptions {
  /** Milliseconds since the epoch; the source of created_at. Default `Date.now`. */
  readonly now?: () => number;
  /** The first id of the sequence. Default 1. */
  readonly firstId?: number;
  /** How rows of the same microsecond are ordered. Default: by id, always. */
  readonly ties?: TieOrder;
}

/** What was written, for those who announce it. Raw rows, hard deletions and restored backups are told to nobody (contract 6). */
export type TableWrite =
  | { readonly kind: 'inserted'; readonly row: MessageRow }
  | { readonly kind: 'edited'; readonly row: MessageRow; readonly before: MessageRow }
  | {
      readonly kind: 'meta';
      readonly accountId: number;
      readonly conversationId: number;
      readonly before: string;
      readonly after: string;
    };

/** A row that has its id and its created_at and that nobody sees yet (contract 5.2). */
export interface OpenInsert {
  readonly id: number;
  readonly row: MessageRow;
}

interface Conversation {
  meta: string;
  /** Sorted by `comesBefore`. */
  readonly rows: MessageRow[];
  /** See `SortedRows`; once false it stays so. */
  idsRise: boolean;
}

/** Chatwoot's messages table in memory. Pure but for the clock it is given. Throws on an operation that names what is not there. */
export class MessageTable {
  ties: TieOrder | undefined;
  /** Hears of each write, once it is visible. */
  onWrite: ((write: TableWrite) => void) | undefined;
  readonly #now: () => number;
  readonly #conversations = new Map<string, Conversation>();
  readonly #byId = new Map<number, MessageRow>();
  readonly #open = new Set<number>();
  #nextId: number;
  #lastDefaultUs = -1;
  #reads = 0;

  constructor(options: MessageTableOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#nextId = options.firstId ?? 1;
    this.ties = options.ties;
  }

  /** The id that the next insert takes. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Leaves a hole in the sequence, as messages of other conversations and rolled-back inserts do (contract 5.2). */
  skipIds(count: number): void {
    this.#nextId += count;
  }

  /** The next insert takes this id, as after `setval`; rows with higher ids stay. */
  setSequence(nextId: number): void {
    this.#nextId = nextId;
  }

  /** The database comes back from a backup: rows from this id up were never written, and the next insert takes it. */
  restore(nextId: number): void {
    for (const id of this.#byId.keys()) if (id >= nextId) this.hardDelete(id);
    this.#open.clear();
    this.#nextId = nextId;
  }

  /** Adds an empty conversation. `meta` may be the exact JSON. */
  addConversation(
    accountId: number,
    conversationId: number,
    meta: ConversationMeta | string = defaultMeta(conversationId),
  ): void {
    const key = keyOf(accountId, conversationId);
    if (this.#conversations.has(key)) throw new Error(`conversation ${key} exists`);
    this.#conversations.set(key, { meta: typeof meta === 'string' ? meta : renderMeta(meta), rows: [], idsRise: true });
  }

  /** Deletes a conversation with its rows; it fires no event (contract 5.4). */
  removeConversation(accountId: number, conversationId: number): void {
    for (const row of this.#conversation(accountId, conversationId).rows) this.#byId.delete(row.id);
    this.#conversations.delete(keyOf(accountId, conversationId));
  }

  hasConversation(accountId: number, conversationId: number): boolean {
    return this.#conversations.has(keyOf(accountId, conversationId));
  }

  /** Inserts a row that is visible at once, and returns it. */
  insert(draft: MessageDraft): MessageRow {
    return this.commit(this.begin(draft));
  }

  /** Adds a row with exact JSON, and moves the sequence past its id. */
  insertRaw(row: MessageRow): void {
    this.#nextId = Math.max(this.#nextId, row.id + 1);
    this.#show(row);
  }

  /** Takes the id and created_at now; the row becomes visible at `commit`, below ids already seen perhaps (contract 5.2). */
  begin(draft: MessageDraft): OpenInsert {
    this.#conversation(draft.accountId, draft.conversationId);
    const id = draft.id ?? this.#nextId;
    if (this.#byId.has(id) || this.#open.has(id)) throw new Error(`message ${id} exists`);
    this.#nextId = Math.max(this.#nextId, id + 1);
    this.#open.add(id);
    return { id, row: rowFromDraft(draft, id, draft.createdAtUs ?? this.#defaultCreatedAtUs()) };
  }

  /** Makes an open row visible. */
  commit(open: OpenInsert): MessageRow {
    if (!this.#open.delete(open.id)) throw new Error(`message ${open.id} is not open`);
    this.#show(open.row);
    this.onWrite?.({ kind: 'inserted', row: open.row });
    return open.row;
  }

  /** Drops an open row; its id stays a hole. */
  rollback(open: OpenInsert): void {
    if (!this.#open.delete(open.id)) throw new Error(`message ${open.id} is not open`);
  }

  /** Changes the JSON of a row in place: content, status, sender, attachments … A key set to `undefined` goes. */
  edit(id: number, change: Partial<MessageJson> | ((json: MessageJson) => MessageJson)): MessageRow {
    const old = this.row(id);
    const changed = changeRow(old, typeof change === 'function' ? change : (json) => ({ ...json, ...change }));
    const { rows } = this.#conversation(old.accountId, old.conversationId);
    rows[rows.indexOf(old)] = changed;
    this.#byId.set(id, changed);
    this.onWrite?.({ kind: 'edited', row: changed, before: old });
    return changed;
  }

  /** "Delete message": the text is replaced and the attachments go, the row stays (contract 5.4). */
  softDelete(id: number, phrase = 'This message was deleted'): MessageRow {
    return this.edit(id, {
      content: phrase,
      content_type: 'text',
      content_attributes: { deleted: true },
      attachments: undefined,
    });
  }

  /** The row vanishes and older rows slide into its page (contract 5.4, 6.1). */
  hardDelete(id: number): void {
    const row = this.row(id);
    const { rows } = this.#conversation(row.accountId, row.conversationId);
    rows.splice(rows.indexOf(row), 1);
    this.#byId.delete(id);
  }

  /** Labels, assignee, last-seen, contact … `change` may be the exact JSON (contract 3.1, 6.3). */
  changeMeta(accountId: number, conversationId: number, change: Partial<ConversationMeta> | string): void {
    const conversation = this.#conversation(accountId, conversationId);
    const before = conversation.meta;
    const old: ConversationMeta = JSON.parse(before);
    conversation.meta = typeof change === 'string' ? change : renderMeta({ ...old, ...change });
    this.onWrite?.({ kind: 'meta', accountId, conversationId, before, after: conversation.meta });
  }

  /** The exact JSON of a conversation's meta. */
  metaJson(accountId: number, conversationId: number): string {
    return this.#conversation(accountId, conversationId).meta;
  }

  /** The visible row of this id. */
  row(id: number): MessageRow {
    const row = this.#byId.get(id);
    if (row === undefined) throw new Error(`no message ${id}`);
    return row;
  }

  /** Every visible row of a conversation, by created_at, then id. A copy. */
  rows(accountId: number, conversationId: number): readonly MessageRow[] {
    return [...this.#conversation(accountId, conversationId).rows];
  }

  /** The page that Chatwoot's finder returns, oldest first (contract 5.1). */
  find(accountId: number, conversationId: number, params: FinderParams): readonly MessageRow[] {
    this.#reads += 1;
    const ties = this.ties === undefined ? undefined : { order: this.ties, read: this.#reads };
    return findRows(this.#conversation(accountId, conversationId), params, ties);
  }

  /** The body of a 200: `{"meta":…,"payload":[…]}` without whitespace (contract 3). */
  body(accountId: number, conversationId: number, params: FinderParams): string {
    const rows = this.find(accountId, conversationId, params).map((row) => row.json);
    return `{"meta":${this.metaJson(accountId, conversationId)},"payload":[${rows.join(',')}]}`;
  }

  #conversation(accountId: number, conversationId: number): Conversation {
    const conversation = this.#conversations.get(keyOf(accountId, conversationId));
    if (conversation === undefined) throw new Error(`no conversation ${keyOf(accountId, conversationId)}`);
    return conversation;
  }

  #show(row: MessageRow): void {
    if (this.#byId.has(row.id)) throw new Error(`message ${row.id} exists`);
    const conversation = this.#conversation(row.accountId, row.conversationId);
    const { rows } = conversation;
    let index = rows.length;
    for (let previous = rows[index - 1]; previous !== undefined && comesBefore(row, previous); previous = rows[index - 1])
      index -= 1;
    conversation.idsRise &&= (rows[index - 1]?.id ?? -Infinity) < row.id && row.id < (rows[index]?.id ?? Infinity);
    rows.splice(index, 0, row);
    this.#byId.set(row.id, row);
  }

  /** The clock in microseconds. Rows of one millisecond get distinct, rising microseconds: a tie is made on purpose or not at all. */
  #defaultCreatedAtUs(): number {
    const nowUs = Math.floor(this.#now() * 1000);
    const sameMillisecond = Math.floor(this.#lastDefaultUs / 1000) === Math.floor(nowUs / 1000);
    this.#lastDefaultUs = sameMillisecond ? Math.max(nowUs, this.#lastDefaultUs + 1) : nowUs;
    return this.#lastDefaultUs;
  }
}

function keyOf(accountId: number, conversationId: number): string {
  return `${accountId}/${conversationId}`;
}
