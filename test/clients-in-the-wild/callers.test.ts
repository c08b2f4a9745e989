// The other callers by what they put on the wire and how they walk: each gets from Backscroll the bytes that it would get from
// Chatwoot, page for page.

import { expect, onTestFinished, test } from 'vitest';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { searchForCanary } from '../support/canary.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { SAMPLE_TOKEN } from '../support/fake-chatwoot/sample-account.ts';
import { Agent, request } from 'undici';

interface Row {
  readonly id: number;
}

interface Caller {
  readonly name: string;
  /** The headers that it sends, with the value of its token. */
  readonly headers: (token: string) => readonly (readonly [string, string])[];
  readonly conversation: number;
  /** The query of its next request, from the page it just got; null where it stops. */
  readonly next: (page: readonly Row[], walked: ReadonlySet<number>) => string | null;
  readonly first?: string;
  /** More than this it never sends. */
  readonly pagesMax?: number;
}

const underscore = (token: string) => [['api_access_token', token]] as const;
const smallest = (page: readonly Row[]): number => Math.min(...page.map(({ id }) => id));
const once = (): null => null;

const CALLERS: readonly Caller[] = [
  {
    name: 'older SDKs: the token twice',
    headers: (token) => [
      ['Authorization', `Bearer ${token}`],
      ['api_access_token', token],
      ['Accept', 'application/json'],
    ],
    conversation: 2,
    next: once,
  },
  {
    name: 'n8n node of devlikeapro: hyphens, a content type on GET, a new connection each time',
    headers: (token) => [
      ['Api-Access-Token', token],
      ['Content-Type', 'application/json'],
      ['Connection', 'close'],
    ],
    conversation: 2,
    next: once,
  },
  {
    name: 'n8n node of RenatoAscencio: moves by one row a request',
    headers: underscore,
    conversation: 3,
    next: (page, walked) => (page.length < 20 || walked.has(page.at(-1)!.id) ? null : `?before=${page.at(-1)!.id}`),
  },
  {
    name: 'n8n node of fazer-ai: the last id less one',
    headers: (token) => [['Api-Access-Token', token]],
    conversation: 3,
    next: (page) => (page.length === 0 ? null : `?before=${page.at(-1)!.id - 1}`),
  },
  {
    name: 'chatwoot/cli in Go: spells the header its own way',
    headers: (token) => [
      ['Api_access_token', token],
      ['Accept-Encoding', 'gzip'],
      ['User-Agent', 'Go-http-client/1.1'],
    ],
    conversation: 1,
    next: (page) => (page.length < 20 ? null : `?before=${page[0]!.id}`),
  },
  {
    name: 'salmonumbrella/chatwoot-cli: by the smallest id',
    headers: (token) => [
      ['Api_access_token', token],
      ['Accept', 'application/json'],
    ],
    conversation: 2,
    next: (page) => (page.length === 0 ? null : `?before=${smallest(page)}`),
  },
  {
    name: 'BI dashboard: no-cache on every request',
    headers: (token) => [...underscore(token), ['Cache-Control', 'no-cache'], ['Pragma', 'no-cache']],
    conversation: 1,
    next: (page, walked) => {
      // It throws when a cursor comes twice.
      if (page.length > 0 && walked.has(smallest(page))) throw new Error('a cursor came twice');
      return page.length < 20 ? null : `?before=${smallest(page)}`;
    },
  },
  {
    name: 'customer portal: always filtered, looks one row ahead',
    headers: (token) => [...underscore(token), ['Accept', 'application/json']],
    conversation: 1,
    first: '?filter_internal_messages=true',
    next: (page, walked) => {
      if (page.length === 0) return null;
      const lowest = smallest(page);
      return `?filter_internal_messages=true&before=${walked.has(lowest) ? lowest : lowest + 1}`;
    },
    pagesMax: 12,
  },
  {
    name: 'CRM sync: a per_page that nobody reads',
    headers: underscore,
    conversation: 1,
    first: '?per_page=20',
    next: (page) => (page.length === 0 ? null : `?per_page=20&before=${smallest(page)}`),
  },
  {
    name: 'full walk forwards',
    headers: underscore,
    conversation: 1,
    first: '?after=0',
    next: (page) => (page.length === 0 ? null : `?after=${page.at(-1)!.id}`),
  },
  {
    name: 'dashboard arithmetic: between with a bound below zero',
    headers: underscore,
    conversation: 2,
    first: '?before=150&after=-50',
    next: once,
  },
];

test.each(CALLERS)('$name', async ({ headers, conversation, first = '', next, pagesMax = 400 }) => {
  const { backscroll, chatwoot } = await startHouse();
  let pages = 0;
  // Twice: the second walk finds what the first has read.
  for (const _ of ['first', 'second']) {
    const walked = new Set<number>();
    let search: string | null = first;
    for (pages = 0; search !== null && pages < pagesMax; pages++) {
      const target = messagesOf(conversation, search);
      const direct = await sendRaw(chatwoot.port, { method: 'GET', target, headers: headers(SAMPLE_TOKEN) });
      const through = await backscroll.send({ target, headers: headers(KEY) });
      expect([through.status, through.body.toString()], target).toEqual([direct.status, direct.body.toString()]);
      const { payload } = through.json() as { payload: readonly Row[] };
      search = next(payload, walked);
      if (payload.length > 0) walked.add(smallest(payload)).add(payload.at(-1)!.id);
    }
  }
  expect(pages).toBeLessThan(400);
});

test('a one-row walker costs Chatwoot a few reads, not one a row', async () => {
  const { backscroll, chatwoot } = await startHouse();
  let search = '';
  let requests = 0;
  for (; ; requests++) {
    const { payload } = (await backscroll.get(messagesOf(2, search))).json() as { payload: readonly Row[] };
    if (payload.length < 20) break;
    search = `?before=${payload.at(-1)!.id}`;
  }
  expect(requests).toBeGreaterThan(40);
  expect(readsOf(chatwoot).length).toBeLessThan(requests / 4);
});

test('an AI agent called by a webhook finds the new message, however lately it was written', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  await backscroll.get(messagesOf(4));
  for (let n = 0; n < 5; n++) {
    clock.advance(1001);
    const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 4, content: `message ${n}` });
    const { payload } = (await backscroll.get(messagesOf(4))).json() as { payload: readonly Row[] };
    expect(payload.at(-1)?.id).toBe(id);
  }
});

test('one that cannot wait a second says no-cache and finds it at once', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  await backscroll.get(messagesOf(4));
  clock.advance(1);
  const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 4, content: 'just now' });
  const { payload } = (await backscroll.get(messagesOf(4), { 'cache-control': 'no-cache' })).json() as {
    payload: readonly Row[];
  };
  expect(payload.at(-1)?.id).toBe(id);
});

test('a poller with one connection gets the same page again and again', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const agent = new Agent({ connections: 1 });
  onTestFinished(() => agent.close());
  for (let n = 0; n < 20; n++) {
    clock.advance(3000);
    const { statusCode, headers, body } = await request(`${backscroll.url}${messagesOf(2)}`, {
      dispatcher: agent,
      headers: { 'Api-Access-Token': KEY },
    });
    const text = await body.text();
    searchForCanary('a poll', JSON.stringify(headers) + text);
    expect([statusCode, text]).toEqual([200, chatwoot.table.body(1, 2, {})]);
  }
});
