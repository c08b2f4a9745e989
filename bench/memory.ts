// What the process takes of memory: the built program, after more conversations than it can keep have passed.
//
//   npm run bench:memory -- [--conversations N] [--memory 64mb,256mb] [--content BYTES] [--heap MB]
//
// `default` among --memory leaves CACHE_MEMORY to the program; --heap sets V8's limit as NODE_OPTIONS does. Ends with 1 beyond the bound.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import bytes from 'bytes';
import { Pool } from 'undici';
import { takenBeside, takenBytesMax } from '../src/config/memory-limits.ts';
import { KEY, metricsOf, residentBytes, startPlainChatwoot, startProgram } from './program.ts';
import { printTable, type Cell } from './table.ts';

const { values } = parseArgs({
  options: {
    conversations: { type: 'string', default: '17000' },
    memory: { type: 'string', default: '32mb,64mb,128mb,256mb,512mb' },
    content: { type: 'string', default: '900' },
    heap: { type: 'string', default: '' },
  },
});
const [conversations, contentBytes] = [Number(values.conversations), Number(values.content)];
if (![conversations, contentBytes].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--conversations and --content must be whole numbers above 0');
}

const ROWS = 20;
const CONCURRENCY = 16;
const MEBIBYTE = 1024 * 1024;
/** As `npm start` has it. */
const SEMI_SPACE_MB = 16;
/** Not what others measure with: 12 bytes are held for each read that a rate allows. */
const UPSTREAM_RATE = '100000/1m';

const chatwoot = await startPlainChatwoot({ rows: ROWS, contentBytes });
const nodeArgs = [`--max-semi-space-size=${SEMI_SPACE_MB}`];
if (values.heap !== '') nodeArgs.push(`--max-old-space-size=${values.heap}`);

/** Has every conversation read once. @returns how many were not answered, not even when asked again */
async function readAll(url: string): Promise<number> {
  const pool = new Pool(url, { connections: CONCURRENCY });
  const ask = async (path: string): Promise<boolean> => {
    const { statusCode, body } = await pool.request({ method: 'GET', path, headers: { api_access_token: KEY } });
    await body.dump({ limit: Infinity });
    return statusCode === 200;
  };
  let [next, failed] = [1, 0];
  const walk = async (): Promise<void> => {
    // oxlint-disable no-await-in-loop -- each in turn
    while (next <= conversations) {
      const path = `/api/v1/accounts/1/conversations/${next++}/messages`;
      // A machine that is busy with something else makes it refuse for a moment.
      if (!(await ask(path)) && !(await sleep(1000).then(() => ask(path)))) failed++;
    }
    // oxlint-enable no-await-in-loop
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, walk));
  await pool.close();
  return failed;
}

async function measure(memory: string): Promise<Cell[]> {
  const program = await startProgram(
    chatwoot.url,
    { UPSTREAM_RATE, ...(memory === 'default' ? {} : { CACHE_MEMORY: memory }) },
    nodeArgs,
  );
  const failed = await readAll(program.url).catch((error: unknown) => {
    throw new Error(`CACHE_MEMORY=${memory}: ${program.ended() ?? 'it is cut off'}`, { cause: error });
  });
  if (failed > 0) throw new Error(`CACHE_MEMORY=${memory}: ${failed} conversations were not answered`);
  const metric = await metricsOf(program.url);
  const { now, most } = residentBytes(program.pid);
  await program.stop();
  const held = [
    now,
    metric('nodejs_heap_size_used_bytes'),
    metric('nodejs_external_memory_bytes'),
    metric('backscroll_cache_bytes'),
  ];
  const bound =
    memory === 'default'
      ? null
      : takenBytesMax(bytes.parse(memory) ?? NaN, { besideBytes: takenBeside(3 * SEMI_SPACE_MB * MEBIBYTE) });
  if (bound !== null && most > bound) process.exitCode = 1;
  return [memory, ...[most, ...held].map(inMebibytes), bound === null ? '' : inMebibytes(bound)];
}

function inMebibytes(of: number): number {
  return Math.round(of / MEBIBYTE);
}

const rows: Cell[][] = [];
// oxlint-disable-next-line no-await-in-loop -- one process after the other
for (const memory of values.memory.split(',')) rows.push(await measure(memory));
printTable(
  `Memory after ${conversations} conversations of ${ROWS} messages of about ${contentBytes} bytes, MiB`,
  ['CACHE_MEMORY', 'RSS at most', 'RSS then', 'V8 heap', 'beside it', 'cached', 'bound'],
  rows,
);
await chatwoot.stop();
