// A process that does not keep up says so to those who ask for messages, and goes on.

import { pino } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { EventLoop } from '../../src/http/event-loop.ts';
import { KEY, messagesOf } from '../support/backscroll.ts';

test('it is late after a second in which things took long, and no longer after one in which they did not', async () => {
  const eventLoop = new EventLoop(150);
  onTestFinished(() => eventLoop.close());
  expect(eventLoop.isLate).toBe(false);
  for (let nth = 0; nth < 4; nth++) {
    const until = performance.now() + 500;
    while (performance.now() < until);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await sleep(0);
  }
  await vi.waitFor(() => expect(eventLoop.isLate).toBe(true));
  await vi.waitFor(() => expect(eventLoop.isLate).toBe(false), 10_000);
});

test('without a limit it is never late', async () => {
  const eventLoop = new EventLoop(0);
  onTestFinished(() => eventLoop.close());
  const until = performance.now() + 1200;
  while (performance.now() < until);
  await sleep(10);
  expect(eventLoop.isLate).toBe(false);
});

test('while it is late, requests for messages are refused and the process is alive', async () => {
  const config = loadConfig({ CHATWOOT_URL: 'http://127.0.0.1:9', CHATWOOT_API_TOKEN: 'a-token', CLIENT_KEYS: `test=${KEY}` });
  const app = await buildApp({ config, logger: pino({ level: 'silent' }), eventLoopDelayMaxMs: 1e-6 });
  onTestFinished(() => app.close());
  const ask = async (url: string) => app.http.inject({ url, headers: { api_access_token: KEY } });
  await vi.waitFor(async () => {
    const answer = await ask(messagesOf(2));
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.json()).toMatchObject({ code: 'overloaded' });
  }, 5000);
  expect((await ask('/healthz')).statusCode).toBe(200);
});
