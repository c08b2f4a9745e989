// How long hits wait while the program does other things: at half of the load that it can take, sent whatever became of the
// requests before, beside bodies of 20 MB, seals, and conversations of which each puts out another. The same hits, beside the same
// reads, are asked of a server of which none of those reads is asked: what they wait there is the load's own.
//
//   npm run bench:busy -- [--seconds S] [--evictions N] [--only PART,PART] [--profile FOLDER]

import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { pin, yieldTo } from './busy/cores.ts';
import { WARM_UP_MS, type Order, type Seen } from './busy/open-loop.ts';
import { cpuMicros } from './hits/cpu.ts';
import { load } from './hits/load.ts';
import { startBackscroll, startPeer, type Answer, type Server } from './hits/servers.ts';
import { KEY, metricsOf, startModule, startPlainChatwoot, TOKEN, UNLIMITED } from './program.ts';
import { type Cell, printTable, quantile } from './table.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    evictions: { type: 'string', default: '500' },
    only: { type: 'string', default: '' },
    profile: { type: 'string', default: '' },
  },
});
const [seconds, evictions] = [Number(values.seconds), Number(values.evictions)];
if (![seconds, evictions].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--seconds and --evictions must be whole numbers above 0');
}

const ROWS = 200;
/** Accounts of conversations with 18 kB a page, with 20 MB a page of a thousand, and with much to seal. */
const [PAGES, LARGE, LONG] = [1, 2, 3];
const IDS_EACH = 1_000_000;
/** The key of those who ask for all else: what one client leaves unread is no reason to refuse another. */
const OTHERS_KEY = 'bench-others-key-0123456789';
/** So that it is full soon. */
const MEMORY = '64mb';
const [LARGE_EVERY_MS, LONG_EVERY_MS] = [2000, 500];
/** Of the program's own measure of its event loop, which is in it. */
const DELAY_RESOLUTION_MS = 10;

const chatwoot = await startPlainChatwoot(
  { rows: ROWS, contentBytes: 500 },
  { rows: 1000, contentBytes: 20_000 },
  { rows: 2000, contentBytes: 500 },
);
const nodeArgs = values.profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
// Its log goes nowhere: whoever took it would have to share a core with what measures, or with what is measured.
const program = await startBackscroll(
  'Backscroll',
  {
    ...UNLIMITED,
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: TOKEN,
    CLIENT_KEYS: `bench=${KEY},others=${OTHERS_KEY}`,
    CACHE_MEMORY: MEMORY,
  },
  nodeArgs,
);
const [hitter, forwarder] = [await startLoop(), await startLoop()];
const pools = new Map([program, chatwoot].map(({ url }) => [url, new Pool(url, { connections: 4 })]));

function startLoop(): ReturnType<typeof startModule> {
  return startModule(new URL('./busy/open-loop.ts', import.meta.url));
}

const messagesOf = (account: number, conversation: number | '{n}'): string =>
  `/api/v1/accounts/${account}/conversations/${conversation}/messages`;

async function read(from: string, path: string): Promise<string> {
  const { statusCode, headers, body } = await pools
    .get(from)!
    .request({ method: 'GET', path, headers: { api_access_token: OTHERS_KEY } });
  if (statusCode !== 200) throw new Error(`${path}: status ${statusCode}, ${await body.text()}`);
  await body.dump({ limit: Infinity });
  return String(headers['cache-status']);
}

/** Each has conversations of its own. */
let conversation = 1000;

/** The largest page there is, of a conversation that is not known. */
async function readLarge(from: string): Promise<void> {
  const first = ++conversation * IDS_EACH;
  await read(from, `${messagesOf(LARGE, conversation)}?after=${first}&before=${first + 2000}`);
}

/** History, twice: that has it sealed behind the second answer. */
async function readLong(from: string): Promise<void> {
  const first = ++conversation * IDS_EACH;
  for (const row of [1500, 1480]) await read(from, `${messagesOf(LONG, conversation)}?before=${first + row}`); // oxlint-disable-line no-await-in-loop
}

/** Does it every so often, until it is told to end. @returns how often that failed */
async function keepDoing(what: () => Promise<void>, everyMs: number, until: AbortSignal): Promise<number> {
  let failed = 0;
  while (!until.aborted) {
    const next = sleep(everyMs, undefined, { signal: until }).catch(() => {});
    // oxlint-disable no-await-in-loop -- one after the other
    await what().catch((error: Error) => {
      failed++;
      console.error(error.message);
    });
    await next;
    // oxlint-enable no-await-in-loop
  }
  return failed;
}

const HIT = `${messagesOf(PAGES, 1)}?before=${IDS_EACH + ROWS / 2}`;
for (let tries = 0; !(await read(program.url, HIT)).startsWith('backscroll; hit'); tries++) {
  if (tries === 20) throw new Error('it is no hit');
  await sleep(50);
}

/** The hit, for others to send. */
async function hit(): Promise<Answer> {
  const response = await fetch(program.url + HIT, { headers: { api_access_token: KEY, 'accept-encoding': 'identity' } });
  // Node writes these itself, for all servers alike.
  const own = new Set(['date', 'connection', 'keep-alive']);
  const headers = [...response.headers].filter(([name]) => !own.has(name)).flat();
  return { headers, body: Buffer.from(await response.arrayBuffer()).toString('latin1') };
}

const bare = await startPeer('bare node:http', 'bare', await hit());
for (const { pid } of [chatwoot, hitter, forwarder]) pin(pid, 1);
const most = await load({
  url: program.url + HIT,
  mix: [{ api_access_token: KEY }],
  connections: 32,
  seconds: Math.min(5, seconds),
});
const perSecond = Math.floor(most.perSecond / 2);
pin(process.pid, 1);
for (const pid of [chatwoot.pid, forwarder.pid, process.pid]) yieldTo(pid);

interface Beside {
  readonly name: string;
  readonly bodies?: boolean;
  readonly seals?: boolean;
  readonly evictions?: boolean;
}

/** @param from what the reads beside are asked of */
async function measure(hitsOf: Server, from: string, { name, ...beside }: Beside): Promise<Cell[]> {
  const over = new AbortController();
  const order: Order = { url: hitsOf.url, key: KEY, path: HIT, from: 0, perSecond, seconds: seconds + WARM_UP_MS / 1000 };
  const others = {
    ...order,
    url: from,
    key: OTHERS_KEY,
    path: messagesOf(PAGES, '{n}'),
    from: 1_000_000 + conversation,
    perSecond: evictions,
  };
  await programDelaysMs();
  const [cpuBefore, startedAt] = [cpuMicros(hitsOf.pid), performance.now()];
  const [seen, forwarded, ...failures] = await Promise.all([
    hitter.ask<Seen>(order).finally(() => over.abort()),
    beside.evictions === true ? forwarder.ask<Seen>(others) : null,
    beside.bodies === true ? keepDoing(() => readLarge(from), LARGE_EVERY_MS, over.signal) : null,
    beside.seals === true ? keepDoing(() => readLong(from), LONG_EVERY_MS, over.signal) : null,
  ]);
  const cpuPercent = (cpuMicros(hitsOf.pid) - cpuBefore) / (performance.now() - startedAt) / 10;
  conversation += evictions * order.seconds;
  const { times, failed, lateInSending, lateInTurning } = seen;
  const late = forwarded === null ? ['', ''] : [quantile(forwarded.times, 0.5), quantile(forwarded.times, 0.99)];
  const shares = [0.5, 0.99, 0.999].map((share) => quantile(times, share));
  const delays = hitsOf === program ? await programDelaysMs() : ['', ''];
  const allFailed = [forwarded?.failed, ...failures].reduce<number>((sum, each) => sum + (each ?? 0), failed);
  return [
    hitsOf.name,
    name,
    ...shares,
    quantile(times, 1),
    ...delays,
    lateInSending,
    lateInTurning,
    Math.round(cpuPercent),
    allFailed,
    ...late,
  ];
}

/** How late the program's event loop was since this was asked before: at its slowest per cent, and at most. */
async function programDelaysMs(): Promise<[number, number]> {
  const metric = await metricsOf(program.url);
  const delayMs = (which: string): number => metric(`nodejs_eventloop_lag_${which}_seconds`) * 1000 - DELAY_RESOLUTION_MS;
  return [delayMs('p99'), delayMs('max')];
}

/** Reads conversations until each new one puts out another. */
async function fill(): Promise<void> {
  let known = -1;
  for (;;) {
    const now = (await metricsOf(program.url))('backscroll_cache_conversations');
    if (now <= known) return;
    known = now;
    await Promise.all(Array.from({ length: 500 }, () => read(program.url, messagesOf(PAGES, ++conversation))));
  }
}

const NOTHING: Beside = { name: 'nothing' };
const BODIES: Beside = { name: 'bodies of 20 MB', bodies: true };
const SEALS: Beside = { name: 'seals', seals: true };
const EVICTIONS: Beside = { name: 'evictions', evictions: true };
const ALL: Beside = { name: 'all of it', bodies: true, seals: true, evictions: true };
const only = values.only.split(',');
const wanted = (beside: Beside): boolean => only.some((part) => beside.name.includes(part));
const rows: Cell[][] = [];
// oxlint-disable no-await-in-loop -- one after the other
for (const beside of [NOTHING, BODIES, SEALS].filter(wanted)) rows.push(await measure(program, program.url, beside));
await fill();
for (const beside of [EVICTIONS, ALL].filter(wanted)) rows.push(await measure(program, program.url, beside));
for (const beside of [NOTHING, BODIES, ALL].filter(wanted)) rows.push(await measure(bare, chatwoot.url, beside));
// oxlint-enable no-await-in-loop
printTable(
  `${perSecond} hits a second, half of ${Math.round(most.perSecond)}, for ${seconds} s each; a body every ${LARGE_EVERY_MS} ms, a seal every ${LONG_EVERY_MS} ms, ${evictions} evictions a second; ms`,
  [
    'asked',
    'beside',
    'p50',
    'p99',
    'p99.9',
    'most',
    'it late',
    'at most',
    'sent late',
    'loader late',
    'its CPU %',
    'failed',
    'forwarded p50',
    'forwarded p99',
  ],
  rows,
);
console.log(`
Times count from when a request was due. What the bare server's hits wait is the load's own: nothing else is asked of it, and the same is read beside.
Late, p99: the event loop of what is asked, requests behind when they were due, the event loop of what sends and takes them.
Forwarded reads and all but hits give way to what sends those: they wait for their own callers and Chatwoot, too.
Bound: 5 at p99 of hits beside all of it.`);
for (const pool of pools.values()) await pool.close(); // oxlint-disable-line no-await-in-loop
for (const each of [hitter, forwarder, program, bare, chatwoot]) await each.stop(); // oxlint-disable-line no-await-in-loop
