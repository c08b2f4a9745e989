// Three hundred connections of one token, each asking for pages of its own and taking none: memory stays, others are served, and
// the end does not wait.

import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { messagesOf, received } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { reluctantCaller } from '../support/reluctant-caller.ts';
import { metricOf, startServe } from '../program/serve.ts';

const [HOSTILE, HONEST] = ['key-of-the-hostile-client', 'key-of-the-honest-client'];
const CONVERSATION = 20;
const MEBIBYTE = 1024 * 1024;
/** What it may grow by: the unread answers of one client, and rendered pages within CACHE_MEMORY, with what V8 leaves lying about. */
const GROWTH_MAX = 300 * MEBIBYTE;

test('a crowd that takes nothing', async () => {
  const { child, port, chatwoot } = await startServe({
    CLIENT_KEYS: `hostile=${HOSTILE},honest=${HONEST}`,
    CACHE_MEMORY: '64mb',
    UPSTREAM_RATE: '1000000/1m',
    RATE_LIMIT: '1000000/1m',
  });
  chatwoot.table.addConversation(1, CONVERSATION);
  for (let n = 0; n < 1000; n++) {
    chatwoot.table.insert({
      accountId: 1,
      conversationId: CONVERSATION,
      content: 'x'.repeat(8000),
      createdAtUs: (1e9 + n) * 1e6,
    });
  }
  const ids = chatwoot.table.rows(1, CONVERSATION).map(({ id }) => id);
  const ask = (target: string) => sendRaw(port, { method: 'GET', target, headers: [['api_access_token', HONEST]] });
  await ask(messagesOf(CONVERSATION, `?after=1&before=${ids.at(-1)! + 1}`));
  const before = residentBytes(child.process.pid!);

  let highest = 0;
  for (let n = 0; n < 300; n++) {
    const targets = Array.from({ length: 3 }, (_, at) => messagesOf(CONVERSATION, `?after=${1 + at}&before=${ids.at(-1 - n)!}`));
    reluctantCaller(port, HOSTILE).ask(...targets);
    if (n % 10 > 0) continue;
    // oxlint-disable-next-line no-await-in-loop -- an honest caller, one after the other
    expect(received('an answer', await ask(messagesOf(2))).status).toBe(200);
    highest = Math.max(highest, residentBytes(child.process.pid!));
  }
  await vi.waitFor(async () => expect(await metricOf(port, 'backscroll_unread_bytes')).toBeGreaterThan(0));
  expect(await metricOf(port, 'backscroll_unread_bytes')).toBeLessThan(48 * MEBIBYTE);
  expect(Math.max(highest, residentBytes(child.process.pid!)) - before).toBeLessThan(GROWTH_MAX);
  // Within UNREAD_TIMEOUT and the time between two looks, from when the last page is rendered, of those that wait for their turn.
  await vi.waitFor(async () => expect(await metricOf(port, 'backscroll_unread_bytes')).toBe(0), {
    timeout: 90_000,
    interval: 1000,
  });

  for (let n = 0; n < 20; n++) reluctantCaller(port, HOSTILE).ask(messagesOf(CONVERSATION, `?after=1&before=${ids.at(-1 - n)!}`));
  await vi.waitFor(async () => expect(await metricOf(port, 'backscroll_unread_bytes')).toBeGreaterThan(0));
  const toldAt = performance.now();
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - toldAt).toBeLessThan(8_000);
});

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}
