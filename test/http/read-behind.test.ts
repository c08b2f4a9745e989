// Reads that bring more than a caller asked for: no caller waits in vain for one, and none fails because of one.

import { expect, test } from 'vitest';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import type { Backscroll } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

/** The page below the row that has so many rows above it. */
function pageBelow(chatwoot: FakeChatwoot, conversation: number, fromTop: number): string {
  return messagesOf(conversation, `?before=${chatwoot.table.rows(1, conversation).at(-1 - fromTop)!.id}`);
}

async function knowTwoPages(backscroll: Backscroll, chatwoot: FakeChatwoot, conversation: number): Promise<string> {
  const page = pageBelow(chatwoot, conversation, 19);
  await backscroll.get(messagesOf(conversation));
  await backscroll.get(page);
  await backscroll.app.readThrough.idle();
  return page;
}

test('a caller is answered while a read behind answers of its conversation waits for its turn', async () => {
  // One connection for reads behind answers.
  const { backscroll, chatwoot, clock } = await startHouse({ env: { UPSTREAM_CONNECTIONS: '2', UPSTREAM_TIMEOUT: '60s' } });
  const [first, second] = [await knowTwoPages(backscroll, chatwoot, 2), await knowTwoPages(backscroll, chatwoot, 1)];
  clock.advance(12_000);
  const gate = chatwoot.hold();
  // `meta` of both is read again behind these: the one has its turn, the other waits for it.
  await backscroll.get(first);
  await gate.arrived;
  expect((await backscroll.get(second)).headers['cache-status']).toMatch(/hit/);
  const page = pageBelow(chatwoot, 1, 200);
  const answer = await backscroll.get(page);
  expect(answer.status).toBe(200);
  expect(answer.body.toString()).toBe(chatwoot.table.body(1, 1, { before: Number(/\d+$/.exec(page)![0]) }));
  gate.release();
});

test('a page is answered though a read of all that it may follow from is too large', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: { UPSTREAM_BODY_MAX: '64kb' } });
  await backscroll.get(messagesOf(1));
  for (const fromTop of [19, 100, 200, 300]) {
    const page = pageBelow(chatwoot, 1, fromTop);
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as a walk is
    const answer = await backscroll.get(page);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe(chatwoot.table.body(1, 1, { before: Number(/\d+$/.exec(page)![0]) }));
  }
  expect(await backscroll.metrics()).toMatch(/^backscroll_behind_failures_total [1-9]/m);
  // None but the first was tried before a minute has passed, and then a smaller one.
  const windows = (): number[][] =>
    chatwoot.log.requests.flatMap(({ search }) => {
      const [, after, before] = /after=(\d+)&before=(\d+)/.exec(search) ?? [];
      return before === undefined ? [] : [[Number(after), Number(before)]];
    });
  expect(windows()).toHaveLength(1);
  clock.advance(61_000);
  expect((await backscroll.get(pageBelow(chatwoot, 1, 250))).status).toBe(200);
  const [[from, to], [later, end]] = windows() as [[number, number], [number, number]];
  expect(end - later).toBeLessThan((to - from) * 0.8);
});

test('a page is answered while another reads ahead of it and has to wait to be sent again', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: { UPSTREAM_TIMEOUT: '60s' } });
  const page = await knowTwoPages(backscroll, chatwoot, 1);
  clock.advance(12_000);
  let failed = 0;
  chatwoot.fault = () => (failed++ === 0 ? { kind: 'status', status: 503, headers: { 'retry-after': '40' } } : undefined);
  expect((await backscroll.get(page)).headers['cache-status']).toMatch(/hit/);
  await chatwoot.awaitRequest(() => failed > 0);
  expect((await backscroll.get(pageBelow(chatwoot, 1, 200))).status).toBe(200);
});

test('a walker does not wait for its own read-ahead while that waits for its turn', async () => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: { UPSTREAM_CONNECTIONS: '2', UPSTREAM_TIMEOUT: '60s' } });
  const first = await knowTwoPages(backscroll, chatwoot, 2);
  clock.advance(12_000);
  await knowTwoPages(backscroll, chatwoot, 1);
  // The one connection for reads behind answers is taken.
  const gate = chatwoot.hold();
  await backscroll.get(first);
  await gate.arrived;
  for (let fromTop = 39; fromTop < 400; fromTop += 20) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as a walk is
    expect((await backscroll.get(pageBelow(chatwoot, 1, fromTop))).status).toBe(200);
  }
  gate.release();
});
