// Upstream calls of whole walks through one conversation, in virtual time: the engine over an in-memory Chatwoot.
//
//   npx tsx bench/walks.ts [--pause ms] [--reads]

import { parseArgs } from 'node:util';
import type { CacheObserver } from '../src/cache/observer.ts';
import { ReadThrough } from '../src/cache/read-through.ts';
import type { Query } from '../src/timeline/query.ts';
import type { Row } from '../src/timeline/reading.ts';
import type { Upstream } from '../src/upstream/upstream.ts';
import { isInternal } from '../test/support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../test/support/fake-chatwoot/message-table.ts';
import { FRESHNESS, MEMORY_BYTES } from './reference-trace/policies.ts';
import { VirtualTime } from './reference-trace/virtual-time.ts';
import { printTable } from './table.ts';

const { values } = parseArgs({
  options: { pause: { type: 'string', default: '200' }, reads: { type: 'boolean', default: false } },
});
const PAUSE_MS = Number(values.pause);
const LATENCY_MS = 50;
const ROW_LATENCY_MS = 0.3;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** Messages of other conversations between two of this one. */
const OTHERS_BETWEEN = 9;
const CONVERSATION = { accountId: 1, conversationId: 1 };
const OTHER = { accountId: 1, conversationId: 2 };

interface Setting {
  readonly rows: number;
  /** The last row's age when the walk begins. */
  readonly idleMs: number;
  /** True: the process has seen newer ids of other conversations for long. */
  readonly running: boolean;
}

type Ask = (query: Query) => Promise<readonly Row[]>;
type Walker = (ask: Ask, time: VirtualTime) => Promise<void>;

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
    const gapMs = DAY / setting.rows;
    for (let n = setting.rows; n > 0; n--) {
      const createdAtUs = Math.floor((time.now - setting.idleMs - (n - 1) * gapMs) * 1000);
      table.insert({ ...CONVERSATION, createdAtUs });
      table.skipIds(OTHERS_BETWEEN);
    }
    const upstream: Upstream = {
      read: async ({ accountId, conversationId }, query) => {
        if (query.mode === 'before_timestamp') throw new Error('not asked here');
        const askedAt = time.now;
        await time.sleep(LATENCY_MS / 2);
        const params = query.mode === 'latest' ? {} : query;
        const found = table.find(accountId, conversationId, params).map((row) => ({
          id: row.id,
          createdAt: Math.floor(row.createdAtUs / 1e6),
          internal: isInternal(row),
          raw: Buffer.from(row.json).toString('latin1'),
        }));
        if (conversationId === CONVERSATION.conversationId) {
          const { mode } = query;
          this.reads.push(
            `${mode}(${mode === 'latest' ? '' : mode === 'between' ? `${query.after},${query.before}` : mode === 'before' ? query.before : query.after})=${found.length}`,
          );
          this.rowsRead += found.length;
        }
        await time.sleep(LATENCY_MS / 2 + found.length * ROW_LATENCY_MS);
        return {
          kind: 'reading',
          reading: { query, rows: found, envelope: { head: '{"meta":{},"payload":[', tail: ']}' }, askedAt },
        };
      },
      check: async () => null,
      close: async () => undefined,
    };
    const observer: CacheObserver = {
      upstreamRead: () => undefined,
      learnt: () => undefined,
      shadowed: () => undefined,
      fellBackToExact: () => undefined,
      behindFailed: (error) => {
        throw error;
      },
    };
    this.engine = new ReadThrough({
      upstream,
      now: () => time.now,
      freshness: FRESHNESS,
      memoryBytesMax: MEMORY_BYTES,
      mode: 'proved',
      observer,
    });
  }

  /** Another conversation gets a message, and somebody reads it. */
  async seeOther(): Promise<void> {
    this.table.insert(OTHER);
    await this.engine.answer(OTHER, { mode: 'latest', publicOnly: false }, { asOfNow: false, bypass: false });
  }

  /** Walks and counts upstream calls, what is read behind included; every answer is compared with the finder's. */
  async walk(walker: Walker): Promise<{ requests: number; calls: number; rows: number; wrong: number; reads: string }> {
    this.reads.length = 0;
    this.rowsRead = 0;
    let requests = 0;
    let wrong = 0;
    await walker(async (query) => {
      requests++;
      const { rows } = await this.engine.answer(CONVERSATION, query, { asOfNow: false, bypass: false });
      const right = this.table.find(1, 1, query.mode === 'latest' ? {} : query);
      if (right.length !== rows.length || right.some(({ id }, at) => rows[at]!.id !== id)) wrong++;
      return rows;
    }, this.time);
    await this.engine.idle();
    return { requests, calls: this.reads.length, rows: this.rowsRead, wrong, reads: this.reads.join(' ') };
  }
}

const backwards: Walker = async (ask, time) => {
  let query: Query = { mode: 'latest', publicOnly: false };
  for (;;) {
    const rows = await ask(query);
    if (rows.length < 20) return;
    query = { mode: 'before', before: rows[0]!.id, publicOnly: false };
    await time.sleep(PAUSE_MS);
  }
};

const forwards: Walker = async (ask, time) => {
  for (let after = 0; ;) {
    const rows = await ask({ mode: 'after', after, publicOnly: false });
    if (rows.length < 100) return;
    after = rows.at(-1)!.id;
    await time.sleep(PAUSE_MS);
  }
};

/** RenatoAscencio's n8n node (clients.md): `before` the newest row it saw, so it moves one row a step. */
const oneRowAStep: Walker = async (ask, time) => {
  let query: Query = { mode: 'latest', publicOnly: false };
  for (;;) {
    const rows = await ask(query);
    if (rows.length < 20) return;
    query = { mode: 'before', before: rows.at(-1)!.id, publicOnly: false };
    await time.sleep(PAUSE_MS);
  }
};

const table: (string | number)[][] = [];
const details: string[] = [];

async function inHouse(setting: Setting, run: (house: House) => Promise<void>): Promise<void> {
  const house = new House(setting);
  house.time.spawn(async () => {
    if (setting.running) {
      for (let n = 0; n < 3; n++) {
        await house.seeOther();
        await house.time.sleep(2 * MINUTE);
      }
    }
    await run(house);
  });
  await house.time.run();
}

function record(what: string, setting: Setting, bound: number, result: Awaited<ReturnType<House['walk']>>): void {
  const process = setting.running ? 'running for a while' : 'just started';
  const last = setting.idleMs >= DAY ? 'days old' : `${setting.idleMs / SECOND} s old`;
  table.push([
    what,
    process,
    last,
    result.requests,
    result.calls,
    bound,
    result.calls <= bound ? 'yes' : 'NO',
    result.rows,
    result.wrong,
  ]);
  details.push(`${what}, ${process}, last row ${last}: ${result.reads}`);
}

for (const running of [false, true]) {
  for (const idleMs of [3 * DAY, 10 * SECOND]) {
    const long: Setting = { rows: 1000, idleMs, running };
    await inHouse(long, async (house) => record('backwards, 1,000 rows', long, 8, await house.walk(backwards)));
    await inHouse(long, async (house) => record('forwards, 1,000 rows', long, 6, await house.walk(forwards)));
    const short: Setting = { rows: 95, idleMs, running };
    await inHouse(short, async (house) => record('one row a step, 95 rows', short, 6, await house.walk(oneRowAStep)));
  }
  for (const gapMs of [20 * SECOND, 5 * MINUTE]) {
    for (const added of [1, 5, 19, 50]) {
      const setting: Setting = { rows: 1000, idleMs: 3 * DAY, running };
      await inHouse(setting, async (house) => {
        await house.walk(backwards);
        await house.time.sleep(gapMs / 2);
        for (let n = 0; n < added; n++) {
          house.table.insert(CONVERSATION);
          await house.time.sleep(100);
        }
        await house.time.sleep(gapMs / 2);
        record(`again ${gapMs / SECOND} s later, ${added} new`, setting, 2, await house.walk(backwards));
      });
    }
  }
}

console.log(
  `Walks: ${OTHERS_BETWEEN} ids of other conversations between two rows, ${PAUSE_MS} ms between two requests, Chatwoot takes ${LATENCY_MS} ms + ${ROW_LATENCY_MS} ms a row`,
);
printTable(
  'Upstream calls of whole walks, what is read behind included',
  ['walk', 'process', 'last row', 'requests', 'calls', 'bound', 'kept', 'rows read', 'wrong'],
  table,
);
if (values.reads) console.log(`\n${details.join('\n')}`);
