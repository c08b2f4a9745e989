// A body of 20 MB, whatever it is made of, does not stop the event loop: neither when it is read and learnt, nor when it is shown.

import { SignJWT } from 'jose';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { listen } from '../../src/http/listen.ts';
import { messagesOf } from '../support/backscroll.ts';

vi.setConfig({ testTimeout: 60_000 });

const SECRET = 'a-secret-of-at-least-32-characters';
/** In which nothing else is answered, ms. */
const STOPPED_MAX_MS = 100;
/** Something else may take the machine's time: the best of these counts. */
const ATTEMPTS = 5;

function row(id: number, rest: string): string {
  return `{"id":${id},"created_at":${1_700_000_000 + id},"message_type":0,"private":false,${rest}}`;
}

function page(rows: number, rest: string): Buffer {
  return Buffer.from(`{"meta":{},"payload":[${Array.from({ length: rows }, (_, n) => row(n + 1, rest)).join(',')}]}`);
}

const link = `{"id":1,"file_type":"image","data_url":"https://a.example/${'1-2/'.repeat(1200)}"}`;
const escapedKeys = (count: number): string => Array.from({ length: count }, (_, n) => `"\\u0061${n}":1`).join(',');

const BODIES: Readonly<Record<string, () => Buffer>> = {
  'a thousand rows of text': () => page(1000, `"content":"${'She said \\"no\\".\\n'.repeat(1200)}"`),
  'one row full of escaped quotes': () => page(1, `"content":"${'\\"'.repeat(10_000_000)}"`),
  'a thousand rows of long links': () => page(1000, `"attachments":[${[link, link, link, link].join(',')}]`),
  'as many escaped keys as are taken': () =>
    page(100, `${escapedKeys(740)},"x":{${escapedKeys(740)}},"content":"${'x'.repeat(180_000)}"`),
  'a million escaped keys': () => page(1000, `"x":{${escapedKeys(1000)}},"content":"${'x'.repeat(3000)}"`),
};

/** Backscroll before a Chatwoot that answers everything with this body. */
async function startBefore(body: Buffer): Promise<string> {
  const chatwoot = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
  await once(chatwoot.listen(0, '127.0.0.1'), 'listening');
  const config = loadConfig({
    CHATWOOT_URL: `http://127.0.0.1:${(chatwoot.address() as AddressInfo).port}`,
    CHATWOOT_API_TOKEN: 'a-token',
    JWT_SECRET: SECRET,
  });
  const app = await buildApp({ config, logger: pino({ level: 'silent' }) });
  onTestFinished(async () => {
    await app.close();
    chatwoot.closeAllConnections();
    chatwoot.close();
  });
  return listen(app.http, { host: '127.0.0.1', port: 0 });
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Asks, takes the answer as it comes, and says how long the event loop stood at most meanwhile, ms. */
async function stoppedFor(
  url: string,
  view: string,
): Promise<{ readonly status: number; readonly bytes: number; readonly ms: number }> {
  const token = await new SignJWT({ account: 1, conversations: '*', view })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  // By the time of this process alone: others may have the machine meanwhile.
  let [ms, isOver, before] = [0, false, cpuMs()];
  const look = (): void => {
    ms = Math.max(ms, cpuMs() - before);
    before = cpuMs();
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const headers = { authorization: `Bearer ${token}` };
  const [response] = (await once(get(url, { headers }), 'response')) as [IncomingMessage];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await once(response, 'end');
  isOver = true;
  return { status: response.statusCode ?? 0, bytes, ms };
}

test.each(Object.keys(BODIES).flatMap((what) => ['agent', 'customer'].map((view) => [what, view] as const)))(
  'a body of %s, shown in the view %s, lets others have their turn',
  async (what, view) => {
    const body = BODIES[what]!();
    expect(body.length).toBeGreaterThan(14_000_000);
    const url = await startBefore(body);
    const isTaken = what !== 'a million escaped keys';
    let best = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS && best > STOPPED_MAX_MS; attempt++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status, bytes, ms } = await stoppedFor(url + messagesOf(100 + attempt), view);
      expect(status).toBe(isTaken ? 200 : 502);
      if (isTaken && view === 'agent') expect(bytes).toBe(body.length);
      best = Math.min(best, ms);
    }
    expect(best).toBeLessThan(STOPPED_MAX_MS);
  },
);
