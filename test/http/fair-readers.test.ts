// Clients share Chatwoot by turns, whoever asks more.

import { expect, test } from 'vitest';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { Gate } from '../support/fake-chatwoot/gate.ts';

const GREEDY = { name: 'greedy', key: 'key-of-the-greedy-client' };
const SELDOM = { name: 'seldom', key: 'key-of-the-client-that-seldom-asks' };

test('a client that asks once does not wait for one that asks much', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { UPSTREAM_CONNECTIONS: '1' }, clients: [GREEDY, SELDOM] });
  const gate = new Gate();
  chatwoot.fault = (nth) => (nth === 1 ? { kind: 'delay-gate', gate } : undefined);
  const ask = (key: string, page: string) => backscroll.send({ target: page, headers: [['api_access_token', key]] });
  const inLine = async (reads: number): Promise<void> => {
    await expect.poll(() => backscroll.app.readThrough.size.inFlight).toBe(reads);
  };
  const pages = [1, 2, 3, 4].map((conversation) => messagesOf(conversation));
  const ends = [ask(GREEDY.key, pages[0]!)];
  await gate.arrived;
  for (const [page, key] of [[1, GREEDY.key] as const, [2, GREEDY.key] as const, [3, SELDOM.key] as const]) {
    ends.push(ask(key, pages[page]!));
    await inLine(page + 1);
  }
  gate.release();
  for (const { status } of await Promise.all(ends)) expect(status).toBe(200);
  await backscroll.app.readThrough.idle();
  expect(readsOf(chatwoot).slice(0, 4)).toEqual([0, 3, 1, 2].map((page) => pages[page]));
  expect(await backscroll.metrics()).toMatch(/backscroll_upstream_wait_seconds_count\{priority="caller"\} 4/);
});
