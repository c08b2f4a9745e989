// A heap that is smaller than the default CACHE_MEMORY, and more large conversations than fit into it: the program makes do and lives.

import { expect, test } from 'vitest';
import { KEY, messagesOf, received } from '../support/backscroll.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { metricOf, startServe } from '../program/serve.ts';

const CONVERSATIONS = 400;
const FIRST = 1000;
const ROWS = 20;
const CONTENT = 'x'.repeat(100_000);
const MEGABYTE = 1024 * 1024;

test('400 conversations of 2 MB and a heap of 256 MB', async () => {
  const { child, port, chatwoot } = await startServe({ NODE_OPTIONS: '--max-old-space-size=256' });
  for (let conversationId = FIRST; conversationId < FIRST + CONVERSATIONS; conversationId++) {
    chatwoot.table.addConversation(1, conversationId);
    for (let n = 0; n < ROWS; n++) {
      chatwoot.table.insert({ accountId: 1, conversationId, content: CONTENT, createdAtUs: (1e9 + n) * 1e6 });
    }
  }
  const ask = async (conversation: number): Promise<number> => {
    const target = messagesOf(conversation);
    const { status, body } = received(
      'a page',
      await sendRaw(port, { method: 'GET', target, headers: [['api_access_token', KEY]] }),
    );
    expect(status).toBe(200);
    return body.length;
  };
  let next = FIRST;
  const walk = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- each in turn
    while (next < FIRST + CONVERSATIONS) expect(await ask(next++)).toBeGreaterThan(ROWS * CONTENT.length);
  };
  await Promise.all(Array.from({ length: 16 }, walk));

  // It is full, and no more than that.
  const cached = await metricOf(port, 'backscroll_cache_bytes');
  expect(cached).toBeGreaterThan(100 * MEGABYTE);
  expect(cached).toBeLessThan(200 * MEGABYTE);
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
});
