// What a hit costs: CPU time per request of the built program, against bare servers, the usual stack, and other caches.
//
//   npm run bench:hits -- [--rounds N] [--seconds S] [--warm-up S] [--connections C] [--only TRAFFIC,TRAFFIC]
//
// Each server is a process on one core, the load generator has the other. Servers are loaded in turn, never two at once, and each
// between the two that it is measured against: what else the machine does changes within seconds. What is counted is a server at work:
// one that rested has given memory back and is loaded first, uncounted.

import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Directory } from '../../test/support/fake-chatwoot/directory.ts';
import { FakeChatwoot } from '../../test/support/fake-chatwoot/fake-chatwoot.ts';
import { MessageTable } from '../../test/support/fake-chatwoot/message-table.ts';
import { median, printTable } from '../table.ts';
import { cpuMicros } from './cpu.ts';
import { load, LOADER, type HeaderList, type Loaded } from './load.ts';
import { startBackscroll, startNginx, startPeer, startRedis, startVarnish, type Answer, type Server } from './servers.ts';
import { KEY, traffics } from './traffic.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '1' },
    connections: { type: 'string', default: '32' },
    only: { type: 'string', default: '' },
  },
});
const [rounds, seconds, connections] = [Number(values.rounds), Number(values.seconds), Number(values.connections)];
if (![rounds, seconds, connections].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--rounds, --seconds and --connections must be whole numbers above 0');
}

const warmUp = Number(values['warm-up']);
if (!Number.isInteger(warmUp) || warmUp < 0) throw new Error('--warm-up must be a whole number');

const TOKEN = 'bench-chatwoot-token';
const PAGE_BYTES = 18_000;
const ROWS = 200;
const DAY_MS = 86_400_000;
const TARGET = `/api/v1/accounts/1/conversations/1/messages?before=${ROWS / 2}`;

async function startFake(): Promise<FakeChatwoot> {
  const table = new MessageTable();
  table.addConversation(1, 1);
  const plainBytes = table.body(1, 1, {}).length;
  const rowBytes = Math.floor((PAGE_BYTES - plainBytes) / 20) - 1;
  for (let n = 0; n < ROWS; n++) {
    const draft = { accountId: 1, conversationId: 1, createdAtUs: (Date.now() - DAY_MS - (ROWS - n) * 60_000) * 1000 };
    const { id, json } = table.insert({ ...draft, content: '' });
    table.edit(id, { content: WORDS.slice(n, n + Math.max(0, rowBytes - json.length)) });
  }
  const directory = new Directory();
  const user = { id: 1, name: 'Admin', email: 'admin@example.com', pubsubToken: 'p' };
  directory.join(user, 1, { role: 'administrator' });
  directory.addToken(TOKEN, user);
  return FakeChatwoot.start({ table, directory });
}

/** Asks until it is a hit, and then once more: a coding may be made behind the first. */
async function hitOf(url: string, headers: HeaderList): Promise<Answer> {
  let hits = 0;
  for (let n = 0; n < 20; n++) {
    // oxlint-disable-next-line no-await-in-loop
    const { answer, cacheStatus } = await fetchRaw(url, headers);
    if (cacheStatus.startsWith('backscroll; hit')) hits++;
    if (hits === 5) return answer;
    // oxlint-disable-next-line no-await-in-loop
    if (hits > 0) await sleep(50);
  }
  throw new Error(`${url} is no hit`);
}

function fetchRaw(url: string, headers: HeaderList): Promise<{ answer: Answer; cacheStatus: string }> {
  // Node writes these itself, for all servers alike.
  const own = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);
  return new Promise((resolve, reject) => {
    const request = get(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const kept = response.rawHeaders.filter((_, at, all) => !own.has((all[at - (at % 2)] ?? '').toLowerCase()));
        const answer = { headers: kept, body: Buffer.concat(chunks).toString('latin1') };
        resolve({ answer, cacheStatus: String(response.headers['cache-status']) });
      });
    });
    request.on('error', reject);
  });
}

function codingOf({ headers }: Answer): string {
  const at = headers.findIndex((name, n) => n % 2 === 0 && name.toLowerCase() === 'content-encoding');
  return at < 0 ? 'identity' : headers[at + 1]!;
}

interface Row {
  readonly server: Server;
  readonly mix: readonly HeaderList[];
  /** Of each round: µs, and those of bare and stock just before and after. */
  readonly cpu: number[];
  readonly bareCpu: number[];
  readonly stockCpu: number[];
  readonly perSecond: number[];
  answerBytes: number;
}

/** @returns the CPU time of one hit, µs */
async function measure(server: Server, mix: readonly HeaderList[]): Promise<Loaded & { readonly cpu: number }> {
  const order = { url: server.url + TARGET, mix, connections };
  if (warmUp > 0) await load({ ...order, seconds: warmUp });
  const before = cpuMicros(server.pid);
  const loaded = await load({ ...order, seconds });
  return { ...loaded, cpu: (cpuMicros(server.pid) - before) / loaded.requests };
}

const WORDS = Array.from({ length: 2000 }, (_, n) => `word${(n * 7919) % 1000} `).join('');
const fake = await startFake();
const rows: Row[] = [];
const rowOf = (server: Server, mix: readonly HeaderList[]): Row => ({
  server,
  mix,
  cpu: [],
  bareCpu: [],
  stockCpu: [],
  perSecond: [],
  answerBytes: 0,
});

const settings = {
  CHATWOOT_URL: fake.url,
  CHATWOOT_API_TOKEN: TOKEN,
  CLIENT_KEYS: `bench=${KEY}`,
  RATE_LIMIT: '1000000/1s',
};
const redisUrl = await startRedis();
let answer: Answer | undefined;
const notOffered: string[] = [];
const wanted = values.only.split(',');
const measured = (await traffics(redisUrl)).filter(({ name }) => wanted.some((part) => name.includes(part)));
for (const { name, env, mix, coding } of measured) {
  // oxlint-disable-next-line no-await-in-loop
  const server = await startBackscroll(`Backscroll, ${name}`, { ...settings, ...env });
  // oxlint-disable-next-line no-await-in-loop
  const hit = await hitOf(server.url + TARGET, mix[0]!);
  if (coding !== undefined && codingOf(hit) !== coding) {
    notOffered.push(coding);
    // oxlint-disable-next-line no-await-in-loop
    await server.stop();
    continue;
  }
  // What peers send is plain.
  // oxlint-disable-next-line no-await-in-loop
  answer ??= coding === undefined ? hit : await hitOf(server.url + TARGET, { api_access_token: KEY });
  rows.push(rowOf(server, mix));
}
if (answer === undefined) throw new Error('--only names no traffic');
const key = [{ api_access_token: KEY }];
const bare = await startPeer('bare node:http', 'bare', answer);
const stock = await startPeer('Fastify + rate limit + pino line', 'stock', answer);
const peers = [
  bare,
  await startPeer('bare Fastify', 'fastify', answer),
  stock,
  await startNginx(bare.url),
  await startVarnish(bare.url),
];
rows.unshift(...peers.flatMap((server) => (server === null ? [] : [rowOf(server, key)])));

console.log(
  `Hits: ${answer.body.length} bytes a page, ${connections} connections, ${rounds} rounds of ${seconds} s each, ${LOADER}, Node ${process.version}`,
);
// oxlint-disable no-await-in-loop -- one at a time is what this is about
for (const { server, mix } of rows) await measure(server, mix);
for (let round = 0; round < rounds; round++) {
  const sides = round % 2 === 0 ? [bare, stock] : [stock, bare];
  for (const row of rows) {
    const before = await measure(sides[0]!, key);
    const { cpu, perSecond, answerBytes } = await measure(row.server, row.mix);
    const after = await measure(sides[1]!, key);
    const [ofBare, ofStock] = round % 2 === 0 ? [before, after] : [after, before];
    row.cpu.push(cpu);
    row.bareCpu.push(ofBare.cpu);
    row.stockCpu.push(ofStock.cpu);
    row.perSecond.push(perSecond);
    row.answerBytes = answerBytes;
  }
}

const against = (base: readonly number[], cpu: readonly number[]): number => median(cpu.map((micros, at) => micros / base[at]!));
printTable(
  'CPU time of one hit (medians of rounds)',
  ['server', 'CPU µs', '× stock', '× bare', 'bare / it', 'requests/s', 'bytes'],
  rows.map(({ server, cpu, bareCpu, stockCpu, perSecond, answerBytes }) => [
    server.name,
    median(cpu),
    against(stockCpu, cpu),
    against(bareCpu, cpu),
    1 / against(bareCpu, cpu),
    Math.round(median(perSecond)),
    Math.round(answerBytes),
  ]),
);
if (notOffered.length > 0) console.log(`\nNot offered, so not measured: ${notOffered.join(', ')}`);
if (redisUrl === null) console.log('\nWithout redis-server, so not measured: Redis');
console.log('\nnginx and Varnish are out of reach for any server on node:http: bare is one already.');
console.log(`Upstream reads in all: ${fake.log.count()}`);

for (const { server } of rows) await server.stop();
await fake.close();
