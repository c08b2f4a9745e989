// How long hits wait while the program does other things: at half of the load that it can take, sent whatever became of the
// requests before, beside bodies of 20 MB, seals, and conversations of which each puts out another.
//
//   npm run bench:busy -- [--seconds S] [--evictions N]

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import type { Order, Seen } from './busy/open-loop.ts';
import { load, pinned } from './hits/load.ts';
import { KEY, metricsOf, startModule, startPlainChatwoot, startProgram } from './program.ts';
import { type Cell, printTable, quantile } from './table.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '8' }, evictions: { type: 'string', default: '500' } },
});
const [seconds, evictions] = [Number(values.seconds), Number(values.evictions)];
if (![seconds, evictions].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--seconds and --evictions must be whole numbers above 0');
}

const ROWS = 200;
/** Accounts of conversations with 18 kB a page, with 20 MB a page of a thousand, and with much to seal. */
const [PAGES, LARGE, LONG] = [1, 2, 3];
const IDS_EACH = 1_000_000;
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
const program = await startProgram(chatwoot.url, { CACHE_MEMORY: MEMORY });
const [hitter, forwarder] = [await startLoop(), await startLoop()];
const pool = new Pool(program.url, { connections: 4 });
for (const { pid } of [program, chatwoot, hitter, forwarder]) {
  const [command, ...args] = pinned(pid === program.pid ? 0 : 1);
  if (command !== undefined) execFileSync(command, ['-a', '-p', ...args, String(pid)], { stdio: 'ignore' });
}

function startLoop(): ReturnType<typeof startModule> {
  return startModule(new URL('./busy/open-loop.ts', import.meta.url));
}

const messagesOf = (account: number, conversation: number | '{n}'): string =>
  `/api/v1/accounts/${account}/conversations/${conversation}/messages`;

async function read(path: string): Promise<string> {
  const { statusCode, headers, body } = await pool.request({ method: 'GET', path, headers: { api_access_token: KEY } });
  await body.dump({ limit: Infinity });
  if (statusCode !== 200) throw new Error(`${path}: status ${statusCode}`);
  return String(headers['cache-status']);
}

/** Each has conversations of its own. */
let conversation = 1000;

/** The largest page there is, of a conversation that is not known. */
async function readLarge(): Promise<void> {
  const first = ++conversation * IDS_EACH;
  await read(`${messagesOf(LARGE, conversation)}?after=${first}&before=${first + 2000}`);
}

/** History, twice: that has it sealed behind the second answer. */
async function readLong(): Promise<void> {
  const first = ++conversation * IDS_EACH;
  for (const row of [1500, 1480]) await read(`${messagesOf(LONG, conversation)}?before=${first + row}`); // oxlint-disable-line no-await-in-loop
}

/** Does it every so often, until it is told to end. */
async function keepDoing(what: () => Promise<void>, everyMs: number, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    const next = sleep(everyMs, undefined, { signal: until }).catch(() => {});
    await what(); // oxlint-disable-line no-await-in-loop -- one after the other
    await next; // oxlint-disable-line no-await-in-loop
  }
}

const HIT = `${messagesOf(PAGES, 1)}?before=${IDS_EACH + ROWS / 2}`;
for (let tries = 0; !(await read(HIT)).startsWith('backscroll; hit'); tries++) {
  if (tries === 20) throw new Error('it is no hit');
  await sleep(50);
}
const most = await load({
  url: program.url + HIT,
  mix: [{ api_access_token: KEY }],
  connections: 32,
  seconds: Math.min(5, seconds),
});
const perSecond = Math.floor(most.perSecond / 2);

interface Beside {
  readonly name: string;
  readonly bodies?: boolean;
  readonly seals?: boolean;
  readonly evictions?: boolean;
}

async function measure({ name, ...beside }: Beside): Promise<Cell[]> {
  const over = new AbortController();
  const order: Order = { url: program.url, path: HIT, from: 0, perSecond, seconds: seconds + 1 };
  const others = { ...order, path: messagesOf(PAGES, '{n}'), from: 1_000_000 + conversation, perSecond: evictions };
  await programDelayMs();
  const [{ times, failed, ownDelayMs }, forwarded] = await Promise.all([
    hitter.ask<Seen>(order).finally(() => over.abort()),
    beside.evictions === true ? forwarder.ask<Seen>(others) : null,
    beside.bodies === true ? keepDoing(readLarge, LARGE_EVERY_MS, over.signal) : null,
    beside.seals === true ? keepDoing(readLong, LONG_EVERY_MS, over.signal) : null,
  ]);
  conversation += evictions * (seconds + 1);
  const late = forwarded === null ? ['', ''] : [quantile(forwarded.times, 0.5), quantile(forwarded.times, 0.99)];
  const shares = [0.5, 0.99, 0.999].map((share) => quantile(times, share));
  const delays = [await programDelayMs(), ownDelayMs];
  return [name, ...shares, quantile(times, 1), ...delays, failed + (forwarded?.failed ?? 0), ...late];
}

/** How late the program's event loop was since this was asked before, at its slowest per cent. */
async function programDelayMs(): Promise<number> {
  return (await metricsOf(program.url))('nodejs_eventloop_lag_p99_seconds') * 1000 - DELAY_RESOLUTION_MS;
}

/** Reads conversations until each new one puts out another. */
async function fill(): Promise<void> {
  let known = -1;
  for (;;) {
    const now = (await metricsOf(program.url))('backscroll_cache_conversations');
    if (now <= known) return;
    known = now;
    await Promise.all(Array.from({ length: 500 }, () => read(messagesOf(PAGES, ++conversation))));
  }
}

const rows: Cell[][] = [];
// oxlint-disable no-await-in-loop -- one after the other
for (const beside of [{ name: 'nothing' }, { name: 'bodies of 20 MB', bodies: true }, { name: 'seals', seals: true }]) {
  rows.push(await measure(beside));
}
await fill();
for (const beside of [
  { name: 'evictions', evictions: true },
  { name: 'all of it', bodies: true, seals: true, evictions: true },
]) {
  rows.push(await measure(beside));
}
// oxlint-enable no-await-in-loop
printTable(
  `${perSecond} hits a second, half of ${Math.round(most.perSecond)}, for ${seconds} s each; a body every ${LARGE_EVERY_MS} ms, a seal every ${LONG_EVERY_MS} ms, ${evictions} evictions a second; ms`,
  ['beside', 'p50', 'p99', 'p99.9', 'most', 'program late', 'loader late', 'failed', 'forwarded p50', 'forwarded p99'],
  rows,
);
console.log('\nLate: the event loop of each, p99. Bound: 5 at p99 of hits beside all of it');
await pool.close();
for (const each of [hitter, forwarder, program, chatwoot]) await each.stop(); // oxlint-disable-line no-await-in-loop
