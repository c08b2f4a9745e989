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
  const { backscroll, chatwoot } = await startHouse({ env: { UPSTREAM_BODY_MAX: '64kb' } });
  await backscroll.get(messagesOf(1));
  for (const fromTop of [19, 100, 200, 300]) {
    const page = pageBelow(chatwoot, 1, fromTop);
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as a walk is
    const answer = await backscroll.get(page);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe(chatwoot.table.body(1, 1, { before: Number(/\d+$/.exec(page)![0]) }));
  }
  expect(await backscroll.metrics()).toMatch(/^backscroll_behind_failures_total [1-9]/m);
  // No page is as large as a window: all of these failed, and the last of them were smaller.
  const windows = chatwoot.log.requests.filter(({ search }) => search.includes('after='));
  expect(windows.length).toBeGreaterThan(2);
});
