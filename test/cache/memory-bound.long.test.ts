// CACHE_MEMORY is a bound that holds: whatever is read, and whatever a caller makes up.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, startBackscroll, testClock } from '../support/backscroll.ts';
import { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { sampleAccount } from '../support/fake-chatwoot/sample-account.ts';

vi.setConfig({ testTimeout: 90_000 });

const MEGABYTE = 1024 * 1024;
const CLOCK = testClock();

/** Conversations 100, 101, … of so many messages, each of about a kilobyte and settled long ago. */
async function startFull(
  conversations: number,
  messages: number,
  env: Record<string, string>,
): Promise<[Backscroll, FakeChatwoot]> {
  const account = sampleAccount({ now: CLOCK.now });
  for (let conversationId = 100; conversationId < 100 + conversations; conversationId++) {
    account.table.addConversation(1, conversationId);
    for (let n = 0; n < messages; n++) {
      const createdAtUs = (CLOCK.now() - 86_400_000) * 1000 + n * 1_000_000;
      account.table.insert({
        accountId: 1,
        conversationId,
        createdAtUs,
        content: `${conversationId} ${n} ${'ö'.repeat(250)} ${'x'.repeat(250)}`,
      });
    }
  }
  const chatwoot = await FakeChatwoot.start({ ...account, now: CLOCK.now });
  onTestFinished(() => chatwoot.close());
  const backscroll = await startBackscroll({ chatwoot, now: CLOCK.now, env });
  onTestFinished(() => backscroll.close());
  return [backscroll, chatwoot];
}

async function reportedBytes(backscroll: Backscroll): Promise<number> {
  return Number(/^backscroll_cache_bytes (\d+)$/m.exec(await backscroll.metrics())?.[1]);
}

/** Asks a few at a time, and checks the bound again and again on the way. */
async function fill(backscroll: Backscroll, targets: readonly string[], bytesMax: number): Promise<number> {
  let highest = 0;
  for (let at = 0; at < targets.length; at += 16) {
    const answers = await Promise.all(targets.slice(at, at + 16).map((target) => backscroll.get(target)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const bytes = await reportedBytes(backscroll);
    expect(bytes).toBeLessThanOrEqual(bytesMax);
    highest = Math.max(highest, bytes);
  }
  await backscroll.app.readThrough.idle();
  expect(await reportedBytes(backscroll)).toBeLessThanOrEqual(bytesMax);
  return highest;
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc === 'function') for (let n = 0; n < 3; n++) gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test.each([['proved'], ['exact']])(
  'many conversations fill it and never go beyond, and the heap follows: HISTORY=%s',
  async (history) => {
    const [backscroll, chatwoot] = await startFull(120, 100, { CACHE_MEMORY: '4mb', HISTORY: history });
    const targets = Array.from({ length: 120 }, (_, n) => messagesOf(100 + n, '?after=0'));
    await backscroll.get(messagesOf(1));
    const before = heapBytes();
    const highest = await fill(backscroll, targets, 4 * MEGABYTE);
    // Read were 12 megabytes. What is kept is most of what may be, and the oldest conversations have gone.
    expect(highest).toBeGreaterThan(2.8 * MEGABYTE);
    expect(backscroll.app.readThrough.size.conversations).toBeLessThan(60);
    expect((await backscroll.get(targets.at(-1)!)).headers['cache-status']).toMatch(/hit/);
    expect((await backscroll.get(targets[0]!)).headers['cache-status']).toMatch(/miss/);
    chatwoot.clearLog();
    expect(heapBytes() - before).toBeLessThan(3 * 4 * MEGABYTE);
  },
);

test('a conversation that is larger than all of it is answered and not kept', async () => {
  const [backscroll] = await startFull(1, 1400, { CACHE_MEMORY: '1mb' });
  const target = messagesOf(100, '?after=0&before=999999');
  for (const _ of [1, 2]) {
    const answer = await backscroll.get(target);
    expect([answer.status, (answer.json() as { payload: unknown[] }).payload.length]).toEqual([200, 1000]);
    expect(await reportedBytes(backscroll)).toBeLessThanOrEqual(MEGABYTE);
  }
});

/** What a caller can make up for one conversation; all of it is accepted. */
function minted(count: number, from: number): string[] {
  const forms = [
    (n: number) => `?before=${n}`,
    (n: number) => `?after=${n}`,
    (n: number) => `?after=${n}&before=${n + 7}`,
    (n: number) => `?before=${n}&filter_internal_messages=${n}`,
    (n: number) => `?before=${10 ** 15 + n}`,
    (n: number) => `?after=-${n}`,
    (n: number) => `?before_timestamp=${n}`,
    (n: number) => `?x=${n}&before=${n % 50}`,
  ];
  return Array.from({ length: count }, (_, n) => forms[n % forms.length]!(from + n));
}

test.each([['proved'], ['exact']])('cursors that a caller makes up do not grow it: HISTORY=%s', async (history) => {
  const [backscroll] = await startFull(1, 120, { CACHE_MEMORY: '64mb', HISTORY: history });
  const target = (search: string): string => messagesOf(100, search);
  await fill(backscroll, minted(240, 1200).map(target), 64 * MEGABYTE);
  const some = backscroll.app.readThrough.size.bytes;
  await fill(backscroll, minted(240, 5000).map(target), 64 * MEGABYTE);
  const more = backscroll.app.readThrough.size.bytes;
  expect(backscroll.app.readThrough.size.conversations).toBe(1);
  // Of 64 megabytes it takes what its 120 rows take and some bookkeeping.
  expect(more).toBeLessThan(Math.max(some * 1.5, 400_000));
  expect(more).toBeLessThan(8 * MEGABYTE);
});

test('conversations that a caller makes up leave nothing behind', async () => {
  const [backscroll] = await startFull(0, 0, {});
  for (let at = 0; at < 400; at += 50) {
    const asked = Array.from({ length: 50 }, (_, n) => backscroll.get(messagesOf(10_000 + at + n)));
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([404]));
  }
  expect(backscroll.app.readThrough.size).toEqual({ bytes: 0, conversations: 0, inFlight: 0 });
  const metrics = await backscroll.metrics();
  // Nor do metrics: no label is a caller's to choose.
  expect(metrics).toContain('backscroll_requests_total{outcome="none",status="404"} 400');
  expect(metrics.length).toBeLessThan(20_000);
});
