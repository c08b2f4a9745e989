// What `prove` costs on long timelines, and what a known row costs in memory.
//
//   node --expose-gc --import tsx bench/prove.ts

import { learn } from '../src/timeline/learn.ts';
import { prove } from '../src/timeline/prove.ts';
import type { Query } from '../src/timeline/query.ts';
import type { Reading, Row } from '../src/timeline/reading.ts';
import { EMPTY_TIMELINE, memoryBytes, type Timeline } from '../src/timeline/timeline.ts';
import { rowFromDraft } from '../test/support/fake-chatwoot/message-row.ts';
import { seededRandom } from '../test/support/fake-chatwoot/seeded-random.ts';
import { FRESHNESS } from './reference-trace/policies.ts';
import { median, printTable, quantile } from './table.ts';

const NOW = Date.UTC(2026, 0, 15, 9);
const SIZES = [1_000, 10_000, 100_000];
/** Ids of other conversations between two rows. */
const ID_STEP = 10;
const ROW_GAP_S = 60;
const WINDOW_ROWS = 800;
const PROOFS = 2_000;
const CONTENT_CHARACTERS = [0, 200, 700];
const ENVELOPE = { head: '{"meta":{},"payload":[', tail: ']}' };

interface Past {
  readonly rows: number;
  /** Share of rows whose created_at lies up to a thousand rows back. */
  readonly backdatedShare: number;
  readonly contentCharacters: number;
}

/** Learns a conversation from its start in windows, each read at another moment, then its newest page and that nothing is beyond. */
function build({ rows, backdatedShare, contentCharacters }: Past): Timeline {
  const random = seededRandom(1);
  const start = Math.floor(NOW / 1000) - (rows + 10) * ROW_GAP_S;
  const makeRow = (n: number): Row => {
    const id = (n + 1) * ID_STEP;
    const back = random() < backdatedShare ? Math.floor(random() * Math.min(n, 1000)) : 0;
    const createdAt = start + (n - back) * ROW_GAP_S + (back === 0 ? 0 : 30);
    const draft = { accountId: 1, conversationId: 1, content: 'x'.repeat(contentCharacters) };
    // Through a buffer, as the splitter of bodies does: a flat string of its own, one byte a character.
    const raw = Buffer.from(rowFromDraft(draft, id, createdAt * 1e6).json).toString('latin1');
    return { id, createdAt, internal: n % 20 === 0, raw };
  };
  const context = { vouched: Number.MAX_SAFE_INTEGER, settleMs: FRESHNESS.settleMs, expiredBefore: 0 };
  let timeline = EMPTY_TIMELINE;
  let askedAt = NOW - 60_000;
  let newest: Row[] = [];
  for (let from = 0; from < rows; from += WINDOW_ROWS) {
    const to = Math.min(rows, from + WINDOW_ROWS);
    const read = Array.from({ length: to - from }, (_, at) => makeRow(from + at));
    newest = [...newest, ...read].toSorted((a, b) => a.createdAt - b.createdAt).slice(-20);
    const query: Query = {
      mode: 'between',
      after: from === 0 ? 0 : (from + 1) * ID_STEP,
      before: (to + 1) * ID_STEP,
      publicOnly: false,
    };
    const reading: Reading = { query, rows: read.toSorted((a, b) => a.createdAt - b.createdAt), envelope: ENVELOPE, askedAt };
    const learnt = learn(timeline, reading, context);
    if (learnt.outcome !== 'learnt') throw new Error(learnt.outcome);
    timeline = learnt.timeline;
    askedAt += 1;
  }
  const probe: Query = { mode: 'after', after: rows * ID_STEP, publicOnly: false };
  for (const [query, read] of [
    [{ mode: 'latest', publicOnly: false }, newest],
    [probe, []],
  ] as const) {
    timeline = learn(timeline, { query, rows: read, envelope: ENVELOPE, askedAt: NOW }, context).timeline;
  }
  return timeline;
}

/** The newest page is proved half a second after it was read. */
const AGES = { ...FRESHNESS, tailMaxAgeMs: 1_000 };

function time(timeline: Timeline, queryAt: () => Query): { micros: number[]; proved: number } {
  const micros: number[] = [];
  let proved = 0;
  for (let n = 0; n < PROOFS; n++) {
    const query = queryAt();
    const startedAt = process.hrtime.bigint();
    const found = prove(timeline, query, { now: NOW + 500, freshness: AGES });
    micros.push(Number(process.hrtime.bigint() - startedAt) / 1000);
    if (found.proved) proved++;
  }
  return { micros, proved };
}

console.log(
  `prove: median of ${PROOFS} proofs at random places; rows ${ID_STEP} ids apart, read in windows of ${WINDOW_ROWS}; Node ${process.version}`,
);
const times: (string | number)[][] = [];
for (const backdatedShare of [0, 0.005]) {
  for (const rows of SIZES) {
    const timeline = build({ rows, backdatedShare, contentCharacters: 0 });
    const random = seededRandom(2);
    const anyId = (): number => Math.floor(random() * (rows + 1) * ID_STEP);
    const queries: [string, () => Query][] = [
      ['before', () => ({ mode: 'before', before: anyId(), publicOnly: false })],
      ['before, public', () => ({ mode: 'before', before: anyId(), publicOnly: true })],
      ['after', () => ({ mode: 'after', after: anyId(), publicOnly: false })],
      ['latest', () => ({ mode: 'latest', publicOnly: false })],
    ];
    for (const [name, queryAt] of queries) {
      time(timeline, queryAt); // Lets the compiler warm up.
      const { micros, proved } = time(timeline, queryAt);
      times.push([
        rows,
        `${backdatedShare * 100} %`,
        timeline.statements.length,
        name,
        `${proved}/${PROOFS}`,
        median(micros),
        quantile(micros, 0.99),
        '100',
      ]);
    }
  }
}
printTable('Time', ['rows', 'back-dated', 'statements', 'query', 'proved', 'median µs', 'p99 µs', 'bound'], times);

const { gc } = globalThis;
if (gc === undefined) {
  console.log('\nMemory: run it as `node --expose-gc --import tsx bench/prove.ts`');
} else {
  const heap = (): number => {
    for (let n = 0; n < 3; n++) gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const held: Timeline[] = [];
  const memory = CONTENT_CHARACTERS.map((contentCharacters) => {
    const rows = 20_000;
    const before = heap();
    const timeline = build({ rows, backdatedShare: 0.005, contentCharacters });
    held.push(timeline);
    const perRow = (heap() - before) / rows;
    const raw = timeline.rawBytes / rows;
    const bound = 1.5 * raw + 200;
    return [rows, raw, perRow, perRow - raw, memoryBytes(timeline) / rows, bound, perRow <= bound ? 'yes' : 'NO'];
  });
  printTable('Memory, bytes a row', ['rows', 'raw', 'measured', 'over raw', 'own account', 'bound', 'kept'], memory);
  if (held.length === 0) throw new Error('nothing held');
}
