// Loads one server for a while: wrk where it is installed, else autocannon, which saturates before a bare server does.

import autocannon from 'autocannon';
import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from './temporary-folder.ts';

/** One request of a mix; requests are sent in turn over all connections. */
export type HeaderList = Readonly<Record<string, string>>;

export interface Load {
  readonly url: string;
  readonly mix: readonly HeaderList[];
  readonly connections: number;
  readonly seconds: number;
}

export interface Loaded {
  readonly requests: number;
  readonly perSecond: number;
  /** Of one answer, head and body, bytes. */
  readonly answerBytes: number;
}

export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

export const LOADER = isInstalled('wrk') ? 'wrk' : 'autocannon (no wrk here: it saturates before a bare server does)';

/** Words before a command that keep it to one core, where there is more than one and a tool for it. */
export function pinned(core: 0 | 1): readonly string[] {
  return availableParallelism() > 1 && isInstalled('taskset') ? ['taskset', '-c', String(core)] : [];
}

/** @throws where an answer was not a 200 */
export function load(options: Load): Promise<Loaded> {
  return LOADER === 'wrk' ? loadWithWrk(options) : loadWithAutocannon(options);
}

const SCRIPTS = temporaryFolder('wrk');

async function loadWithWrk({ url, mix, connections, seconds }: Load): Promise<Loaded> {
  const script = join(SCRIPTS, 'mix.lua');
  writeFileSync(script, luaOf(mix));
  const args = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '5s', '-s', script, url];
  const text = await output([...pinned(1), ...args]);
  const [requests, bytes, errors, micros] = /^totals (\d+) (\d+) (\d+) (\d+)$/m.exec(text)!.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  if (errors > 0 || requests === 0) throw new Error(`${url}: ${errors} errors in ${requests} requests\n${text}`);
  return { requests, perSecond: requests / (micros / 1e6), answerBytes: bytes / requests };
}

/** A script for wrk: the requests of the mix in turn, and its totals in one line. */
function luaOf(mix: readonly HeaderList[]): string {
  const tables = mix.map(
    (headers) =>
      `{${Object.entries(headers)
        .map(([name, value]) => `[${lua(name)}]=${lua(value)}`)
        .join(',')}}`,
  );
  return `
local mix, ready, at = {${tables.join(',')}}, {}, 0
init = function() for n, headers in ipairs(mix) do ready[n] = wrk.format('GET', nil, headers) end end
request = function() at = at % #ready + 1; return ready[at] end
done = function(summary)
  local e = summary.errors
  print(string.format('totals %d %d %d %d', summary.requests, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout, summary.duration))
end
`;
}

function lua(text: string): string {
  return JSON.stringify(text);
}

async function loadWithAutocannon({ url, mix, connections, seconds }: Load): Promise<Loaded> {
  const requests = mix.map((headers) => ({ method: 'GET' as const, headers: { ...headers } }));
  const result = await autocannon({ url, connections, duration: seconds, requests });
  if (result.errors + result.non2xx + result.timeouts > 0) throw new Error(`${url}: not all were answered with 200`);
  const { total } = result.requests;
  return { requests: total, perSecond: result.requests.average, answerBytes: result.throughput.total / total };
}

function output([command = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stderr, { cause: error })),
    );
  });
}
