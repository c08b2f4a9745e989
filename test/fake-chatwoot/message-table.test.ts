// The fake's table against the rules of the finder, and against a naive finder.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import type { MessageDraft, MessageRow } from '../support/fake-chatwoot/message-row.ts';
import { MessageTable } from '../support/fake-chatwoot/message-table.ts';
import { sampleAccount } from '../support/fake-chatwoot/sample-account.ts';
import { shuffledTies } from '../support/fake-chatwoot/seeded-random.ts';

const NOW = 1_700_000_000_000;
const HERE = { accountId: 1, conversationId: 7 };

function tableOf(options: ConstructorParameters<typeof MessageTable>[0] = {}): MessageTable {
  const table = new MessageTable({ now: () => NOW, ...options });
  table.addConversation(1, 7);
  return table;
}

function ids(table: MessageTable, params: FinderParams = {}): number[] {
  return table.find(1, 7, params).map((row) => row.id);
}

function payload(table: MessageTable): Record<string, unknown>[] {
  const page: { payload: Record<string, unknown>[] } = JSON.parse(table.body(1, 7, {}));
  return page.payload;
}

describe('the id sequence', () => {
  test('is one for all conversations, and keeps the holes of rolled-back and skipped ids', () => {
    const table = tableOf();
    table.addConversation(2, 7);
    const first = table.insert(HERE);
    const elsewhere = table.insert({ ...HERE, accountId: 2 });
    table.rollback(table.begin(HERE));
    table.skipIds(10);
    const last = table.insert(HERE);
    expect([first.id, elsewhere.id, last.id]).toEqual([1, 2, 14]);
    expect(ids(table)).toEqual([1, 14]);
  });

  test('moves past a given id', () => {
    const table = tableOf({ firstId: 5 });
    table.insert({ ...HERE, id: 100 });
    expect(table.nextId).toBe(101);
    expect(() => table.insert({ ...HERE, id: 100 })).toThrow('exists');
  });
});

describe('a restored database', () => {
  test('lacks what was written since, and hands those ids out again', () => {
    const table = tableOf();
    const [kept] = [table.insert(HERE), table.insert(HERE), table.insert(HERE)];
    table.restore(2);
    expect(ids(table)).toEqual([kept.id]);
    expect(table.insert(HERE).id).toBe(2);
  });

  test('is not the same as a sequence that is set, where rows stay', () => {
    const table = tableOf();
    table.insert({ ...HERE, id: 900 });
    table.setSequence(7);
    table.insert(HERE);
    expect(ids(table)).toEqual([900, 7]);
  });
});

describe('a late commit', () => {
  test('shows a lower id after a higher one was served, at the place of its created_at', () => {
    const table = tableOf();
    table.insert(HERE);
    const open = table.begin(HERE);
    const higher = table.insert(HERE);
    expect(ids(table, { before: higher.id })).toEqual([1]);
    table.commit(open);
    expect(ids(table, { before: higher.id })).toEqual([1, 2]);
    expect(ids(table)).toEqual([1, 2, 3]);
    expect(() => table.commit(open)).toThrow('not open');
    expect(() => table.rollback(open)).toThrow('not open');
  });
});

describe('a back-dated row', () => {
  test('has the highest id, and is on no page of newest rows', () => {
    const table = tableOf();
    for (let count = 0; count < 20; count += 1) table.insert(HERE);
    const old = table.insert({ ...HERE, createdAtUs: 1_000_000 });
    expect(ids(table)).not.toContain(old.id);
    expect(ids(table, { before: old.id + 1 })).not.toContain(old.id);
    expect(ids(table, { after: 5 })[0]).toBe(old.id);
  });
});

describe('edits and deletions', () => {
  test('a soft delete keeps the row and takes its text and attachments', () => {
    const table = tableOf();
    const { id } = table.insert({ ...HERE, content: 'secret', attachments: [{ id: 1 }], contentType: 'cards' });
    table.softDelete(id);
    const [message] = payload(table);
    expect(message).toMatchObject({
      id,
      content: 'This message was deleted',
      content_type: 'text',
      content_attributes: { deleted: true },
    });
    expect(message).not.toHaveProperty('attachments');
  });

  test('a hard delete lets an older row slide into the page', () => {
    const table = tableOf();
    for (let count = 0; count < 21; count += 1) table.insert(HERE);
    expect(ids(table)[0]).toBe(2);
    table.hardDelete(10);
    expect(ids(table)[0]).toBe(1);
    expect(() => table.row(10)).toThrow('no message 10');
  });

  test('an edit changes the JSON in place; turned private, a row is internal', () => {
    const table = tableOf();
    const { id } = table.insert(HERE);
    table.insert(HERE);
    table.edit(id, { status: 'read', private: true, sender: { id: 9, type: 'user' } });
    expect(payload(table)[0]).toMatchObject({ status: 'read', private: true, sender: { id: 9 } });
    expect(ids(table, { publicOnly: true })).toEqual([2]);
    table.edit(id, (json) => ({ ...json, sender: undefined }));
    expect(payload(table)[0]).not.toHaveProperty('sender');
  });

  test('a removed conversation takes its rows along', () => {
    const table = tableOf();
    const { id } = table.insert(HERE);
    table.removeConversation(1, 7);
    expect(table.hasConversation(1, 7)).toBe(false);
    expect(() => table.row(id)).toThrow('no message');
    expect(() => table.find(1, 7, {})).toThrow('no conversation 1/7');
  });

  test('meta changes by key or as exact JSON', () => {
    const table = tableOf();
    table.changeMeta(1, 7, { labels: ['a<b'], agent_last_seen_at: '2026-01-02T03:04:05.678Z' });
    expect(table.metaJson(1, 7)).toContain('{"labels":["a\\u003cb"],"additional_attributes":{},"contact":{');
    table.changeMeta(1, 7, '{"labels":[1.0]}');
    expect(table.body(1, 7, {})).toBe('{"meta":{"labels":[1.0]},"payload":[]}');
  });
});

test('a row is rendered in the order of the contract', () => {
  const table = tableOf();
  table.insert({ ...HERE, content: 'a & b', sender: { id: 1 }, attachments: [null] });
  expect(table.row(1).json).toBe(
    '{"id":1,"content":"a \\u0026 b","inbox_id":1,"conversation_id":7,"message_type":0,"content_type":"text","status":"sent",' +
      '"content_attributes":{},"created_at":1700000000,"private":false,"source_id":null,"sender":{"id":1},"attachments":[null]}',
  );
});

test('rows of one millisecond get distinct, rising microseconds', () => {
  const table = tableOf();
  const times = Array.from({ length: 5 }, () => table.insert(HERE).createdAtUs);
  expect(times).toEqual([0, 1, 2, 3, 4].map((offset) => NOW * 1000 + offset));
});

/** Two reads of nine rows of one microsecond, in a table shuffled by this seed. */
function shuffledReads(seed: number): number[][] {
  const table = tableOf({ ties: shuffledTies(seed) });
  for (let count = 0; count < 9; count += 1) table.insert({ ...HERE, createdAtUs: 5 });
  return [ids(table), ids(table)];
}

describe('ties', () => {
  test('are in the order of ids unless another order is asked for', () => {
    const table = tableOf();
    for (const id of [3, 1, 2]) table.insert({ ...HERE, id, createdAtUs: 5 });
    expect(ids(table)).toEqual([1, 2, 3]);
    table.ties = (tied) => tied.toReversed();
    expect(ids(table)).toEqual([3, 2, 1]);
  });

  test('reach over the edge of a page: which rows are on it is open, too', () => {
    const table = tableOf({ ties: (tied) => tied.toReversed() });
    for (let count = 0; count < 25; count += 1) table.insert({ ...HERE, createdAtUs: 5 });
    expect(ids(table)).toEqual(Array.from({ length: 20 }, (_, index) => 20 - index));
  });

  test('shuffled by a seed repeat with it and change from read to read', () => {
    const [first, second] = shuffledReads(3);
    expect(shuffledReads(3)).toEqual([first, second]);
    expect(first).not.toEqual(second);
    expect(first?.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

/** The finder as one would write it down: filter, sort, cut. */
function naiveFind(rows: readonly MessageRow[], { before, after, publicOnly = false }: FinderParams): number[] {
  const kept = rows.filter((row) => {
    if (publicOnly && (row.private || row.messageType === 2)) return false;
    if (before !== undefined && after !== undefined) return row.id >= after && row.id < before;
    if (before !== undefined) return row.id < before;
    return after === undefined || row.id > after;
  });
  const ascending = kept.toSorted((a, b) => a.createdAtUs - b.createdAtUs || a.id - b.id);
  const page =
    after === undefined
      ? ascending.toReversed().slice(0, 20).toReversed()
      : ascending.slice(0, before === undefined ? 100 : 1000);
  return page.map((row) => row.id);
}

test('find equals a naive filter, sort and cut, whatever happened to the table', () => {
  const draft = fc.record({ createdAtUs: fc.nat(200), messageType: fc.constantFrom(0, 1, 2, 3), private: fc.boolean() });
  const step = fc.oneof(
    { weight: 12, arbitrary: fc.record({ kind: fc.constant('insert' as const), draft }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), draft }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('privatise' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('skip' as const), at: fc.nat(5) }) },
  );
  const cursor = fc.option(fc.integer({ min: -1, max: 260 }), { nil: undefined });
  const question = fc.record({ before: cursor, after: cursor, publicOnly: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 220, size: 'max' }),
      fc.array(question, { minLength: 1, maxLength: 12 }),
      (steps, questions) => {
        const table = tableOf();
        const open: ReturnType<MessageTable['begin']>[] = [];
        const model = new Map<number, MessageRow>();
        const show = (row: MessageRow): void => void model.set(row.id, row);
        for (const action of steps) {
          const at = 'at' in action ? action.at : 0;
          const chosen = [...model.keys()][at % Math.max(1, model.size)];
          if (action.kind === 'insert') show(table.insert({ ...HERE, ...(action.draft as Partial<MessageDraft>) }));
          else if (action.kind === 'begin') open.push(table.begin({ ...HERE, ...(action.draft as Partial<MessageDraft>) }));
          else if (action.kind === 'skip') table.skipIds(at);
          else if (action.kind === 'commit') {
            const [handle] = open.splice(at % Math.max(1, open.length), 1);
            if (handle !== undefined) show(table.commit(handle));
          } else if (chosen !== undefined && action.kind === 'delete') {
            table.hardDelete(chosen);
            model.delete(chosen);
          } else if (chosen !== undefined) show(table.edit(chosen, { private: true }));
        }
        for (const { before, after, publicOnly } of questions) {
          const params: FinderParams = {
            ...(before === undefined ? {} : { before }),
            ...(after === undefined ? {} : { after }),
            publicOnly,
          };
          const expected = naiveFind([...model.values()], params);
          expect(ids(table, params)).toEqual(expected);
          // With an order of ties that is the identity, the slower path must give the same page.
          table.ties = (tied) => tied;
          expect(ids(table, params)).toEqual(expected);
          table.ties = undefined;
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('the sample account is the same for the same seed and moment', () => {
  const bodies = (seed: number): string[] =>
    [1, 2, 3, 4, 5, 6].map((id) => sampleAccount({ seed, now: () => NOW }).table.body(1, id, { after: 0, before: 1e9 }));
  expect(bodies(1)).toEqual(bodies(1));
  expect(bodies(2)).not.toEqual(bodies(1));
  const page: {
    payload: { created_at: number; message_type: number; private: boolean }[];
  } = JSON.parse(bodies(1)[0] ?? '');
  const messages = page.payload;
  expect(messages.length).toBe(400);
  expect(messages.some((message) => message.private) && messages.some((message) => message.message_type === 2)).toBe(true);
  expect(Math.max(...messages.map((message) => message.created_at))).toBeLessThan(NOW / 1000);
});
