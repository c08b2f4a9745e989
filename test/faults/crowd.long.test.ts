// Ten thousand callers at once, each for a conversation that nobody has read: Chatwoot gets what it can take, and everybody an answer.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { KEY, messagesOf, startBackscroll } from '../support/backscroll.ts';
import { Gate } from '../support/fake-chatwoot/gate.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

const CALLERS = 10_000;
/** Fewer than the system keeps in line for a server that is too busy to accept them (listen(2): 511), each with several callers. */
const CONNECTIONS_OPENED = 400;
const CONNECTIONS = 64;
const RATE = { max: 400, windowMs: 1000 };
const TIMEOUT_MS = 20_000;
const LATENCY_MS = 100;
/** src/upstream/protected-upstream.ts. */
const WAITING_MAX = 1000;

test('10,000 conversations at once: Chatwoot is spared, nobody waits too long, little is held', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const backscroll = await startBackscroll({
    chatwoot,
    env: {
      UPSTREAM_CONNECTIONS: String(CONNECTIONS),
      UPSTREAM_RATE: `${RATE.max}/${RATE.windowMs}ms`,
      UPSTREAM_TIMEOUT: `${TIMEOUT_MS}ms`,
    },
  });
  onTestFinished(() => backscroll.close());
  const ids = Array.from({ length: CALLERS }, (_, n) => 1000 + n);
  for (const conversationId of ids) {
    chatwoot.table.addConversation(1, conversationId);
    chatwoot.table.insert({ accountId: 1, conversationId });
  }
  const arrivedAt: number[] = [];
  let running = 0;
  let runningMax = 0;
  let inFlightMax = 0;
  chatwoot.fault = () => {
    const gate = new Gate();
    arrivedAt.push(performance.now());
    runningMax = Math.max(runningMax, ++running);
    inFlightMax = Math.max(inFlightMax, backscroll.app.readThrough.size.inFlight);
    setTimeout(() => {
      running--;
      gate.release();
    }, LATENCY_MS);
    return { kind: 'delay-gate', gate };
  };

  const startedAt = performance.now();
  const share = CALLERS / CONNECTIONS_OPENED;
  const connections = Array.from({ length: CONNECTIONS_OPENED }, (_, n) => ids.slice(share * n, share * (n + 1)));
  const answers = (await Promise.all(connections.map((some) => askAll(backscroll.port, some)))).flat();
  const tookMs = performance.now() - startedAt;

  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 503);
  expect(served.length + refused.length).toBe(CALLERS);
  expect(served.filter(({ id, text }) => text !== chatwoot.table.body(1, id, {}))).toEqual([]);
  expect(new Set(refused.map(({ text }) => (JSON.parse(text) as { code: string }).code))).toEqual(new Set(['overloaded']));
  expect(refused.filter(({ retryAfter }) => !/^[1-9]\d*$/.test(retryAfter ?? ''))).toEqual([]);
  expect(chatwoot.log.count()).toBe(served.length);
  expect(runningMax).toBeLessThanOrEqual(CONNECTIONS);
  expect(inFlightMax).toBeLessThanOrEqual(WAITING_MAX + CONNECTIONS);
  // All that the budget lets through in the time in which an answer is of use, and no more in any window.
  expect(served.length).toBeGreaterThan(RATE.max);
  // A pause of the machine between sending and arriving may look like a shorter window.
  const windows = arrivedAt.slice(RATE.max).map((at, nth) => at - arrivedAt[nth]!);
  expect(Math.min(...windows)).toBeGreaterThan(RATE.windowMs * 0.8);
  // 1.5 times the timeout is the promise; the rest is for what this machine takes to say 10,000 answers.
  expect(tookMs).toBeLessThan(1.5 * TIMEOUT_MS + 10_000);
  expect(backscroll.app.readThrough.size.inFlight).toBe(0);
  chatwoot.clearLog(); // Else each of the requests is searched once more for the token.
}, 60_000);

interface Answer {
  readonly id: number;
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

/** Asks for all of these over one connection without waiting for an answer in between (RFC 9112 9.3.2). */
async function askAll(port: number, ids: readonly number[]): Promise<Answer[]> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const head = `host: x\r\napi_access_token: ${KEY}\r\n`;
  const asked = ids.map(
    (id) => `GET ${messagesOf(id)} HTTP/1.1\r\n${head}${id === ids.at(-1) ? 'connection: close\r\n' : ''}\r\n`,
  );
  socket.write(asked.join(''));
  await once(socket, 'close');
  let rest = Buffer.concat(chunks).toString('latin1');
  return ids.map((id) => {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const headers = rest.slice(0, end);
    const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(headers)![1]);
    const text = Buffer.from(rest.slice(end, end + length), 'latin1').toString();
    rest = rest.slice(end + length);
    const retryAfter = /\r\nretry-after: (.*)\r\n/i.exec(headers)?.[1];
    return { id, status: Number(/^HTTP\/1\.1 (\d+)/.exec(headers)![1]), retryAfter, text };
  });
}
