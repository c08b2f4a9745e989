// One random story of the feed: writes at Chatwoot, events that come or do not, reads that take their time, told by numbers (so that
// fast-check can shrink it), with the law checked at every answer.

import type { Change } from '../../../src/cache/changes.ts';
import type { Answer } from '../../../src/cache/read-through.ts';
import { ReadThrough } from '../../../src/cache/read-through.ts';
import { PAGE_LIMIT, takesNewest, type Query } from '../../../src/timeline/query.ts';
import type { ConversationId, UpstreamAnswer } from '../../../src/upstream/upstream.ts';
import { isInternal } from '../../support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../../support/fake-chatwoot/message-table.ts';
import { FRESHNESS, SILENT, upstreamOf } from '../library.ts';

/** What the promises leave beside the feed: ids below a known row, and what lies above a full page of old rows. */
const LATE_MS = 1_000;
const ACCOUNT = 1;
const CONTACT = 77;
const START_MS = 1_800_000_000_000;
const SENDER = { id: CONTACT, name: 'Ada', type: 'contact' };

/** Breaks what is under test, to see that the law notices. */
export interface Sabotage {
  readonly ignores?: Change['kind'];
  /** Events are applied when nothing is on its way any more. */
  readonly waits?: boolean;
  /** Trust does not end. */
  readonly trusts?: boolean;
  readonly feedMaxAgeMs?: number;
}

/** How the engine answers. */
export type Mode = 'proved' | 'exact';

export class LawBroken extends Error {}

export interface Tally {
  answers: number;
  hits: number;
  /** Answers of the newest page that were hits past the ordinary age of the tail. */
  fedHits: number;
  /** Answers that lacked what had been written, within the ages. */
  behind: number;
  heldOverEvent: number;
}

/** A write, and when the event came that tells of it. */
interface Write {
  readonly at: number;
  readonly conversation: number;
  readonly change: Change;
  /** The row that came or changed, with its new JSON; for a meta, that. */
  readonly id: number | null;
  readonly text: string;
  deliveredAt: number;
}

interface Held {
  readonly sentAt: number;
  release(): void;
}

export class FeedWorld {
  readonly tally: Tally = { answers: 0, hits: 0, fedHits: 0, behind: 0, heldOverEvent: 0 };
  now = START_MS;
  readonly #sabotage: Sabotage;
  readonly #table: MessageTable;
  readonly #engine: ReadThrough;
  readonly #writes: Write[] = [];
  /** Events on their way, oldest first; one that was lost is in none. */
  #events: Write[] = [];
  #withheld: Change[] = [];
  #held: Held[] = [];
  #holds = false;
  #fedSince: number | null = null;
  readonly #answers: Promise<void>[] = [];

  constructor(sabotage: Sabotage = {}, mode: Mode = 'proved') {
    this.#sabotage = sabotage;
    this.#table = new MessageTable({ now: () => this.now, firstId: 100 });
    for (const conversationId of [1, 2]) {
      this.#table.addConversation(ACCOUNT, conversationId);
      this.#table.changeMeta(ACCOUNT, conversationId, metaOf(0));
      for (let n = 0; n < (conversationId === 1 ? 110 : 25); n++) {
        const createdAtUs = (START_MS - (10_000 - n) * 60_000) * 1000;
        this.#table.insert({ accountId: ACCOUNT, conversationId, createdAtUs, messageType: 0 });
      }
    }
    this.#engine = new ReadThrough({
      upstream: upstreamOf((conversation, query) => this.#answer(conversation, query)),
      now: () => this.now,
      freshness: { ...FRESHNESS, feedMaxAgeMs: sabotage.feedMaxAgeMs ?? FRESHNESS.feedMaxAgeMs! },
      memoryBytesMax: 1e8,
      mode,
      fedSince: () => this.#fedSince,
      observer: {
        ...SILENT,
        behindFailed: (error) => {
          throw error;
        },
      },
    });
  }

  /** Begins to trust. */
  begin(): void {
    this.#fedSince ??= this.now;
  }

  /** A gap that is announced: what was lost in it is nobody's to tell. */
  end(): void {
    if (this.#sabotage.trusts !== true) this.#fedSince = null;
    this.#trustEndedAt = this.now;
  }
  #trustEndedAt = START_MS;

  wait(ms: number): void {
    this.now += ms;
  }

  write(conversationId: number): void {
    const { id, json } = this.#table.insert({ accountId: ACCOUNT, conversationId, messageType: 0 });
    const conversation = { accountId: ACCOUNT, conversationId };
    this.#wrote({ conversation: conversationId, id, text: json, change: { kind: 'tail', conversation, seenId: id } });
  }

  edit(conversationId: number, argument: number): void {
    const rows = this.#table.rows(ACCOUNT, conversationId);
    const { id } = rows[rows.length - 1 - (argument % Math.min(rows.length, 60))]!;
    const { json } = this.#table.edit(id, { content: `edited at ${this.now} ${this.#writes.length}` });
    const conversation = { accountId: ACCOUNT, conversationId };
    this.#wrote({ conversation: conversationId, id, text: json, change: { kind: 'row', conversation, id } });
  }

  changeMeta(conversationId: number): void {
    const text = metaOf(this.#writes.length + 1);
    this.#table.changeMeta(ACCOUNT, conversationId, text);
    const conversation = { accountId: ACCOUNT, conversationId };
    this.#wrote({ conversation: conversationId, id: null, text, change: { kind: 'envelope', conversation } });
  }

  /** The contact is renamed: in the envelopes of both conversations, and in a row that it sent. */
  rename(argument: number): void {
    const change: Change = { kind: 'contact', accountId: ACCOUNT, contactId: CONTACT };
    const event: Write[] = [];
    for (const conversation of [1, 2]) {
      const text = metaOf(this.#writes.length + 1);
      this.#table.changeMeta(ACCOUNT, conversation, text);
      event.push(this.#note({ conversation, id: null, text, change }));
      const rows = this.#table.rows(ACCOUNT, conversation);
      const row = rows[rows.length - 1 - (argument % Math.min(rows.length, 60))]!;
      const { id, json } = this.#table.edit(row.id, { sender: { ...SENDER, name: `Ada ${this.#writes.length}` } });
      // Only one that shows its sender is the contact's.
      if (row.json.includes('"type":"contact"')) event.push(this.#note({ conversation, id, text: json, change }));
      else
        this.#wrote({
          conversation,
          id,
          text: json,
          change: { kind: 'row', conversation: { accountId: ACCOUNT, conversationId: conversation }, id },
        });
    }
    this.#events.push(...event.slice(0, 1));
    this.#joined.set(event[0]!, event);
  }
  /** Writes that one event tells of. */
  readonly #joined = new Map<Write, readonly Write[]>();

  #wrote(write: Omit<Write, 'at' | 'deliveredAt'>): void {
    this.#events.push(this.#note(write));
  }

  #note(write: Omit<Write, 'at' | 'deliveredAt'>): Write {
    const noted = { ...write, at: this.now, deliveredAt: Infinity };
    this.#writes.push(noted);
    return noted;
  }

  /** An event comes: the next one, or one further on. `twice`: and will come again. */
  deliver(nth: number, twice: boolean): void {
    const at = nth % Math.max(1, this.#events.length);
    const write = this.#events[at];
    if (write === undefined) return;
    if (!twice) this.#events = this.#events.toSpliced(at, 1);
    for (const each of this.#joined.get(write) ?? [write]) each.deliveredAt = Math.min(each.deliveredAt, this.now);
    if (this.#held.length > 0) this.tally.heldOverEvent++;
    if (write.change.kind === this.#sabotage.ignores) return;
    if (this.#sabotage.waits === true && this.#held.length > 0) this.#withheld.push(write.change);
    else this.#engine.apply(write.change);
  }

  lose(): void {
    this.#events.shift();
  }

  purge(conversationId: number): void {
    this.#engine.purge({ accountId: ACCOUNT, conversationId });
  }

  /** From now on reads take until they are released. */
  hold(): void {
    this.#holds = true;
  }

  async release(): Promise<void> {
    this.#holds = false;
    for (const held of this.#held.splice(0)) held.release();
    await settle();
    for (const change of this.#withheld.splice(0)) this.#engine.apply(change);
  }

  async ask(conversationId: number, query: Query): Promise<void> {
    const cameAt = this.now;
    const { fed, before } = { fed: this.#fedSince, before: this.#writes.length };
    const answered = (async () => {
      const answer = await this.#engine.answer({ accountId: ACCOUNT, conversationId }, query, { asOfNow: false, bypass: false });
      this.#check(conversationId, query, answer, { cameAt, fed, known: this.#writes.slice(0, before) });
    })();
    this.#answers.push(answered);
    answered.catch(() => undefined);
    await settle();
  }

  /** @throws LawBroken where an answer was wrong */
  async finish(): Promise<void> {
    for (let round = 0; round < 20 && this.#held.length > 0; round++) await this.release();
    await Promise.all(this.#answers);
    await this.#engine.close();
  }

  async #answer({ accountId, conversationId }: ConversationId, query: Query): Promise<UpstreamAnswer> {
    const askedAt = this.now;
    const rows = this.#table.find(accountId, conversationId, query).map((row) => ({
      id: row.id,
      createdAt: Math.floor(row.createdAtUs / 1e6),
      internal: isInternal(row),
      raw: row.json,
    }));
    const head = `{"meta":${this.#table.metaJson(accountId, conversationId)},"payload":[`;
    if (this.#holds) await new Promise<void>((release) => this.#held.push({ sentAt: askedAt, release }));
    return { kind: 'reading', reading: { query, rows, envelope: { head, tail: ']}' }, askedAt } };
  }

  #check(
    conversationId: number,
    query: Query,
    answer: Answer,
    { cameAt, fed, known }: { readonly cameAt: number; readonly fed: number | null; readonly known: readonly Write[] },
  ): void {
    this.tally.answers++;
    if (answer.outcome === 'hit') this.tally.hits++;
    if (answer.outcome === 'hit' && query.mode === 'latest' && answer.ageMs > 0) this.tally.fedHits++;
    const trustEndedAt = this.#sabotage.trusts === true ? this.#trustEndedAt : -Infinity;
    const isFed = fed !== null && trustEndedAt <= fed;
    /** For so long what was written may be missing, where no event came. */
    const ageOf = (ordinaryMs: number): number =>
      isFed ? Math.max(ordinaryMs, Math.min(FRESHNESS.feedMaxAgeMs!, cameAt - fed)) : ordinaryMs;
    const mustShow = (write: Write, ordinaryMs: number): boolean =>
      write.deliveredAt <= cameAt || write.at < cameAt - ageOf(ordinaryMs);
    const about = known.filter((write) => write.conversation === conversationId);
    const shown = new Map(answer.rows.map(({ id, raw }) => [id, raw]));
    const isNewest = query.mode === 'latest';

    for (const write of about) {
      if (write.id === null) {
        const ordinaryMs = isNewest ? FRESHNESS.metaMaxAgeMs : 6 * FRESHNESS.metaMaxAgeMs;
        if (!mustShow(write, ordinaryMs)) continue;
        const later = this.#writes.filter((other) => other.conversation === conversationId && other.id === null);
        const since = later.slice(later.indexOf(write)).map(({ text }) => text);
        if (!since.some((text) => answer.envelope.head.includes(text)))
          throw new LawBroken(`meta of ${write.at - START_MS} is missing at ${cameAt - START_MS}: ${JSON.stringify(query)}`);
        continue;
      }
      const { id } = write;
      const text = shown.get(id);
      if (text === undefined) continue;
      if (write.deliveredAt > cameAt) continue; // Content beside the feed is the law of the timeline's.
      const since = this.#writes.filter((other) => other.id === id);
      if (!since.slice(since.indexOf(write)).some((other) => other.text === text))
        throw new LawBroken(`row ${id} is not as of ${write.at - START_MS} at ${cameAt - START_MS}: ${JSON.stringify(query)}`);
    }

    const isFull = answer.rows.length === PAGE_LIMIT[query.mode];
    const edge = !isFull ? undefined : takesNewest(query) ? answer.rows[0]! : answer.rows.at(-1)!;
    const inHistory = edge !== undefined && !takesNewest(query) && edge.createdAt * 1000 <= cameAt - FRESHNESS.settleMs;
    const ordinaryMs = inHistory ? FRESHNESS.metaMaxAgeMs : query.mode === 'before' ? LATE_MS : FRESHNESS.tailMaxAgeMs;
    for (const write of about) {
      if (write.change.kind !== 'tail' || shown.has(write.id!) || !isOf(query, write.id!)) continue;
      const second = Math.floor(write.at / 1000);
      if (edge !== undefined && (takesNewest(query) ? second <= edge.createdAt : second >= edge.createdAt)) continue;
      this.tally.behind++;
      if (mustShow(write, ordinaryMs))
        throw new LawBroken(
          `${write.id} of ${write.at - START_MS}, told at ${write.deliveredAt - START_MS}, is missing at ${cameAt - START_MS}, ${fed === null ? 'not fed' : `fed since ${fed - START_MS}`}: ${JSON.stringify(query)}`,
        );
    }
  }
}

function isOf(query: Query, id: number): boolean {
  if (query.mode === 'before') return id < query.before;
  return query.mode === 'after' ? id > query.after : query.mode === 'latest';
}

function metaOf(version: number): string {
  return `{"labels":[],"additional_attributes":{},"contact":{"id":${CONTACT},"name":"Ada ${version}"}}`;
}

/** Lets all go on that waits for nothing else. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
