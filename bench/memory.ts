// What the process takes of memory beside CACHE_MEMORY: the built program, after more conversations than it can keep have passed.
//
//   npm run bench:memory -- [--conversations N] [--memory 64mb,256mb]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import bytes from 'bytes';
import { Pool } from 'undici';
import { Directory } from '../test/support/fake-chatwoot/directory.ts';
import { FakeChatwoot } from '../test/support/fake-chatwoot/fake-chatwoot.ts';
import { MessageTable } from '../test/support/fake-chatwoot/message-table.ts';
import { printTable } from './table.ts';

const { values } = parseArgs({
  options: { conversations: { type: 'string', default: '17000' }, memory: { type: 'string', default: '32mb,64mb,128mb,256mb' } },
});
const conversations = Number(values.conversations);
if (!Number.isInteger(conversations) || conversations < 1) throw new Error('--conversations must be a whole number above 0');

const [TOKEN, KEY] = ['bench-chatwoot-token', 'bench-key-0123456789'];
const ROWS = 20;
const ROW_CHARACTERS = 900;
const CONCURRENCY = 16;
const MEBIBYTE = 1024 * 1024;

async function startFake(): Promise<FakeChatwoot> {
  const table = new MessageTable();
  const startUs = (Date.now() - 86_400_000) * 1000;
  for (let conversation = 1; conversation <= conversations; conversation++) {
    table.addConversation(1, conversation);
    for (let n = 0; n < ROWS; n++) {
      table.insert({ accountId: 1, conversationId: conversation, content: CONTENT, createdAtUs: startUs + n * 60_000_000 });
    }
  }
  const directory = new Directory();
  const user = { id: 1, name: 'Admin', email: 'admin@example.com', pubsubToken: 'p' };
  directory.join(user, 1, { role: 'administrator' });
  directory.addToken(TOKEN, user);
  return FakeChatwoot.start({ table, directory });
}

/** The highest resident memory of a process so far, bytes. */
function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const CONTENT = 'x'.repeat(ROW_CHARACTERS);
const fake = await startFake();
const rows: (string | number)[][] = [];
// oxlint-disable no-await-in-loop -- one process after the other
for (const memory of values.memory.split(',')) {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, ['dist/src/cli.js', 'serve'], {
    env: {
      PATH,
      HOME,
      CHATWOOT_URL: fake.url,
      CHATWOOT_API_TOKEN: TOKEN,
      CLIENT_KEYS: `bench=${KEY}`,
      PORT: '0',
      RATE_LIMIT: '1000000/1s',
      UPSTREAM_RATE: '1000000/1m',
      CACHE_MEMORY: memory,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-2000)));
  while (!/listening at/i.test(log)) await once(child.stdout, 'data');
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(log)![0];
  const pool = new Pool(url, { connections: CONCURRENCY });
  const ask = async (path: string): Promise<boolean> => {
    const { statusCode, body } = await pool.request({ method: 'GET', path, headers: { api_access_token: KEY } });
    await body.dump();
    return statusCode === 200;
  };
  let next = 1;
  const walk = async (): Promise<void> => {
    while (next <= conversations) {
      const path = `/api/v1/accounts/1/conversations/${next++}/messages`;
      const answered = await ask(path);
      // A machine that is busy with something else makes it refuse for a moment.
      if (!answered) await sleep(1000).then(() => ask(path));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, walk));
  const peak = peakBytes(child.pid!);
  rows.push([memory, Math.round(peak / MEBIBYTE), peak / (bytes.parse(memory) ?? NaN)]);
  await pool.close();
  child.kill();
  await once(child, 'exit');
}
printTable(
  `Memory after ${conversations} conversations of ${ROWS} messages of about 1 kB`,
  ['CACHE_MEMORY', 'RSS at most, MiB', '× CACHE_MEMORY'],
  rows,
);
await fake.close();
