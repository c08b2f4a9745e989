// Whole walks through one conversation, in virtual time: the engine over an in-memory Chatwoot. Counts what Chatwoot is asked.

import type { CacheObserver } from '../../src/cache/observer.ts';
import { ReadThrough } from '../../src/cache/read-through.ts';
import { PAGE_LIMIT, type Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import type { ConversationId, TimestampQuery, Upstream, UpstreamAnswer } from '../../src/upstream/upstream.ts';
import { isInternal } from '../../test/support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../../test/support/fake-chatwoot/message-table.ts';
import { FRESHNESS, MEMORY_BYTES } from '../reference-trace/policies.ts';
import { VirtualTime } from '../reference-trace/virtual-time.ts';

export const LATENCY_MS = 50;
export const ROW_LATENCY_MS = 0.3;
/** Messages of other conversations between two of this one. */
export const OTHERS_BETWEEN = 9;
/** Each so manieth row is a private note. */
const NOTE_EVERY = 7;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const CONVERSATION = { accountId: 1, conversationId: 1 };
const OTHER = { accountId: 1, conversationId: 2 };

export interface Setting {
  /** Rows that the walker can see. */
  readonly rows: number;
  /** The last row's age when the walk begins, ms. */
  readonly idleMs: number;
  /** True: the process has seen newer ids of other conversations for long. */
  readonly running: boolean;
  /** Whether the walker asks with the internal filter. */
  readonly publicOnly: boolean;
  /** Between two requests, ms. */
  readonly pauseMs: number;
  readonly tailMaxAgeMs: number;
}

/** One walk and what it cost. */
export interface Walked {
  readonly walk: string;
  readonly setting: Setting;
  readonly requests: number;
  /** Upstream calls, what is read behind included. */
  readonly calls: number;
  readonly bound: number;
  readonly rowsRead: number;
  /** Answers that were not the finder's. */
  readonly wrong: number;
  /** What was asked of Chatwoot. */
  readonly reads: string;
}

type Ask = (query: Query) => Promise<readonly Row[]>;
type Walker = (ask: Ask, pause: () => Promise<void>, publicOnly: boolean) => Promise<void>;

class House {
  readonly time = new VirtualTime(Date.UTC(2026, 0, 15, 9));
  readonly table = new MessageTable({ now: () => this.time.now });
  readonly reads: string[] = [];
  rowsRead = 0;
  readonly engine: ReadThrough;
  readonly setting: Setting;

  constructor(setting: Setting) {
    this.setting = setting;
    const { time, table } = this;
    for (const { accountId, conversationId } of [CONVERSATION, OTHER]) table.addConversation(accountId, conversationId);
    const rows = setting.publicOnly ? Math.ceil((setting.rows * NOTE_EVERY) / (NOTE_EVERY - 1)) : setting.rows;
    const gapMs = DAY / rows;
    for (let n = rows; n > 0; n--) {
      const createdAtUs = Math.floor((time.now - setting.idleMs - (n - 1) * gapMs) * 1000);
      table.insert({ ...CONVERSATION, createdAtUs, messageType: 1, private: n % NOTE_EVERY === 3 });
      table.skipIds(OTHERS_BETWEEN);
    }
    const upstream: Upstream = {
      read: (conversation, query, _signal, options) => {
        const exchange = this.#read(conversation, query);
        options?.onTurn?.(exchange);
        return exchange;
      },
      check: async () => null,
      close: async () => undefined,
    };
    const observer: CacheObserver = {
      upstreamRead: () => undefined,
      learnt: () => undefined,
      shadowed: () => undefined,
      fellBackToExact: () => undefined,
      sequenceRefuted: () => {
        throw new Error('ids rise here');
      },
      behindFailed: (error) => {
        throw error;
      },
    };
    this.engine = new ReadThrough({
      upstream,
      now: () => time.now,
      freshness: { ...FRESHNESS, tailMaxAgeMs: setting.tailMaxAgeMs },
      memoryBytesMax: MEMORY_BYTES,
      mode: 'proved',
      observer,
    });
  }

  /** What Chatwoot does with a read. */
  async #read({ accountId, conversationId }: ConversationId, query: Query | TimestampQuery): Promise<UpstreamAnswer> {
    if (query.mode === 'before_timestamp') throw new Error('not asked here');
    const { time, table } = this;
    const askedAt = time.now;
    await time.sleep(LATENCY_MS / 2);
    const found = table.find(accountId, conversationId, query).map((row) => ({
      id: row.id,
      createdAt: Math.floor(row.createdAtUs / 1e6),
      internal: isInternal(row),
      raw: Buffer.from(row.json).toString('latin1'),
    }));
    if (conversationId === CONVERSATION.conversationId) {
      this.reads.push(`${nameOf(query)}=${found.length}`);
      this.rowsRead += found.length;
    }
    await time.sleep(LATENCY_MS / 2 + found.length * ROW_LATENCY_MS);
    return {
      kind: 'reading',
      reading: { query, rows: found, envelope: { head: '{"meta":{},"payload":[', tail: ']}' }, askedAt },
    };
  }

  /** Another conversation gets a message, and somebody reads it. */
  async seeOther(): Promise<void> {
    this.table.insert(OTHER);
    await this.engine.answer(OTHER, { mode: 'latest', publicOnly: false }, { asOfNow: false, bypass: false });
  }

  /** Walks; every answer is compared with the finder's. */
  async walk(walk: string, walker: Walker, bound: number): Promise<Walked> {
    const { setting, time, table } = this;
    this.reads.length = 0;
    this.rowsRead = 0;
    let requests = 0;
    let wrong = 0;
    const ask: Ask = async (query) => {
      requests++;
      const { rows } = await this.engine.answer(CONVERSATION, query, { asOfNow: false, bypass: false });
      const right = table.find(CONVERSATION.accountId, CONVERSATION.conversationId, query);
      if (right.length !== rows.length || right.some(({ id }, at) => rows[at]!.id !== id)) wrong++;
      return rows;
    };
    await walker(ask, () => time.sleep(setting.pauseMs), setting.publicOnly);
    await this.engine.idle();
    const { reads, rowsRead } = this;
    return { walk, setting, requests, calls: reads.length, bound, rowsRead, wrong, reads: reads.join(' ') };
  }
}

function nameOf(query: Query): string {
  const filter = query.publicOnly ? 'public ' : '';
  switch (query.mode) {
    case 'latest':
      return `${filter}latest`;
    case 'before':
      return `${filter}before(${query.before})`;
    case 'after':
      return `${filter}after(${query.after})`;
    case 'between':
      return `${filter}between(${query.after},${query.before})`;
  }
}

const backwards: Walker = async (ask, pause, publicOnly) => {
  let query: Query = { mode: 'latest', publicOnly };
  for (;;) {
    const rows = await ask(query);
    if (rows.length < 20) return;
    query = { mode: 'before', before: rows[0]!.id, publicOnly };
    await pause();
  }
};

const forwards: Walker = async (ask, pause, publicOnly) => {
  for (let after = 0; ;) {
    const rows = await ask({ mode: 'after', after, publicOnly });
    if (rows.length < 100) return;
    after = rows.at(-1)!.id;
    await pause();
  }
};

/** RenatoAscencio's n8n node (clients.md): `before` the newest row it saw, so it moves one row a step. */
const oneRowAStep: Walker = async (ask, pause, publicOnly) => {
  let query: Query = { mode: 'latest', publicOnly };
  for (;;) {
    const rows = await ask(query);
    if (rows.length < 20) return;
    query = { mode: 'before', before: rows.at(-1)!.id, publicOnly };
    await pause();
  }
};

async function inHouse(setting: Setting, run: (house: House) => Promise<Walked>): Promise<Walked> {
  const house = new House(setting);
  let walked: Walked | undefined;
  house.time.spawn(async () => {
    if (setting.running) {
      for (let n = 0; n < 3; n++) {
        await house.seeOther();
        await house.time.sleep(2 * MINUTE);
      }
    }
    walked = await run(house);
  });
  await house.time.run();
  return walked!;
}

/** Walks cold, then walks again after new messages; for both views, on a process that just started and on one that runs. */
export async function walkAll(pauseMs: number, tailMaxAgeMs: number): Promise<readonly Walked[]> {
  const all: Walked[] = [];
  const both = [false, true].flatMap((publicOnly) =>
    [false, true].map((running) => ({ publicOnly, running, pauseMs, tailMaxAgeMs })),
  );
  for (const how of both) {
    for (const idleMs of [3 * DAY, 10 * SECOND]) {
      const long: Setting = { ...how, rows: 1000, idleMs };
      all.push(await inHouse(long, (house) => house.walk('backwards, 1,000 rows', backwards, 8)));
      all.push(await inHouse(long, (house) => house.walk('forwards, 1,000 rows', forwards, 6)));
      const short: Setting = { ...how, rows: 95, idleMs };
      all.push(await inHouse(short, (house) => house.walk('one row a step, 95 rows', oneRowAStep, 6)));
    }
    for (const gapMs of [20 * SECOND, 5 * MINUTE]) {
      for (const added of [1, 5, 19, 50]) {
        all.push(
          await inHouse({ ...how, rows: 1000, idleMs: 3 * DAY }, async (house) => {
            await house.walk('the first', backwards, 8);
            await house.time.sleep(gapMs / 2);
            for (let n = 0; n < added; n++) {
              house.table.insert(CONVERSATION);
              await house.time.sleep(100);
            }
            await house.time.sleep(gapMs / 2);
            // Once in SETTLE the newest page is read as it is asked: what is new beyond it is a read of its own.
            const bound = gapMs >= FRESHNESS.settleMs && added > PAGE_LIMIT.latest ? 3 : 2;
            return house.walk(`again ${gapMs / SECOND} s later, ${added} new`, backwards, bound);
          }),
        );
      }
    }
  }
  return all;
}
