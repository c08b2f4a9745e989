// What a forwarded read adds to what Chatwoot takes: the newest pages of conversations that nobody asked for before, one at a
// time, in turn directly, through the least that a proxy on Node can do, and through the program.
//
//   npm run bench:forwarded -- [--reads N] [--delays 0,20] [--profile FOLDER]

import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { cpuMicros } from './hits/cpu.ts';
import { KEY, startModule, startPlainChatwoot, startProgram } from './program.ts';
import { type Cell, median, printTable, quantile } from './table.ts';

const { values } = parseArgs({
  options: {
    reads: { type: 'string', default: '2000' },
    delays: { type: 'string', default: '0,20' },
    profile: { type: 'string', default: '' },
  },
});
const [reads, delays] = [Number(values.reads), values.delays.split(',').map(Number)];
if (!Number.isInteger(reads) || reads < 1) throw new Error('--reads must be a whole number above 0');
if (!delays.every((ms) => Number.isInteger(ms) && ms >= 0)) throw new Error('--delays must be whole numbers');

/** Until what is hot is compiled, in all three. */
const WARM_UP = Math.min(4000, 5 * reads);
/** Pages of 18 kB. */
const PAGE = { rows: 20, contentBytes: 500 };

const chatwoot = await startPlainChatwoot(PAGE, ...delays.map((delayMs) => ({ ...PAGE, delayMs })));
const bare = await startModule(new URL('./forwarded/serve-bare-proxy.ts', import.meta.url), { CHATWOOT_URL: chatwoot.url });
const nodeArgs = values.profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
const backscroll = await startProgram(chatwoot.url, {}, nodeArgs);
const ways = [
  { name: 'direct', program: chatwoot },
  { name: 'bare proxy', program: bare },
  { name: 'Backscroll', program: backscroll },
].map((way) => ({ ...way, pool: new Pool(way.program.url, { connections: 1 }) }));
let conversation = 0;

/** How long one read takes, ms. */
async function timed(way: Pool, account: number, of: number): Promise<number> {
  const startedAt = performance.now();
  const path = `/api/v1/accounts/${account}/conversations/${of}/messages`;
  const { statusCode, body } = await way.request({ method: 'GET', path, headers: { api_access_token: KEY } });
  await body.dump();
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  return performance.now() - startedAt;
}

/** The times of each way, ms, and the CPU time that its program took for one read, ms. */
async function measure(account: number, count: number): Promise<{ readonly times: number[]; readonly cpu: number }[]> {
  const all = ways.map(({ program }) => ({ times: [] as number[], startMicros: cpuMicros(program.pid) }));
  for (let n = 0; n < count; n++) {
    conversation++;
    for (let turn = 0; turn < ways.length; turn++) {
      const at = (n + turn) % ways.length;
      // oxlint-disable-next-line no-await-in-loop -- in turn
      all[at]!.times.push(await timed(ways[at]!.pool, account, conversation));
    }
  }
  return all.map(({ times, startMicros }, at) => ({
    times,
    cpu: (cpuMicros(ways[at]!.program.pid) - startMicros) / 1000 / count,
  }));
}

await measure(1, WARM_UP);
const rows: Cell[][] = [];
for (const [n, delayMs] of delays.entries()) {
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  const measured = await measure(n + 2, reads);
  const direct = measured[0]!.times;
  for (const [at, { times, cpu }] of measured.entries()) {
    const of = [median(times), quantile(times, 0.99)] as const;
    const added = at === 0 ? ['', '', ''] : [of[0] - median(direct), of[1] - quantile(direct, 0.99), cpu];
    rows.push([`${delayMs} ms`, ways[at]!.name, ...of, ...added]);
  }
}
printTable(
  `${reads} forwarded reads of ${PAGE.rows} messages each way, in turn, ms`,
  ['Chatwoot takes', 'way', 'p50', 'p99', 'added p50', 'added p99', 'CPU'],
  rows,
);
console.log('\nBounds: Backscroll adds 0.5 at p50, 3 at p99');
await Promise.all(ways.map(({ pool }) => pool.close()));
for (const { program } of ways.toReversed()) await program.stop(); // oxlint-disable-line no-await-in-loop
