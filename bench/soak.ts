// A long run under load, with faults now and then and hostile callers beside honest ones: do the honest ones get what they get
// alone, and does memory or the number of descriptors grow?
//
//   npm run soak [-- --minutes N] [--rate requests-a-second]
//
//   alone ├── a fifth ──┤ honest callers only
//         beside        ├── the rest: hostile ones, too ──┤ after: all have gone
//
// Both parts are made of cycles: two thirds in which nothing is wrong with Chatwoot, in which honest callers are compared, then
// faults, then time to recover from them. Memory and descriptors are looked at all along, and compared between the second quarter
// of the hostile part and its last.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import type { Fault } from '../test/support/fake-chatwoot/fault.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import { seededRandom } from '../test/support/fake-chatwoot/seeded-random.ts';
import { ADMIN_KEY, clientsFileText, credentialSettings } from './soak/credentials.ts';
import { Fare, Honest } from './soak/honest.ts';
import type { HostileCounts, HostileOrders } from './soak/hostile.ts';
import { startSoaked } from './soak/program.ts';
import type { Look } from './soak/verdict.ts';
import { printFares, printVerdict } from './soak/verdict.ts';

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

const RUN_MS = minutes * 60_000;
const ALONE_MS = RUN_MS / 5;
const BESIDE_MS = RUN_MS - ALONE_MS;
const CYCLE_MS = Math.min(60_000, ALONE_MS);
const CALM_SHARE = 2 / 3;
const FAULTS_UNTIL_SHARE = 5 / 6;
/** Within the faulty part of a cycle. */
const FAULT_EVERY_MS = 3_000;
const FAULT_FOR_MS = 1_500;
const LOOK_EVERY_MS = Math.min(15_000, BESIDE_MS / 12);
/** For connections that were just closed, and buffers that are let go. */
const AFTERWARDS_MS = Math.min(15_000, RUN_MS / 10);

const SOCKETS_SLACK = 20;
const UPSTREAM_CONNECTIONS = 16;
const CALLER_CONNECTIONS = 32;
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
const pool = new Pool(program.url, { connections: CALLER_CONNECTIONS });
const honest = new Honest(pool, chatwoot.table);
const fares = { alone: new Fare(), beside: new Fare(), faulty: new Fare() };
const looks: Look[] = [];

const startedAt = performance.now();
const elapsed = (): number => performance.now() - startedAt;

/** Where in its cycle a moment of the run is, 0 to 1. */
function placeInCycle(at: number): number {
  return (at % CYCLE_MS) / CYCLE_MS;
}

function fareOf(began: number, ended: number): Fare {
  const [from, until] = [began - startedAt, ended - startedAt];
  const isCalm = placeInCycle(from) < CALM_SHARE && placeInCycle(until) < CALM_SHARE && until - from < CYCLE_MS / 2;
  if (!isCalm) return fares.faulty;
  return from < ALONE_MS ? fares.alone : fares.beside;
}

chatwoot.fault = () => {
  const place = placeInCycle(elapsed());
  if (place < CALM_SHARE || place > FAULTS_UNTIL_SHARE) return undefined;
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

/** How late the process of the honest callers and of Chatwoot is: of their times, what is not the program's. */
const ownDelay = monitorEventLoopDelay({ resolution: 10 });
ownDelay.enable();

async function look(): Promise<Look> {
  const seen = { at: elapsed(), ...(await program.look()) };
  const ownDelayMs = ownDelay.max / 1e6;
  ownDelay.reset();
  const [heap, rss] = [seen.heapBytes / MEBIBYTE, seen.rssBytes / MEBIBYTE];
  console.log(
    `${(seen.at / 1000).toFixed(0).padStart(5)} s  heap ${heap.toFixed(1)} MiB  RSS ${rss.toFixed(0)} MiB  descriptors ${seen.descriptors}  ` +
      `sockets ${seen.sockets}  other handles ${seen.others}  cache ${(seen.cache.bytes / MEBIBYTE).toFixed(2)} MiB of ` +
      `${seen.cache.conversations} conversations  in flight ${seen.cache.inFlight}  ` +
      `late by ${seen.loopDelayMs.toFixed(0)} ms, the callers by ${ownDelayMs.toFixed(0)} ms`,
  );
  return seen;
}

/** The hostile callers, in a process of their own. */
async function startHostile(orders: HostileOrders): Promise<{ count(): Promise<HostileCounts>; stop(): Promise<void> }> {
  const child = fork(new URL('./soak/hostile.ts', import.meta.url), { execArgv: ['--import', 'tsx'] });
  // They would have machines of their own: what they send here costs the program its time, and the honest callers none of theirs.
  setPriority(child.pid!, constants.priority.PRIORITY_LOW);
  const closed = once(child, 'close');
  await once(child, 'message');
  child.send(orders);
  return {
    async count() {
      child.send('count');
      const [counts] = (await once(child, 'message')) as [HostileCounts];
      return counts;
    },
    async stop() {
      child.kill();
      await closed;
    },
  };
}

const asking = new Set<Promise<void>>();
let [asked, lives, purges, nextLook] = [0, 0, 0, LOOK_EVERY_MS];

/** Runs until `endAt`, ms of the run. */
async function runUntil(endAt: number): Promise<void> {
  while (elapsed() < endAt && program.ended() === undefined) {
    const at = elapsed();
    for (; asked < (at / 1000) * RATE && asking.size < 200; asked++) {
      const one = honest.ask(fareOf).finally(() => asking.delete(one));
      asking.add(one);
    }
    // What could not be asked in time is not made up for.
    asked = Math.max(asked, Math.floor((at / 1000) * RATE) - 200);
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

await runUntil(ALONE_MS);
const alone = await look();
const hostile = HOSTILE === 0 ? null : await startHostile({ port: Number(new URL(program.url).port), size: HOSTILE });
await runUntil(RUN_MS);
const met = (await hostile?.count()) ?? {};
await hostile?.stop();
await Promise.all(asking);
await sleep(AFTERWARDS_MS);
console.log('\nafterwards:');
const afterwards = await look();
const ended = program.ended();
await pool.close();
await program.stop();
await chatwoot.close();
await rm(folder, { recursive: true });

printFares(fares, met);
const verdict = {
  fares,
  looks,
  alone,
  afterwards,
  besideFromMs: ALONE_MS,
  besideMs: BESIDE_MS,
  unexpected: honest.unexpected,
  ended,
};
if (!printVerdict({ ...verdict, socketsAfterMax: UPSTREAM_CONNECTIONS + CALLER_CONNECTIONS + SOCKETS_SLACK }))
  process.exitCode = 1;
