// A client with the customer view, beside one with the agent's, through the whole program: one cache, two bodies.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Backscroll, Received } from '../support/backscroll.ts';
import { messagesOf, readsOf, startBackscroll, startHouse, testClock } from '../support/backscroll.ts';
import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import { fakeFromRecordings, loadRecordings } from '../support/fake-chatwoot/load-recordings.ts';

const CUSTOMER = { name: 'portal', key: 'key-of-the-customer-portal', view: 'customer', mayBypass: true } as const;
const AGENT = { name: 'crm', key: 'key-of-the-agents-crm' } as const;
const clients = [CUSTOMER, AGENT];

function ask(
  backscroll: Backscroll,
  who: { key: string },
  target: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Received> {
  return backscroll.send({ target, method, headers: [['api_access_token', who.key], ...Object.entries(headers)] });
}

interface ShownRow {
  readonly id: number;
  readonly content: string | null;
  readonly private: boolean;
  readonly message_type: number;
}

function rowsOf(answer: Received): readonly ShownRow[] {
  expect(answer.status).toBe(200);
  return (answer.json() as { payload: ShownRow[] }).payload;
}

const idsOf = (rows: readonly { readonly id: number }[]): number[] => rows.map(({ id }) => id);

/** Every way to ask for or against the filter. */
const FILTERS = [
  '',
  'filter_internal_messages=',
  'filter_internal_messages=false',
  'filter_internal_messages=true',
  'filter_internal_messages[]=',
];

describe('the pages of a customer', () => {
  test.each(['cold', 'warmed by an agent'])(
    'hold the rows that the filter of Chatwoot gives, over all recordings, %s',
    async (state) => {
      const clock = testClock();
      const recordings = loadRecordings();
      const chatwoot = await fakeFromRecordings(recordings, { now: clock.now });
      onTestFinished(() => chatwoot.close());
      const backscroll = await startBackscroll({ chatwoot, clients, now: clock.now });
      onTestFinished(() => backscroll.close());
      for (const { account_id: account, display_id: conversation, rows } of recordings.conversations) {
        // Ties are in no order that could be told (contract 5.1); suspended and failing conversations have no pages.
        if (`${account}/${conversation}` === '1/21' || chatwoot.failing.has(`${account}/${conversation}`) || account === 3)
          continue;
        const path = `/api/v1/accounts/${account}/conversations/${conversation}/messages`;
        const [low = 1, middle = 1, high = 1] = [0, 0.5, 0.99].map((share) => rows[Math.floor(rows.length * share)]?.id);
        const asked: readonly (readonly [string, FinderParams])[] = [
          ['', {}],
          [`before=${middle}`, { before: middle }],
          [`before=${high}`, { before: high }],
          [`after=${middle}`, { after: middle }],
          [`after=${low}&before=${high}`, { after: low, before: high }],
        ];
        for (const [search, params] of asked) {
          // oxlint-disable no-await-in-loop -- what one answer teaches, the next may use
          if (state !== 'cold') await ask(backscroll, AGENT, `${path}?${search}`);
          for (const filter of FILTERS.slice(0, state === 'cold' ? 1 : 3)) {
            const shown = rowsOf(await ask(backscroll, CUSTOMER, `${path}?${search}&${filter}`));
            expect(idsOf(shown), `${path}?${search}`).toEqual(
              idsOf(chatwoot.table.find(account, conversation, { ...params, publicOnly: true })),
            );
            expect(shown.filter((row) => row.private || row.message_type === 2)).toEqual([]);
          }
          if (state === 'cold') continue;
          const agent = await ask(backscroll, AGENT, `${path}?${search}`);
          expect(agent.body.toString()).toBe(chatwoot.table.body(account, conversation, params));
          // oxlint-enable no-await-in-loop
        }
      }
      expect(await backscroll.metrics()).toContain('\nbackscroll_withheld_rows_total 0\n');
    },
  );

  test('are proved from the rows that an agent read, private notes among them', async () => {
    const { backscroll, chatwoot } = await startHouse({ clients });
    chatwoot.table.insert({ accountId: 1, conversationId: 2, private: true, content: 'canary-note' });
    const agent = await ask(backscroll, AGENT, messagesOf(2, '?after=0&before=999999999'));
    expect(agent.body.toString()).toContain('canary-note');
    const reads = readsOf(chatwoot).length;
    for (const filter of FILTERS) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const customer = await ask(backscroll, CUSTOMER, messagesOf(2, `?after=0&before=999999999&${filter}`));
      expect(customer.headers['cache-status']).toMatch(/^backscroll; hit; ttl=/);
      expect(idsOf(rowsOf(customer))).toEqual(
        idsOf(chatwoot.table.find(1, 2, { after: 0, before: 999_999_999, publicOnly: true })),
      );
      expect(customer.body.toString()).not.toContain('canary-note');
    }
    expect(readsOf(chatwoot)).toHaveLength(reads);
  });

  test('before_timestamp and a read that bypasses the cache are filtered too', async () => {
    const { backscroll, chatwoot } = await startHouse({ clients });
    await ask(backscroll, CUSTOMER, messagesOf(2, '?before_timestamp=1700000000'));
    await ask(backscroll, CUSTOMER, messagesOf(2, '?before=1200'), { 'cache-control': 'no-cache' });
    expect(readsOf(chatwoot).map((target) => target.includes('filter_internal_messages=true'))).toEqual([true, true]);
  });

  test('an internal row that comes although it was filtered is left out and counted', async () => {
    const { backscroll, chatwoot } = await startHouse({ clients });
    const page =
      '{"meta":{},"payload":[{"id":1,"created_at":1,"message_type":2,"private":false,"content":"canary"},{"id":2,"created_at":2,"message_type":1,"private":false,"content":"said"}]}';
    chatwoot.fault = () => ({ kind: 'wrong-shape', body: page });
    const answer = await ask(backscroll, CUSTOMER, messagesOf(2));
    expect(rowsOf(answer)).toEqual([{ id: 2, content: 'said', message_type: 1, created_at: 2, private: false }]);
    expect(await backscroll.metrics()).toContain('\nbackscroll_withheld_rows_total 1\n');
  });
});

describe('what is planted in personal places', () => {
  test('reaches the agent and not the customer, cold and warm', async () => {
    const { backscroll, chatwoot } = await startHouse({ clients });
    const shownContact = { id: 9, name: 'Nadia', thumbnail: '', type: 'contact' };
    const contact = {
      ...shownContact,
      identifier: 'canary-identifier',
      email: 'canary@mail.test',
      phone_number: '+4915550009',
      custom_attributes: { plan: 'canary-plan' },
      additional_attributes: { city: 'canary-city' },
    };
    chatwoot.table.insert({
      accountId: 1,
      conversationId: 6,
      content: 'hello there',
      sourceId: 'canary-source',
      sender: contact,
      contentAttributes: {
        external_error: 'canary-error',
        email: { from: ['canary@mail.test'] },
        cc_emails: ['canary@mail.test'],
        in_reply_to: 7,
      },
      attachments: [{ id: 1, file_type: 'contact', fallback_title: '+4915550009', meta: { firstName: 'canary-first' } }],
    });
    chatwoot.table.insert({ accountId: 1, conversationId: 6, messageType: 2, content: 'canary-activity' });
    chatwoot.table.changeMeta(1, 6, { labels: ['canary-label'], additional_attributes: { referer: 'canary-referer' }, contact });
    const unwanted = /canary|15550009/;
    const cold = await ask(backscroll, CUSTOMER, messagesOf(6));
    const agent = await ask(backscroll, AGENT, messagesOf(6));
    const warm = await ask(backscroll, CUSTOMER, messagesOf(6));
    expect(agent.body.toString()).toBe(chatwoot.table.body(1, 6, {}));
    for (const { headers, body } of [cold, warm]) {
      expect(JSON.stringify(headers)).not.toMatch(unwanted);
      expect(body.toString()).not.toMatch(unwanted);
    }
    expect(warm.json()).toEqual({
      meta: { contact: shownContact },
      payload: [
        {
          id: expect.any(Number),
          content: 'hello there',
          conversation_id: 6,
          message_type: 0,
          content_type: 'text',
          status: 'sent',
          content_attributes: { in_reply_to: 7 },
          created_at: expect.any(Number),
          private: false,
          sender: shownContact,
          attachments: [{ id: 1, file_type: 'contact' }],
        },
      ],
    });
    expect(backscroll.logs.join('')).not.toMatch(unwanted);
  });
});

describe('two views of one page', () => {
  test('have two ETags, and each answers only its own with 304', async () => {
    const { backscroll } = await startHouse({ clients });
    // Both ask for the very same rows.
    const target = messagesOf(2, '?filter_internal_messages=true');
    const agent = await ask(backscroll, AGENT, target);
    const customer = await ask(backscroll, CUSTOMER, target);
    expect(idsOf(rowsOf(customer))).toEqual(idsOf(rowsOf(agent)));
    expect(customer.headers['etag']).not.toBe(agent.headers['etag']);
    expect(customer.headers['content-length']).toBe(String(customer.body.length));
    const [own, other] = [customer.headers['etag']!, agent.headers['etag']!];
    expect((await ask(backscroll, CUSTOMER, target, { 'if-none-match': own })).status).toBe(304);
    expect((await ask(backscroll, CUSTOMER, target, { 'if-none-match': other })).status).toBe(200);
    expect((await ask(backscroll, AGENT, target, { 'if-none-match': own })).status).toBe(200);
  });

  test('the ETag stays while only what a customer does not see changes', async () => {
    const { backscroll, chatwoot, clock } = await startHouse({ clients });
    const before = await ask(backscroll, CUSTOMER, messagesOf(2));
    chatwoot.table.changeMeta(1, 2, { labels: ['moved'], agent_last_seen_at: '2026-09-01T00:00:00.000Z' });
    chatwoot.table.insert({ accountId: 1, conversationId: 2, private: true, content: 'a note' });
    clock.advance(20_000);
    const after = await ask(backscroll, CUSTOMER, messagesOf(2), { 'if-none-match': before.headers['etag']! });
    expect(after).toMatchObject({ status: 304, headers: { 'cache-status': expect.stringContaining('fwd=miss') } });
  });

  test('HEAD says what GET says', async () => {
    const { backscroll } = await startHouse({ clients });
    const get = await ask(backscroll, CUSTOMER, messagesOf(2, '?before=1500'));
    const head = await ask(backscroll, CUSTOMER, messagesOf(2, '?before=1500'), {}, 'HEAD');
    expect(head).toMatchObject({
      status: 200,
      headers: { etag: get.headers['etag'], 'content-length': get.headers['content-length'] },
    });
    expect(head.body).toHaveLength(0);
  });
});
