// Hits a second: the whole program against a bare node:http server that sends the same bytes with the same headers.
//
//   npx tsx bench/hit-path.ts [--rounds N] [--seconds S] [--connections C] [--log-level L]
//
// Each server is one process, so on one core. They are loaded in turns, never both, by this process.

import autocannon from 'autocannon';
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { get } from 'node:http';
import { parseArgs } from 'node:util';
import { Directory } from '../test/support/fake-chatwoot/directory.ts';
import { FakeChatwoot } from '../test/support/fake-chatwoot/fake-chatwoot.ts';
import { MessageTable } from '../test/support/fake-chatwoot/message-table.ts';
import type { BareAnswer } from './hit-path/serve-bare.ts';
import { median, printTable } from './table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    'log-level': { type: 'string', default: 'info' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const logLevel = values['log-level'];

const TOKEN = 'bench-chatwoot-token';
const KEY = 'bench-key-0123456789';
const PAGE_BYTES = 18_000;
const ROWS = 200;
const DAY_MS = 86_400_000;
const PATH = '/api/v1/accounts/1/conversations/1/messages';

async function startFake(): Promise<{ fake: FakeChatwoot; before: number }> {
  const table = new MessageTable();
  table.addConversation(1, 1);
  const plainBytes = table.body(1, 1, {}).length;
  const rowBytes = Math.floor((PAGE_BYTES - plainBytes) / 20) - 1;
  for (let n = 0; n < ROWS; n++) {
    const draft = { accountId: 1, conversationId: 1, createdAtUs: (Date.now() - DAY_MS - (ROWS - n) * 60_000) * 1000 };
    const { id, json } = table.insert({ ...draft, content: '' });
    table.edit(id, { content: 'x'.repeat(Math.max(0, rowBytes - json.length)) });
  }
  const directory = new Directory();
  const user = { id: 1, name: 'Admin', email: 'admin@example.com', pubsubToken: 'p' };
  directory.join(user, 1, { role: 'administrator' });
  directory.addToken(TOKEN, user);
  return { fake: await FakeChatwoot.start({ table, directory }), before: ROWS / 2 };
}

/** Starts a server in a process of its own and resolves when that says where it listens. */
function startChild(file: string, env: NodeJS.ProcessEnv, first?: BareAnswer): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(new URL(file, import.meta.url), {
    env: { PATH: process.env['PATH'], ...env },
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  if (first !== undefined) child.send(first);
  return new Promise((resolve, reject) => {
    child.once('message', (message: { readonly url: string }) => resolve({ child, url: message.url }));
    child.once('exit', () => reject(new Error(`${file} ended`)));
  });
}

interface Page {
  readonly status: number;
  readonly cacheStatus: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

function fetchRaw(url: string): Promise<Page> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { api_access_token: KEY } }, (response) => {
      const { statusCode = 0, rawHeaders, headers } = response;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: statusCode, cacheStatus: String(headers['cache-status']), rawHeaders, body: Buffer.concat(chunks) }),
      );
    });
    request.on('error', reject);
  });
}

const { fake, before } = await startFake();
const backscroll = await startChild('./hit-path/serve-backscroll.mjs', {
  CHATWOOT_URL: fake.url,
  CHATWOOT_API_TOKEN: TOKEN,
  CLIENT_KEYS: `bench=${KEY}`,
  PORT: '0',
  RATE_LIMIT: '1000000/1s',
  LOG_LEVEL: logLevel,
});
const target = `${PATH}?before=${before}`;
let page = await fetchRaw(backscroll.url + target);
for (let n = 0; n < 20 && !page.cacheStatus.includes('hit'); n++) page = await fetchRaw(backscroll.url + target);
if (!page.cacheStatus.includes('hit')) throw new Error(`no hit: ${page.status} ${page.body.toString()}`);
// Node writes these itself, for both servers alike.
const own = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);
const headers = page.rawHeaders.filter((_, at, all) => !own.has((all[at - (at % 2)] ?? '').toLowerCase()));
const bare = await startChild('./hit-path/serve-bare.ts', {}, { headers, body: page.body.toString('latin1') });

console.log(
  `Hit path: ${page.body.length} bytes a page, ${connections} connections, ${rounds} rounds of ${seconds} s each, LOG_LEVEL=${logLevel}, Node ${process.version}`,
);
const servers = [
  ['bare node:http', bare.url],
  ['Backscroll', backscroll.url],
] as const;
const load = (url: string, duration: number) =>
  autocannon({ url: url + target, connections, duration, headers: { api_access_token: KEY } });
for (const [, url] of servers) await load(url, 1);
const rates = new Map(servers.map(([name]) => [name, [] as number[]]));
const rows: (string | number)[][] = [];
for (let round = 1; round <= rounds; round++) {
  const inTurn = round % 2 === 0 ? servers.toReversed() : servers;
  for (const [name, url] of inTurn) {
    const { requests, latency, errors, non2xx, timeouts } = await load(url, seconds);
    if (errors + non2xx + timeouts > 0) throw new Error(`${name}: ${errors} errors, ${non2xx} not 200, ${timeouts} time-outs`);
    rates.get(name)!.push(requests.average);
    rows.push([round, name, Math.round(requests.average), latency.p50, latency.p99]);
  }
}
printTable('Rounds', ['round', 'server', 'requests/s', 'p50 ms', 'p99 ms'], rows);
const ratios = rates.get('Backscroll')!.map((rate, at) => rate / rates.get('bare node:http')![at]!);
printTable(
  'Median of rounds',
  ['what', 'value', 'bound'],
  [
    ...[...rates].map(([name, all]) => [`${name}, requests/s`, Math.round(median(all)), '']),
    ['Backscroll / bare', median(ratios), '0.8'],
    ['upstream reads in all', fake.log.count(), ''],
  ],
);

backscroll.child.disconnect();
bare.child.disconnect();
await fake.close();
