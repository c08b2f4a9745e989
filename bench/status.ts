// What a status page that is looked at costs those who read messages: hits a second and CPU time of the built program, alone and while
// its numbers are asked for every second, five times as often as the page does.
//
//   npm run bench:status -- [--rounds N] [--seconds S]

import { parseArgs } from 'node:util';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import { cpuMicros } from './hits/cpu.ts';
import { load, type Loaded } from './hits/load.ts';
import { startBackscroll } from './hits/servers.ts';
import { median, printTable } from './table.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '5' } },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
if (![rounds, seconds].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--rounds and --seconds must be whole numbers above 0');
}

const [KEY, ADMIN_KEY] = ['key-of-the-status-bench', 'admin-key-of-the-status-bench'];
const EVERY_MS = 1000;
const POLLS = 300;

const chatwoot = await startSampleChatwoot();
const server = await startBackscroll('backscroll', {
  CHATWOOT_URL: chatwoot.url,
  CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
  CLIENT_KEYS: `bench=${KEY}`,
  ADMIN_KEYS: `bench=${ADMIN_KEY}`,
  RATE_LIMIT: '1000000/1s',
  SHADOW_RATE: '0',
  LOG_LEVEL: 'warn',
});
const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
const url = `${server.url}/api/v1/accounts/1/conversations/1/messages?before=${ids[200]}`;
for (let n = 0; n < 3; n++) await (await fetch(url, { headers: { api_access_token: KEY } })).arrayBuffer();

async function poll(): Promise<void> {
  const answer = await fetch(`${server.url}/status/data`, { headers: { api_access_token: ADMIN_KEY } });
  if (answer.status !== 200) throw new Error(`the numbers were a ${answer.status}`);
  await answer.arrayBuffer();
}

async function round(polls: boolean): Promise<{ perSecond: number; micros: number }> {
  const timer = polls ? setInterval(() => void poll(), EVERY_MS) : undefined;
  const before = cpuMicros(server.pid);
  const loaded: Loaded = await load({ url, mix: [{ api_access_token: KEY }], connections: 32, seconds });
  const micros = (cpuMicros(server.pid) - before) / loaded.requests;
  clearInterval(timer);
  return { perSecond: loaded.perSecond, micros };
}

await round(false); // To warm up.
const alone: { perSecond: number; micros: number }[] = [];
const polled: typeof alone = [];
for (let n = 0; n < rounds; n++) {
  alone.push(await round(false));
  polled.push(await round(true));
}
// What a poll takes by itself, which a machine that does other things beside hardly changes.
const idleMicros = cpuMicros(server.pid);
for (let n = 0; n < POLLS; n++) await poll();
const pollMs = (cpuMicros(server.pid) - idleMicros) / POLLS / 1000;

const of = (list: typeof alone, part: 'perSecond' | 'micros'): number => median(list.map((each) => each[part]));
const change = (part: 'perSecond' | 'micros'): string => `${(100 * (of(polled, part) / of(alone, part) - 1)).toFixed(2)} %`;
printTable(
  'A status page that is looked at',
  ['', 'alone', 'polled each second', 'change'],
  [
    ['hits a second', of(alone, 'perSecond').toFixed(0), of(polled, 'perSecond').toFixed(0), change('perSecond')],
    ['CPU of a hit, µs', of(alone, 'micros').toFixed(2), of(polled, 'micros').toFixed(2), change('micros')],
  ],
);
console.log(
  `\nA poll takes ${pollMs.toFixed(2)} ms of CPU: ${((100 * pollMs) / EVERY_MS).toFixed(2)} % of a core where it is made each second, and a fifth of that by the page.`,
);
await server.stop();
await chatwoot.close();
