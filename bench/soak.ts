// A long run under load with faults now and then: does memory or the number of handles grow?
//
//   npm run soak [-- --minutes N] [--rate requests-a-second]

import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { Pool } from 'undici';
import { pino } from 'pino';
import { buildApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import type { Fault } from '../test/support/fake-chatwoot/fault.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import { seededRandom } from '../test/support/fake-chatwoot/seeded-random.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '200' } },
});
const RUN_MS = Number(values.minutes) * 60_000;
const RATE = Number(values.rate);
if (!(RUN_MS > 0) || !(RATE > 0)) throw new Error('--minutes and --rate must be numbers above 0');
/** Not less often than this, and often enough for quarters of short runs. */
const LOOK_EVERY_MS = Math.min(30_000, RUN_MS / 12);
const FAULT_EVERY_MS = 7_000;
const FAULT_FOR_MS = 1_500;
const HEAP_GROWTH_MAX = 0.2;
const UPSTREAM_CONNECTIONS = 16;
const CALLER_CONNECTIONS = 32;
/** Timers of what is just ending. */
const OTHERS_SLACK = 4;
/** Pools open connections in bursts and close them when idle. Each has both ends here; two servers listen. */
const SOCKETS_MAX = 2 * (UPSTREAM_CONNECTIONS + CALLER_CONNECTIONS) + 2;
const KEY = 'key-of-the-soak-run';
const CONVERSATIONS = [1, 1, 1, 2, 2, 3, 4, 5, 6, 99];
const MEBIBYTE = 1024 * 1024;

const FAULTS: readonly Fault[] = [
  { kind: 'refuse-headers-reset' },
  { kind: 'reset-mid-body' },
  { kind: 'truncated' },
  { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503 },
  { kind: 'hang' },
  { kind: 'slow-drip', bytesPerChunk: 50, everyMs: 100 },
  { kind: 'huge', bytes: 2 * MEBIBYTE, chunked: true },
  { kind: 'not-json' },
  { kind: 'wrong-shape' },
];

interface Look {
  readonly at: number;
  readonly heap: number;
  readonly sockets: number;
  /** Handles beside sockets: timers, files, workers. */
  readonly others: number;
}

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

const random = seededRandom(7);
const chatwoot = await startSampleChatwoot();
const config = loadConfig({
  CHATWOOT_URL: chatwoot.url,
  CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
  CLIENT_KEYS: `soak=${KEY}`,
  ADMIN_KEYS: `soak=${KEY}-of-the-admin`,
  RATE_LIMIT: '1000000/1s',
  UPSTREAM_CONNECTIONS: String(UPSTREAM_CONNECTIONS),
  UPSTREAM_TIMEOUT: '500ms',
  UPSTREAM_BODY_MAX: '1mb',
  // Small, so that it is full soon: what grows after that is a leak.
  CACHE_MEMORY: '1mb',
  SHADOW_RATE: '0.01',
});
const app = await buildApp({ config, logger: pino({ level: 'silent' }) });
const url = await app.http.listen({ host: '127.0.0.1', port: 0 });
const pool = new Pool(url, { connections: CALLER_CONNECTIONS });
const answers = new Map<string, number>();
const looks: Look[] = [];
let wrong = 0;

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

function targetOf(conversation: number): string {
  const path = `/api/v1/accounts/1/conversations/${conversation}/messages`;
  if (!chatwoot.table.hasConversation(1, conversation) || random() < 0.4) return path;
  const rows = chatwoot.table.rows(1, conversation);
  const row = rows[Math.floor(random() * rows.length)];
  if (row === undefined) return path;
  const chance = random();
  if (chance < 0.7) return `${path}?before=${row.id}`;
  return chance < 0.85
    ? `${path}?after=${row.id}`
    : `${path}?after=${row.id}&before=${row.id + 50}&filter_internal_messages=true`;
}

async function ask(): Promise<void> {
  const headers = { api_access_token: KEY, ...(random() < 0.03 ? { 'cache-control': 'no-cache' } : {}) };
  const gone = new AbortController();
  // Some callers do not wait for their answer.
  const timer = random() < 0.01 ? setTimeout(() => gone.abort(), 20) : undefined;
  let word: string;
  try {
    const path = targetOf(pick(CONVERSATIONS));
    const answer = await pool.request({ method: 'GET', path, headers, signal: gone.signal });
    await answer.body.dump({ limit: Infinity });
    word = String(answer.statusCode);
    if (![200, 404, 502, 503, 504].includes(answer.statusCode)) wrong++;
  } catch {
    word = gone.signal.aborted ? 'left' : 'broken';
    if (word === 'broken') wrong++;
  } finally {
    clearTimeout(timer);
  }
  answers.set(word, (answers.get(word) ?? 0) + 1);
}

/** Chatwoot lives: rows are written, changed and deleted, of which none become more. */
function live(): void {
  const conversation = pick([1, 2, 3, 4]);
  chatwoot.table.insert({ accountId: 1, conversationId: conversation, content: 'soaking' });
  const rows = chatwoot.table.rows(1, conversation);
  chatwoot.table.hardDelete(rows[0]!.id);
  chatwoot.table.edit(pick(rows.slice(1)).id, { content: 'soaked' });
}

async function purge(): Promise<void> {
  const headers = { api_access_token: `${KEY}-of-the-admin` };
  const answer = await pool.request({ method: 'DELETE', path: '/admin/cache?account=1&conversation=1', headers });
  await answer.body.dump();
}

function look(at: number): void {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo();
  const sockets = handles.filter((name) => name.startsWith('TCP')).length;
  const seen = { at, heap: (heapUsed + external) / MEBIBYTE, sockets, others: handles.length - sockets };
  looks.push(seen);
  const { bytes, conversations, inFlight } = app.readThrough.size;
  console.log(
    `${(at / 1000).toFixed(0).padStart(5)} s  heap ${seen.heap.toFixed(1)} MiB  handles ${handles.length}, of them sockets ${sockets}  ` +
      `cache ${(bytes / MEBIBYTE).toFixed(2)} MiB of ${conversations} conversations  in flight ${inFlight}  ` +
      `answers ${[...answers].map(([word, count]) => `${word}: ${count}`).join(', ')}`,
  );
}

/** What was seen in a quarter of the run, counted from 0, in rising order. */
function ofQuarter(quarter: number, of: (look: Look) => number): number[] {
  const from = (RUN_MS * quarter) / 4;
  const inQuarter = looks.filter(({ at }) => at > from && at <= from + RUN_MS / 4);
  return inQuarter.map(of).toSorted((first, second) => first - second);
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const startedAt = performance.now();
const elapsed = (): number => performance.now() - startedAt;
const asking = new Set<Promise<void>>();
let [asked, lives, purges] = [0, 0, 0];
const lookTimes = Array.from({ length: Math.round(RUN_MS / LOOK_EVERY_MS) }, (_, n) => (n + 1) * LOOK_EVERY_MS);

chatwoot.fault = () => {
  const at = elapsed() % FAULT_EVERY_MS;
  return at < FAULT_FOR_MS ? FAULTS[Math.floor(elapsed() / FAULT_EVERY_MS) % FAULTS.length] : undefined;
};

while (lookTimes.length > 0) {
  const at = elapsed();
  for (; asked < (at / 1000) * RATE && asking.size < 200; asked++) {
    const one = ask().finally(() => asking.delete(one));
    asking.add(one);
  }
  // What could not be asked in time is not made up for.
  asked = Math.max(asked, Math.floor((at / 1000) * RATE) - 200);
  for (; lives < at / 500; lives++) live();
  for (; purges < at / 20_000; purges++) await purge();
  if (at >= lookTimes[0]!) {
    // Between requests: what is under way now and was not before says nothing.
    await Promise.all(asking);
    await app.readThrough.idle();
    chatwoot.clearLog();
    look(lookTimes.shift()!);
  }
  await sleep(10);
}

await pool.close();
await app.close();
await chatwoot.close();
const [heapBefore, heapAfter] = [1, 3].map((quarter) => median(ofQuarter(quarter, ({ heap }) => heap))) as [number, number];
// The fewest others: timers of requests and sleeps come and go.
const [othersBefore, othersAfter] = [1, 3].map((quarter) => ofQuarter(quarter, ({ others }) => others)[0] ?? NaN) as [
  number,
  number,
];
const sockets = Math.max(...looks.map((seen) => seen.sockets));
const growth = heapAfter / heapBefore - 1;
console.log(
  `\nfrom the second quarter to the last: heap ${heapBefore.toFixed(1)} to ${heapAfter.toFixed(1)} MiB ` +
    `(${(100 * growth).toFixed(1)} %), other handles than sockets ${othersBefore} to ${othersAfter}, sockets at most ${sockets} of ${SOCKETS_MAX}, answers that should not be: ${wrong}`,
);
if (!(growth <= HEAP_GROWTH_MAX) || !(othersAfter <= othersBefore + OTHERS_SLACK) || sockets > SOCKETS_MAX || wrong > 0)
  process.exitCode = 1;
