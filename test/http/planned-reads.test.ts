// Reads that the reading plan puts in place of a page or behind one: they are sane, get somewhere, and their failure is no caller's.

import { expect, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

const MINUTE_MS = 60_000;
/** A conversation of the sample account that is empty. */
const EMPTY = 6;

/** Fills it with `count` messages, one a minute, with `others` ids of other conversations after each. @returns the newest id */
function fill(chatwoot: FakeChatwoot, now: number, count: number, others: number): number {
  let newest = 0;
  for (let at = count; at > 0; at--) {
    const createdAtUs = (now - (60 + at) * MINUTE_MS) * 1000;
    newest = chatwoot.table.insert({ accountId: 1, conversationId: EMPTY, createdAtUs }).id;
    chatwoot.table.skipIds(others);
  }
  return newest;
}

/** Ids of other conversations are handed out and read, and settle. */
async function seeOthers(backscroll: Backscroll, chatwoot: FakeChatwoot, clock: { advance(ms: number): void }): Promise<void> {
  chatwoot.table.insert({ accountId: 1, conversationId: 5 });
  await backscroll.get(messagesOf(5));
  clock.advance(2.5 * MINUTE_MS);
}

test('a poller of the newest rows is answered though another reader has seen a page with more to follow', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const newest = fill(chatwoot, clock.now(), 300, 0);
  const poll = messagesOf(EMPTY, `?after=${newest}`);
  for (let n = 0; n < 2; n++) expect((await backscroll.get(poll)).status).toBe(200);
  expect((await backscroll.get(messagesOf(EMPTY, '?after=0&filter_internal_messages=true'))).status).toBe(200);
  for (let n = 0; n < 5; n++) {
    clock.advance(5_000);
    const answer = await backscroll.get(poll);
    expect([answer.status, answer.body.toString()]).toEqual([200, chatwoot.table.body(1, EMPTY, { after: newest })]);
  }
  await backscroll.app.readThrough.idle();
  expect(await backscroll.metrics()).toMatch(/^backscroll_behind_failures_total 0$/m);
});

test('cursors at the end of all numbers are answered, however often they are asked', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  fill(chatwoot, clock.now(), 150, 0);
  await backscroll.get(messagesOf(EMPTY, '?after=0'));
  const end = Number.MAX_SAFE_INTEGER;
  for (const search of [`?after=${end}`, `?after=${end - 1}`, `?before=${end}`, `?after=${end}&before=${end}`, '?before=0']) {
    for (let n = 0; n < 3; n++) {
      clock.advance(5_000);
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as a poller is
      expect([search, (await backscroll.get(messagesOf(EMPTY, search))).status]).toEqual([search, 200]);
    }
  }
  await backscroll.app.readThrough.idle();
  expect(await backscroll.metrics()).toMatch(/^backscroll_behind_failures_total 0$/m);
});

const idsFarApart = 199;

/** Reads a page again and again, as long as it is a hit. @returns what Chatwoot was asked behind it */
async function readsBehindHits(house: Awaited<ReturnType<typeof startHouse>>, page: string): Promise<readonly string[]> {
  const { backscroll, chatwoot, clock } = house;
  await backscroll.get(page);
  await backscroll.app.readThrough.idle();
  chatwoot.clearLog();
  for (let n = 0; n < 9; n++) {
    expect((await backscroll.get(page)).headers['cache-status']).toMatch(/hit/);
    await backscroll.app.readThrough.idle();
    clock.advance(500);
  }
  return readsOf(chatwoot);
}

test('ids that no row has are not asked for at each hit', async () => {
  const house = await startHouse({ env: { TAIL_MAX_AGE: '60s' } });
  const { backscroll, chatwoot, clock } = house;
  const newest = fill(chatwoot, clock.now(), 95, idsFarApart);
  for (let n = 0; n < 2; n++) await seeOthers(backscroll, chatwoot, clock);
  const { payload } = (await backscroll.get(messagesOf(EMPTY))).json() as { payload: { id: number }[] };
  await backscroll.get(messagesOf(EMPTY, `?before=${payload[0]!.id}`));
  await seeOthers(backscroll, chatwoot, clock);
  const added = chatwoot.table.insert({ accountId: 1, conversationId: EMPTY }).id;
  expect(added).toBeGreaterThan(newest + idsFarApart);
  expect((await readsBehindHits(house, messagesOf(EMPTY, `?before=${added + 1}`))).length).toBeLessThanOrEqual(1);
});

test('a wide gap in which no row is known is read whole', async () => {
  const house = await startHouse();
  const { backscroll, chatwoot, clock } = house;
  fill(chatwoot, clock.now(), 95, idsFarApart);
  for (let n = 0; n < 2; n++) await seeOthers(backscroll, chatwoot, clock);
  const { payload } = (await backscroll.get(messagesOf(EMPTY))).json() as { payload: { id: number }[] };
  await backscroll.get(messagesOf(EMPTY, `?before=${payload[0]!.id}`));
  await backscroll.app.readThrough.idle();
  clock.advance(40 * MINUTE_MS);
  chatwoot.table.skipIds(14_000);
  const added = chatwoot.table.insert({ accountId: 1, conversationId: EMPTY }).id;
  chatwoot.table.skipIds(100);
  await seeOthers(backscroll, chatwoot, clock);
  expect((await readsBehindHits(house, messagesOf(EMPTY, `?before=${added + 1}`))).length).toBeLessThanOrEqual(1);
});
