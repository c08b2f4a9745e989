// A long run under load, with faults now and then and hostile callers beside honest ones: do the honest ones get what they get
// alone, and does memory or the number of descriptors grow?
//
//   npm run soak [-- --minutes N] [--rate requests-a-second]
//
// Honest callers are alone at first, then hostile ones beside them, then all have gone. Memory and descriptors are looked at all
// along, and compared between the second quarter of the hostile part and its last. The program, the honest callers, the hostile ones
// and Chatwoot are a process each.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import type { Fault } from '../test/support/fake-chatwoot/fault.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import { seededRandom } from '../test/support/fake-chatwoot/seeded-random.ts';
import type { CallersOrders, CallersTold } from './soak/callers.ts';
import { courseOf, hasFaults } from './soak/course.ts';
import { ADMIN_KEY, clientsFileText, credentialSettings } from './soak/credentials.ts';
import { CALLER_CONNECTIONS } from './soak/honest.ts';
import type { HostileCounts, HostileOrders } from './soak/hostile.ts';
import { startSoaked } from './soak/program.ts';
import type { Look } from './soak/verdict.ts';
import { printFares, printVerdict } from './soak/verdict.ts';
import { startWorker } from './soak/worker.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '60' },
    /** Share of the full number and pace of hostile callers. */
    hostile: { type: 'string', default: '1' },
  },
});
const [minutes, RATE, HOSTILE] = [Number(values.minutes), Number(values.rate), Number(values.hostile)];
if (!(minutes > 0) || !(RATE > 0) || !(HOSTILE >= 0)) throw new Error('--minutes, --rate and --hostile must be numbers above 0');

const course = courseOf(minutes);
const { runMs, aloneMs } = course;
const besideMs = runMs - aloneMs;
/** Within the faulty part of a cycle. */
const FAULT_EVERY_MS = 3_000;
const FAULT_FOR_MS = 1_500;
const LOOK_EVERY_MS = Math.min(15_000, besideMs / 12);
/** For connections that were just closed, and buffers that are let go. */
const AFTERWARDS_MS = Math.min(15_000, runMs / 10);

const SOCKETS_SLACK = 20;
const UPSTREAM_CONNECTIONS = 16;
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

const random = seededRandom(7);
const folder = await mkdtemp(join(tmpdir(), 'backscroll-soak-'));
const clientsFile = join(folder, 'clients.json');
await writeFile(clientsFile, clientsFileText('6000/1m', '1800/1m'));
const chatwoot = await startSampleChatwoot();
const program = await startSoaked({
  CHATWOOT_URL: chatwoot.url,
  CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
  ...credentialSettings(clientsFile),
  PORT: '0',
  LOG_LEVEL: 'silent',
  RATE_LIMIT: '300/1m',
  // More than all want together: where they want more, reads wait for their turn, and the law of the line says how long.
  UPSTREAM_RATE: '24000/1m',
  UPSTREAM_CONNECTIONS: String(UPSTREAM_CONNECTIONS),
  UPSTREAM_TIMEOUT: '500ms',
  UPSTREAM_BODY_MAX: '1mb',
  // Small, so that it is full soon: what grows after that is a leak.
  CACHE_MEMORY: '1mb',
  SHADOW_RATE: '0.01',
});
const pool = new Pool(program.url);
const looks: Look[] = [];

const callers = await startWorker<CallersOrders, CallersTold>('./callers.ts', constants.priority.PRIORITY_NORMAL);
// They would have machines of their own: what they send here costs the program its time, and the honest callers none of theirs.
const hostile = await startWorker<HostileOrders, HostileCounts>('./hostile.ts', constants.priority.PRIORITY_LOW);

const startedAt = performance.now();
const elapsed = (): number => performance.now() - startedAt;

chatwoot.fault = () => {
  if (!hasFaults(course, elapsed())) return undefined;
  return elapsed() % FAULT_EVERY_MS < FAULT_FOR_MS ? FAULTS[Math.floor(elapsed() / FAULT_EVERY_MS) % FAULTS.length] : undefined;
};

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
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
  const headers = { api_access_token: ADMIN_KEY };
  const answer = await pool.request({ method: 'DELETE', path: '/admin/cache?account=1&conversation=1', headers });
  await answer.body.dump();
}

async function look(): Promise<Look> {
  const seen = { at: elapsed(), ...(await program.look()) };
  const { lateMs } = await callers.ask();
  const [heap, rss] = [seen.heapBytes / MEBIBYTE, seen.rssBytes / MEBIBYTE];
  console.log(
    `${(seen.at / 1000).toFixed(0).padStart(5)} s  heap ${heap.toFixed(1)} MiB  RSS ${rss.toFixed(0)} MiB  descriptors ${seen.descriptors}  ` +
      `sockets ${seen.sockets}  other handles ${seen.others}  cache ${(seen.cache.bytes / MEBIBYTE).toFixed(2)} MiB of ` +
      `${seen.cache.conversations} conversations  in flight ${seen.cache.inFlight}  ` +
      `late by ${seen.loopDelayMs.toFixed(0)} ms, the callers by ${lateMs.toFixed(0)} ms`,
  );
  return seen;
}

let [lives, purges, nextLook] = [0, 0, LOOK_EVERY_MS];

/** Runs until `endAt`, ms of the run. */
async function runUntil(endAt: number): Promise<void> {
  while (elapsed() < endAt && program.ended() === undefined) {
    const at = elapsed();
    for (; lives < at / 500; lives++) live();
    for (; purges < at / 20_000; purges++) await purge();
    if (at >= nextLook) {
      nextLook += LOOK_EVERY_MS;
      chatwoot.clearLog();
      looks.push(await look());
    }
    await sleep(5);
  }
}

callers.begin({ url: program.url, startedAt: performance.timeOrigin + startedAt, course, rate: RATE });
await runUntil(aloneMs);
const alone = await look();
if (HOSTILE > 0) hostile.begin({ port: Number(new URL(program.url).port), size: HOSTILE });
await runUntil(runMs);
const met = await hostile.ask();
await hostile.stop();
await sleep(AFTERWARDS_MS);
console.log('\nafterwards:');
const afterwards = await look();
const { fares, unexpected } = await callers.ask();
await callers.stop();
const ended = program.ended();
await pool.close();
await program.stop();
await chatwoot.close();
await rm(folder, { recursive: true });

printFares(fares, met);
const verdict = { fares, looks, alone, afterwards, besideFromMs: aloneMs, besideMs, unexpected, ended };
if (!printVerdict({ ...verdict, socketsAfterMax: UPSTREAM_CONNECTIONS + CALLER_CONNECTIONS + SOCKETS_SLACK }))
  process.exitCode = 1;
