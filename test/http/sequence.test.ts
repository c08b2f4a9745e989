// Ids are one rising sequence, until a backup is restored or a row has a stray id. What shows that is asked for and heard: new
// messages are hidden for SETTLE at most, in no conversation for longer.

import { describe, expect, test } from 'vitest';
import type { Backscroll, TestClock } from '../support/backscroll.ts';
import { messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const SETTLE = 2 * MINUTE;
const CONVERSATIONS = [1, 3, 5];
const NO_CACHE = { 'cache-control': 'no-cache' };

interface House {
  readonly backscroll: Backscroll;
  readonly chatwoot: FakeChatwoot;
  readonly clock: TestClock;
}

function pageOf({ chatwoot }: House, conversation: number): string {
  return chatwoot.table.body(1, conversation, {});
}

async function newest({ backscroll }: House, conversation: number, headers: Record<string, string> = {}): Promise<string> {
  return (await backscroll.get(messagesOf(conversation), headers)).body.toString();
}

/** Everybody polls once a minute, for as long as it takes. */
async function poll(house: House, forMs: number, conversations = CONVERSATIONS): Promise<void> {
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs += MINUTE) {
    house.clock.advance(MINUTE);
    // oxlint-disable-next-line no-await-in-loop -- in the order of time
    for (const conversation of conversations) await newest(house, conversation);
  }
}

function write({ chatwoot }: House, conversations = CONVERSATIONS): void {
  for (const conversationId of conversations) chatwoot.table.insert({ accountId: 1, conversationId });
}

async function refutations({ backscroll }: House): Promise<number> {
  const line = (await backscroll.metrics()).split('\n').find((each) => each.startsWith('backscroll_sequence_refutations_total '));
  return Number(line?.split(' ')[1]);
}

const told = ({ backscroll }: House): string[] => backscroll.logs.filter((line) => line.includes('IDS DO NOT RISE'));

/** What is polled has settled: its ids are vouched for. */
async function settledHouse(): Promise<House> {
  const house = await startHouse();
  write(house);
  await poll(house, 3 * SETTLE);
  return house;
}

const FAULTS: readonly (readonly [string, (house: House) => void])[] = [
  ['a database restored from a backup', ({ chatwoot }) => chatwoot.table.restore(chatwoot.table.nextId - 100)],
  [
    'a row with a stray high id',
    ({ chatwoot }) => {
      const { nextId } = chatwoot.table;
      chatwoot.table.insert({ accountId: 1, conversationId: 5, id: 2_000_000_000 });
      chatwoot.table.setSequence(nextId);
    },
  ],
  [
    'a page of rows that were merged in from elsewhere, under their ids',
    ({ chatwoot, clock }) => {
      const { nextId } = chatwoot.table;
      for (let n = 0; n < 25; n++) {
        const createdAtUs = (clock.now() - (25 - n) * MINUTE) * 1000;
        chatwoot.table.insert({ accountId: 1, conversationId: 5, id: 2_000_000_000 + n, createdAtUs });
      }
      chatwoot.table.setSequence(nextId);
    },
  ],
];

describe.each(FAULTS)('after %s', (_what, happen) => {
  async function brokenHouse(): Promise<House> {
    const house = await settledHouse();
    happen(house);
    await poll(house, 3 * SETTLE);
    return house;
  }

  test('no-cache finds a new message at once, and then everybody finds those of all conversations', async () => {
    const house = await brokenHouse();
    write(house);
    house.clock.advance(2 * SECOND);
    expect(await newest(house, 5, NO_CACHE)).toBe(pageOf(house, 5));
    for (const conversation of CONVERSATIONS) {
      // oxlint-disable-next-line no-await-in-loop -- one reader
      expect(await newest(house, conversation)).toBe(pageOf(house, conversation));
    }
    expect(await refutations(house)).toBe(1);
    expect(told(house)).toHaveLength(1);
    expect(JSON.parse(told(house)[0]!)).toMatchObject({ level: 50, row: { id: expect.any(Number) as number } });
  });

  test('no-cache by a cursor above all ids finds it, too', async () => {
    const house = await brokenHouse();
    write(house, [5]);
    house.clock.advance(2 * SECOND);
    const answer = await house.backscroll.get(messagesOf(5, '?before=2147483647'), NO_CACHE);
    expect(answer.body.toString()).toBe(pageOf(house, 5));
  });

  test('whoever polls has it found within SETTLE', async () => {
    const house = await brokenHouse();
    write(house);
    await poll(house, SETTLE, [5]);
    for (const conversation of CONVERSATIONS) {
      // oxlint-disable-next-line no-await-in-loop -- one reader
      expect(await newest(house, conversation)).toBe(pageOf(house, conversation));
    }
    expect(await refutations(house)).toBe(1);
  });

  test('it is found once: what is written later shows at once, hours later, too', async () => {
    const house = await brokenHouse();
    write(house);
    await poll(house, SETTLE);
    for (let round = 0; round < 3; round++) {
      write(house);
      /* oxlint-disable no-await-in-loop -- in the order of time */
      house.clock.advance(2 * SECOND);
      for (const conversation of CONVERSATIONS) expect(await newest(house, conversation)).toBe(pageOf(house, conversation));
      await poll(house, 5 * MINUTE);
      /* oxlint-enable no-await-in-loop */
    }
    expect(await refutations(house)).toBe(1);
    expect(told(house)).toHaveLength(1);
    // And what was vouched for anew makes the newest page cheap again.
    const reads = readsOf(house.chatwoot).length;
    house.clock.advance(2 * SECOND);
    await newest(house, 1);
    expect(readsOf(house.chatwoot).slice(reads)).toEqual([expect.stringContaining('?after=')]);
  });
});

describe('is not refuted', () => {
  test('by a late commit within SETTLE, nor by rows that are back-dated or imported', async () => {
    const house = await settledHouse();
    const { table } = house.chatwoot;
    const late = table.begin({ accountId: 1, conversationId: 1 });
    write(house);
    await newest(house, 2);
    house.clock.advance(SETTLE - SECOND);
    await newest(house, 2);
    table.commit(late);
    const longAgoUs = (house.clock.now() - 90 * 24 * 60 * MINUTE) * 1000;
    for (let n = 0; n < 30; n++) {
      table.insert({ accountId: 1, conversationId: 1, createdAtUs: longAgoUs + n * 1e6, sourceId: `intercom:${n}` });
    }
    for (const conversation of CONVERSATIONS) {
      // oxlint-disable-next-line no-await-in-loop -- one reader
      expect(await newest(house, conversation, NO_CACHE)).toBe(pageOf(house, conversation));
    }
    await poll(house, 3 * SETTLE);
    expect(await refutations(house)).toBe(0);
  });

  test('by a Chatwoot whose clock is five minutes ahead', async () => {
    const house = await settledHouse();
    for (let round = 0; round < 10; round++) {
      for (const conversationId of CONVERSATIONS) {
        const createdAtUs = (house.clock.now() + 5 * MINUTE) * 1000 + conversationId;
        house.chatwoot.table.insert({ accountId: 1, conversationId, createdAtUs });
      }
      // oxlint-disable-next-line no-await-in-loop -- in the order of time
      await poll(house, 5 * MINUTE, [1 + (round % 5)]);
    }
    await poll(house, SETTLE);
    expect(await refutations(house)).toBe(0);
  });
});

test('a late commit under an import shows, though the import makes its ids look old', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const { table } = chatwoot;
  for (const round of [1, 2]) {
    const late = table.begin({ accountId: 1, conversationId: 1, content: 'late' });
    const longAgoUs = (clock.now() - 90 * 24 * 60 * MINUTE) * 1000;
    for (let n = 0; n < 30; n++) {
      table.insert({ accountId: 1, conversationId: 1, createdAtUs: longAgoUs + n * 1e6, sourceId: `freshdesk:${round}-${n}` });
    }
    const [after, before] = [late.id - 1, table.nextId];
    /* oxlint-disable no-await-in-loop -- in the order of time */
    await backscroll.get(messagesOf(1, `?after=${after}`));
    table.commit(late);
    clock.advance(20 * SECOND);
    const answer = await backscroll.get(messagesOf(1, `?after=${after}&before=${before}`));
    expect(answer.body.toString()).toBe(table.body(1, 1, { after, before }));
    clock.advance(SETTLE);
    await backscroll.get(messagesOf(1));
    /* oxlint-enable no-await-in-loop */
  }
});

test('one that is polled is read as it was asked once in SETTLE, and by what is new to it otherwise', async () => {
  const house = await settledHouse();
  const before = readsOf(house.chatwoot).length;
  for (let second = 0; second < 600; second += 2) {
    house.clock.advance(2 * SECOND);
    // oxlint-disable-next-line no-await-in-loop -- in the order of time
    await newest(house, 1);
  }
  const reads = readsOf(house.chatwoot).slice(before);
  const asAsked = reads.filter((read) => read === messagesOf(1));
  expect(reads).toHaveLength(300);
  expect(asAsked.length).toBeGreaterThanOrEqual(5);
  expect(asAsked.length).toBeLessThanOrEqual(6);
});

test('one that is polled after somebody has scrolled in it is read as it was asked once in SETTLE, too', async () => {
  const house = await settledHouse();
  const { backscroll, chatwoot, clock } = house;
  const scrolled = messagesOf(1, `?before=${chatwoot.table.rows(1, 1).at(-20)!.id}`);
  await backscroll.get(scrolled);
  expect(readsOf(chatwoot).at(-1)).toBe(scrolled);
  const before = readsOf(chatwoot).length;
  for (let minute = 0; minute < 10; minute += 0.5) {
    clock.advance(MINUTE / 2);
    // oxlint-disable-next-line no-await-in-loop -- in the order of time
    await newest(house, 1);
  }
  const asAsked = readsOf(chatwoot)
    .slice(before)
    .filter((read) => read === messagesOf(1));
  expect(asAsked.length).toBeGreaterThanOrEqual(4);
  expect(asAsked.length).toBeLessThanOrEqual(6);
});

test('of many that are polled, no more than sixteen in SETTLE are', async () => {
  const house = await startHouse();
  const many = Array.from({ length: 32 }, (_, n) => 100 + n);
  for (const conversation of many) house.chatwoot.table.addConversation(1, conversation);
  write(house, many);
  await poll(house, 2 * SETTLE, many);
  const before = readsOf(house.chatwoot).length;
  for (let second = 0; second < 240; second += 8) {
    house.clock.advance(8 * SECOND);
    // oxlint-disable-next-line no-await-in-loop -- in the order of time
    for (const conversation of many) await newest(house, conversation);
  }
  const reads = readsOf(house.chatwoot).slice(before);
  const asAsked = reads.filter((read) => !read.includes('?'));
  expect(reads).toHaveLength(30 * 32);
  expect(asAsked.length).toBeGreaterThanOrEqual(2 * 12);
  expect(asAsked.length).toBeLessThanOrEqual(2 * 16);
  // Each in its turn.
  expect(new Set(asAsked).size).toBe(asAsked.length);
});
