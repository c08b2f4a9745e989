// Proved answers that are checked against Chatwoot's own: what deletions explain is no difference, what the proofs rule out is
// one, and several end them: three in one conversation for that conversation, three conversations for all.

import { describe, expect, test } from 'vitest';
import { KEY, messagesOf, readsOf, startHouse, type Backscroll } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { MessageRow } from '../support/fake-chatwoot/message-row.ts';
import { isInternal } from '../support/fake-chatwoot/message-row.ts';
import { shuffledTies } from '../support/fake-chatwoot/seeded-random.ts';

const FILTERS = [
  ['all rows', ''],
  ['public rows', '&filter_internal_messages=true'],
];

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** Public rows of a conversation, the oldest first. */
function publicRows(chatwoot: FakeChatwoot, conversation = 1): readonly MessageRow[] {
  return chatwoot.table.rows(1, conversation).filter((row) => !isInternal(row));
}

/** Takes a row away before anybody has read it, to put it back when the proofs say that it is not there. */
function hide(chatwoot: FakeChatwoot, row: MessageRow): { show: () => void } {
  chatwoot.table.hardDelete(row.id);
  return { show: () => chatwoot.table.insertRaw(row) };
}

async function askTwice(
  backscroll: Backscroll,
  search: string,
  between: () => void = () => undefined,
  conversation = 1,
): Promise<string> {
  await backscroll.get(messagesOf(conversation, search));
  await backscroll.app.readThrough.idle();
  between();
  const { headers } = await backscroll.get(messagesOf(conversation, search));
  await backscroll.app.readThrough.idle();
  return headers['cache-status']!;
}

async function checks(backscroll: Backscroll): Promise<{ confirmed: number; different: number; exact: number }> {
  const text = await backscroll.metrics();
  const value = (name: string): number =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1] ?? 0,
    );
  return {
    confirmed: value('backscroll_shadow_checks_total{outcome="confirmed"}'),
    different: value('backscroll_shadow_checks_total{outcome="different"}'),
    exact: value('backscroll_exact_mode'),
  };
}

const differences = (backscroll: Backscroll): Record<string, unknown>[] =>
  backscroll.logs
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => msg === 'Chatwoot answers differently from what was proved');

describe.each(FILTERS)('of %s', (_what, filter) => {
  const house = () => startHouse({ env: { SHADOW_RATE: '1' } });

  test('what Chatwoot says again is confirmed', async () => {
    const { backscroll, chatwoot } = await house();
    const before = publicRows(chatwoot).at(-40)!.id;
    expect(await askTwice(backscroll, `?before=${before}${filter}`)).toMatch(/^backscroll; hit/);
    expect(await checks(backscroll)).toEqual({ confirmed: 1, different: 0, exact: 0 });
  });

  test('rows deleted since explain a difference', async () => {
    const { backscroll, chatwoot } = await house();
    const [before, one, other] = [-40, -45, -50].map((at) => publicRows(chatwoot).at(at)!.id) as [number, number, number];
    const status = await askTwice(backscroll, `?before=${before}${filter}`, () => {
      chatwoot.table.hardDelete(one);
      chatwoot.table.hardDelete(other);
    });
    expect(status).toMatch(/^backscroll; hit/);
    expect(await checks(backscroll)).toEqual({ confirmed: 1, different: 0, exact: 0 });
  });

  test('a row that is left out beside one that was deleted is told, with ids and no content', async () => {
    const { backscroll, chatwoot } = await house();
    const [before, left, gone] = [-40, -42, -45].map((at) => publicRows(chatwoot).at(at)!) as [
      MessageRow,
      MessageRow,
      MessageRow,
    ];
    await askTwice(backscroll, `?before=${before.id}${filter}`, () => {
      chatwoot.table.hardDelete(gone.id);
      // A finder of another mind: the page without the row, which is there when it is asked for.
      const page = JSON.parse(chatwoot.table.body(1, 1, { before: before.id, publicOnly: filter !== '' })) as {
        payload: { id: number }[];
      };
      page.payload = page.payload.filter(({ id }) => id !== left.id);
      chatwoot.fault = (_number, { search }) =>
        search.includes('after=') ? undefined : { kind: 'status', status: 200, headers: JSON_TYPE, body: JSON.stringify(page) };
    });
    expect(await checks(backscroll)).toEqual({ confirmed: 0, different: 1, exact: 0 });
    const [told] = differences(backscroll);
    const ids = (rows: unknown): number[] => (rows as { id: number }[]).map(({ id }) => id);
    expect(told).toMatchObject({ level: 50, conversation: { accountId: 1, conversationId: 1 } });
    expect(ids(told!['proved'])).toContain(left.id);
    expect(ids(told!['read'])).not.toContain(left.id);
    expect(JSON.stringify(told)).not.toContain('content');
  });

  test('a row that cannot be there is a difference on the newest page, too', async () => {
    const { backscroll, chatwoot } = await house();
    const { show } = hide(chatwoot, publicRows(chatwoot).at(-5)!);
    await askTwice(backscroll, `?${filter}`, show);
    expect(await checks(backscroll)).toEqual({ confirmed: 0, different: 1, exact: 0 });
  });

  async function differIn(backscroll: Backscroll, chatwoot: FakeChatwoot, conversation: number): Promise<void> {
    const { show } = hide(chatwoot, publicRows(chatwoot, conversation).at(-5)!);
    await askTwice(backscroll, `?${filter}`, show, conversation);
  }

  test('differences in three conversations end the proofs', async () => {
    const { backscroll, chatwoot } = await house();
    const rows = publicRows(chatwoot);
    for (const conversation of [2, 3, 1]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await differIn(backscroll, chatwoot, conversation);
    }
    expect(await checks(backscroll)).toEqual({ confirmed: 0, different: 3, exact: 1 });
    expect(backscroll.logs.filter((line) => line.includes('PROOFS ARE OFF'))).toHaveLength(1);

    const at = rows.at(-60)!.id;
    expect(await askTwice(backscroll, `?before=${at}${filter}`)).toMatch(/^backscroll; hit/);
    const asked = readsOf(chatwoot).length;
    // It would follow from the page just read and the one below it.
    await askTwice(backscroll, `?before=${rows.at(-80)!.id}${filter}`);
    const { headers } = await backscroll.get(messagesOf(1, `?before=${rows.at(-65)!.id}${filter}`));
    expect(headers['cache-status']).toMatch(/^backscroll; fwd=miss/);
    expect(readsOf(chatwoot).length).toBe(asked + 2);
  });
});

describe('differences', () => {
  const house = () => startHouse({ env: { SHADOW_RATE: '1' } });

  async function differ(backscroll: Backscroll, chatwoot: FakeChatwoot, times: number, conversation = 1): Promise<void> {
    const rows = publicRows(chatwoot, conversation);
    for (let nth = 0; nth < times; nth++) {
      const { show } = hide(chatwoot, rows.at(-5 - nth)!);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await askTwice(backscroll, '', show, conversation);
      // What the check has read is learnt: the conversation was forgotten. It begins anew.
      if (nth < times - 1) backscroll.app.readThrough.purge({});
    }
  }

  test('in one conversation, however many, end the proofs of that one only', async () => {
    const { backscroll, chatwoot } = await house();
    await differ(backscroll, chatwoot, 3);
    expect(await checks(backscroll)).toEqual({ confirmed: 0, different: 3, exact: 0 });
    const told = backscroll.logs.filter((line) => line.includes('this conversation is answered by exact query'));
    expect(told.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ level: 50, conversation: { accountId: 1, conversationId: 1 } }),
    ]);
    const id = (conversation: number, at: number): number => chatwoot.table.rows(1, conversation).at(at)!.id;
    const range = (conversation: number, from: number, to: number): string =>
      messagesOf(conversation, `?after=${id(conversation, from)}&before=${id(conversation, to)}`);
    const statuses: (string | undefined)[] = [];
    for (const conversation of [1, 2]) {
      /* oxlint-disable no-await-in-loop -- one after the other */
      await backscroll.get(range(conversation, -40, -10));
      statuses.push((await backscroll.get(range(conversation, -30, -20))).headers['cache-status']);
      /* oxlint-enable no-await-in-loop */
    }
    expect(statuses).toEqual([expect.stringContaining('fwd=miss'), expect.stringContaining('hit')]);
  });

  test('count for a day', async () => {
    const { backscroll, chatwoot, clock } = await house();
    await differ(backscroll, chatwoot, 1, 1);
    await differ(backscroll, chatwoot, 1, 2);
    clock.advance(25 * 3_600_000);
    await differ(backscroll, chatwoot, 1, 3);
    expect(await checks(backscroll)).toMatchObject({ different: 3, exact: 0 });
    await differ(backscroll, chatwoot, 1, 1);
    expect(await checks(backscroll)).toMatchObject({ different: 4, exact: 0 });
    clock.advance(23 * 3_600_000);
    await differ(backscroll, chatwoot, 1, 2);
    expect(await checks(backscroll)).toMatchObject({ different: 5, exact: 1 });
  });

  test('are none where rows of one microsecond take turns at the edge of a page', async () => {
    const { backscroll, chatwoot, clock } = await house();
    const { table } = chatwoot;
    table.addConversation(1, 50);
    for (let n = 0; n < 200; n++) {
      // Four and four.
      const createdAtUs = (clock.now() - 3_600_000 + Math.floor(n / 4) * 5000) * 1000;
      table.insert({ accountId: 1, conversationId: 50, createdAtUs });
    }
    table.ties = shuffledTies(7);
    const rows = table.rows(1, 50);
    for (let at = 40; at < 200; at += 3) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await askTwice(backscroll, `?before=${rows[at]!.id}`, () => clock.advance(2000), 50);
    }
    const { confirmed, different } = await checks(backscroll);
    expect(confirmed).toBeGreaterThan(20);
    expect(different).toBe(0);
  });
});

test('a conversation that contradicts the proofs three times is answered by exact query, others are not', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: [{ name: 'test', key: KEY, mayBypass: true }] });
  const rows = publicRows(chatwoot);
  const id = (at: number): number => rows.at(at)!.id;
  const hidden = [-60, -61, -62].map((at) => hide(chatwoot, rows.at(at)!));
  const page = messagesOf(1, `?after=${id(-70)}&before=${id(-50)}`);
  await backscroll.get(page);
  for (const [nth, { show }] of hidden.entries()) {
    show();
    await backscroll.get(page, { 'cache-control': 'no-cache' });
    expect(await backscroll.metrics()).toContain(`\nbackscroll_contradictions_total ${nth + 1}\n`);
  }
  const inside = messagesOf(1, `?after=${id(-66)}&before=${id(-55)}`);
  expect((await backscroll.get(inside)).headers['cache-status']).toMatch(/^backscroll; fwd=miss/);
  expect((await backscroll.get(inside)).headers['cache-status']).toMatch(/^backscroll; hit/);

  const others = chatwoot.table.rows(1, 2);
  const of = (low: number, high: number): string => messagesOf(2, `?after=${others.at(low)!.id}&before=${others.at(high)!.id}`);
  await backscroll.get(of(-30, -10));
  expect((await backscroll.get(of(-25, -15))).headers['cache-status']).toMatch(/^backscroll; hit/);
});
