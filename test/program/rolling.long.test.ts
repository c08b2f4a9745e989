// Processes behind a balancer are replaced one after the other, and no caller notices.

import { Agent, createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { KEY, messagesOf, plantToken } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { freePort } from '../support/free-port.ts';
import { HAS_REDIS, redisOfTest } from '../support/redis.ts';
import { startChild, type Child } from './child.ts';
import { settings } from './serve.ts';

vi.setConfig({ testTimeout: 60_000 });

const CHECK_EVERY_MS = 100;
const CALLERS = 8;

async function isReady(port: number): Promise<boolean> {
  return sendRaw(port, { method: 'GET', target: '/readyz', headers: [] }).then(
    ({ status }) => status === 200,
    () => false,
  );
}

/** Gives requests to any of those that were ready when last asked, over connections that it keeps. */
async function startBalancer(ports: readonly number[]): Promise<string> {
  const agent = new Agent({ keepAlive: true });
  let ready: readonly number[] = ports;
  const stop = new AbortController();
  const checking = (async () => {
    while (!stop.signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop -- again and again
      const found = await Promise.all(ports.map(isReady));
      ready = ports.filter((_, at) => found[at]);
      // oxlint-disable-next-line no-await-in-loop
      await sleep(CHECK_EVERY_MS);
    }
  })();
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const port = ready[Math.floor(Math.random() * ready.length)];
    if (port === undefined) return void outgoing.writeHead(502).end('nobody is ready');
    const { api_access_token: key = '' } = incoming.headers;
    const passed = ask({ port, host: '127.0.0.1', path: incoming.url, agent, headers: { api_access_token: key } }, (answer) => {
      outgoing.writeHead(answer.statusCode!);
      answer.pipe(outgoing);
    });
    passed.on('error', (error) => outgoing.writeHead(502).end(error.message));
    passed.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    stop.abort();
    await checking;
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.skipIf(!HAS_REDIS)('two processes are replaced one after the other, and every caller is served', async () => {
  const redis = await redisOfTest();
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  plantToken(chatwoot);
  const ports = [await freePort(), await freePort()];
  const start = async (port: number): Promise<Child> => {
    const env = {
      PORT: String(port),
      REDIS_URL: redis.url,
      DRAIN_DELAY: '1s',
      RATE_LIMIT: '1000000/1m',
      UPSTREAM_RATE: '100000/1m',
    };
    const child = startChild(['serve'], settings(chatwoot, env));
    await child.printed(/ready: Chatwoot accepts the token/);
    return child;
  };
  const processes = await Promise.all(ports.map(start));
  const url = await startBalancer(ports);

  const over = new AbortController();
  let served = 0;
  const failed: string[] = [];
  const call = async (conversation: number): Promise<void> => {
    while (!over.signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await fetch(url + messagesOf(conversation), { headers: { api_access_token: KEY } });
      // oxlint-disable-next-line no-await-in-loop
      const text = await answer.text();
      if (answer.status === 200) served++;
      else failed.push(`${answer.status} ${text}`);
    }
  };
  const callers = Array.from({ length: CALLERS }, (_, n) => call(1 + (n % 2)));
  for (const [at, child] of processes.entries()) {
    const before = served;
    child.process.kill('SIGTERM');
    // oxlint-disable-next-line no-await-in-loop -- one after the other is what this is about
    expect((await child.ended).code).toBe(0);
    expect(served).toBeGreaterThan(before);
    // oxlint-disable-next-line no-await-in-loop
    await start(ports[at]!);
    // oxlint-disable-next-line no-await-in-loop
    await sleep(2 * CHECK_EVERY_MS);
  }
  over.abort();
  await Promise.all(callers);
  expect(failed).toEqual([]);
  expect(served).toBeGreaterThan(100);
});
