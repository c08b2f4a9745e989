// Who may see what, as one table: every client, and every bearer of a token, by every account and conversation, by every spelling
// of path and parameters, cold and warm. Served is exactly what scope and view allow; all else is one and the same 404, and
// Chatwoot is not asked for it.

import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../../src/clients/scope.ts';
import {
  askedByBackscroll,
  readsOf,
  startHouse,
  type Backscroll,
  type Received,
  type TestClient,
} from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { FinderParams } from '../support/fake-chatwoot/finder.ts';

const JWT_SECRET = 'secret-of-the-scope-matrix-0123456789';

/** Somebody, and what the table of permissions says of them. */
interface Caller {
  readonly name: string;
  readonly scope: Scope;
  readonly view: 'agent' | 'customer';
  readonly headers: () => Promise<readonly (readonly [string, string])[]>;
}

const SCOPES: Readonly<Record<string, Scope>> = {
  everything: '*',
  'account-1': [{ account: 1, conversations: '*' }],
  'account-2': [{ account: 2, conversations: '*' }],
  'two-of-account-1': [{ account: 1, conversations: [2, 3] }],
  'one-of-each': [
    { account: 1, conversations: [3] },
    { account: 2, conversations: [2] },
  ],
  'what-is-not-there': [
    { account: 1, conversations: [77] },
    { account: 99, conversations: '*' },
  ],
};
const VIEWS = ['agent', 'customer'] as const;

const clients = Object.entries(SCOPES).flatMap(([name, scope]) =>
  VIEWS.map((view): TestClient & { scope: Scope; view: typeof view } => ({
    name: `${name}-${view}`,
    key: `key-of-${name}-${view}`,
    scope,
    view,
  })),
);

const callers: readonly Caller[] = [
  ...clients.map(({ name, key, scope, view }, n): Caller => ({
    name,
    scope,
    view,
    headers: async () => [n % 2 === 0 ? ['api_access_token', key] : ['Authorization', `Bearer ${key}`]],
  })),
  ...([[2], [2, 3], [77], '*', []] as const).map((conversations, n): Caller => {
    const [account, view] = [1 + (n % 2), VIEWS[n % 2]!];
    return {
      name: `a token for ${JSON.stringify(conversations)} of account ${account}, ${view}`,
      scope: [{ account, conversations }],
      view,
      headers: async () => {
        const token = new SignJWT({ account, conversations, view, sub: String(n) }).setExpirationTime('1h');
        return [['authorization', `Bearer ${await token.setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(JWT_SECRET))}`]];
      },
    };
  }),
];

const ACCOUNTS = [1, 2, 99];
const CONVERSATIONS = [2, 3, 4, 77];

/** Spellings that name the same conversation. */
const PATHS: readonly ((account: number, conversation: number) => string)[] = [
  (a, c) => `/api/v1/accounts/${a}/conversations/${c}/messages`,
  (a, c) => `/api/v1/accounts/${a}/conversations/${c}/messages/`,
  (a, c) => `/api/v1/accounts/${a}/conversations/${c}/messages.json`,
  (a, c) => `//api/v1//accounts/${a}/conversations//${c}/messages//`,
  (a, c) => `/api/v1/accounts/00${a}/conversations/000${c}/messages`,
  (a, c) => `http://elsewhere.example/api/v1/accounts/${a}/conversations/${c}/messages`,
];

/** Spellings that name none, to anybody. */
const NOT_PATHS: readonly ((account: number, conversation: number) => string)[] = [
  (a, c) => `/api/v1/accounts/${a}/conversations/%3${c}/messages`,
  (a, c) => `/api/v1/accounts/+${a}/conversations/${c}/messages`,
  (a, c) => `/api/v1/accounts/${a}/conversations/${c}abc/messages`,
  (a, c) => `/api/v1/accounts/${a}/conversations/${c}.0/messages`,
  (a, c) => `/api/v1/accounts/1/conversations/2%2F..%2F${a}-${c}/messages`,
];

/** Spellings of parameters, and what they ask. */
const PARAMETERS: readonly (readonly [string, FinderParams])[] = [
  ['', {}],
  ['?', {}],
  ['?before=1400', { before: 1400 }],
  ['?before=%2B1400&utm=x', { before: 1400 }],
  ['?before=1&before=1400', { before: 1400 }],
  ['?after=1300&before=1400', { after: 1300, before: 1400 }],
  ['?after=1500', { after: 1500 }],
  ['?filter_internal_messages=1', { publicOnly: true }],
  ['?account_id=2&conversation_id=2&id=3', {}],
  ['?api_access_token=key-of-everything-agent', {}],
];

interface Cell {
  readonly caller: Caller;
  readonly account: number;
  readonly conversation: number;
  readonly target: string;
  readonly asked: FinderParams;
}

/** Every caller by every conversation, by every path with the plain parameters and every parameter with the plain path. */
const CELLS: readonly Cell[] = callers.flatMap((caller) =>
  ACCOUNTS.flatMap((account) =>
    CONVERSATIONS.flatMap((conversation) => [
      ...PATHS.slice(1).map((path) => ({ caller, account, conversation, target: path(account, conversation), asked: {} })),
      ...PARAMETERS.map(([search, asked]) => ({
        caller,
        account,
        conversation,
        target: `${PATHS[0]!(account, conversation)}${search}`,
        asked,
      })),
    ]),
  ),
);

/** The table of permissions, read without the program's own reading of it. */
function isAllowed({ caller: { scope }, account, conversation }: Cell): boolean {
  if (scope === '*') return true;
  const named = scope.flatMap((entry) => (entry.account === account ? [entry.conversations].flat() : []));
  return named.includes('*') || named.includes(conversation);
}

const exists = ({ account, conversation }: Cell): boolean =>
  (account === 1 && [2, 3, 4].includes(conversation)) || (account === 2 && [2, 3].includes(conversation));

const allowed = CELLS.filter(isAllowed);
const forbidden = CELLS.filter((cell) => !isAllowed(cell));

/** A second account, with conversations of the same numbers. */
async function startTwoAccounts(): Promise<{ readonly backscroll: Backscroll; readonly chatwoot: FakeChatwoot }> {
  const house = await startHouse({ clients, env: { JWT_SECRET } });
  const { chatwoot } = house;
  const admin = chatwoot.directory.tokenOwner('sample-chatwoot-token');
  if (admin === undefined || typeof admin === 'string') throw new Error('no administrator');
  chatwoot.directory.join(admin, 2, { role: 'administrator' });
  for (const conversationId of [2, 3]) {
    chatwoot.table.addConversation(2, conversationId);
    for (let n = 0; n < 30; n++) {
      chatwoot.table.insert({
        accountId: 2,
        conversationId,
        content: `of account 2, ${n}`,
        private: n % 5 === 0,
        messageType: 1,
      });
    }
  }
  return house;
}

const ask = async (backscroll: Backscroll, { caller, target }: Cell): Promise<Received> =>
  backscroll.send({ target, headers: await caller.headers() });

/** Asks for all of them, a few at a time. */
async function askAll(backscroll: Backscroll, cells: readonly Cell[]): Promise<readonly Received[]> {
  const answers: Received[] = [];
  const waiting = cells.entries();
  const worker = async (): Promise<void> => {
    for (const [n, cell] of waiting) answers[n] = await ask(backscroll, cell);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return answers;
}

/** What a refusal shows to its caller, without what differs between any two answers. */
function shown({ status, headers, body }: Received): unknown {
  const { date, 'x-request-id': _id, 'x-ratelimit-remaining': _left, 'x-ratelimit-reset': _reset, ...rest } = headers;
  expect(date).toBeDefined();
  return { status, headers: Object.entries(rest), body: body.toString() };
}

const NOT_FOUND = '{"error":"Resource could not be found","code":"not_found"}';

function expectServed(chatwoot: FakeChatwoot, cell: Cell, received: Received): void {
  const { caller, account, conversation, asked } = cell;
  const where = `${caller.name}: ${cell.target}`;
  if (!exists(cell)) return expect([where, received.status, received.body.toString()]).toEqual([where, 404, NOT_FOUND]);
  const params = caller.view === 'customer' ? { ...asked, publicOnly: true } : asked;
  const body = chatwoot.table.body(account, conversation, params);
  expect([where, received.status]).toEqual([where, 200]);
  if (caller.view === 'agent') return expect(received.body.toString()).toBe(body);
  const ids = (text: string): number[] => (JSON.parse(text) as { payload: { id: number }[] }).payload.map(({ id }) => id);
  expect(ids(received.body.toString())).toEqual(ids(body));
}

describe('the table', () => {
  test('has all sorts of cells', () => {
    expect(allowed.length).toBeGreaterThan(500);
    expect(forbidden.length).toBeGreaterThan(500);
    expect(allowed.filter(exists).length).toBeGreaterThan(300);
    expect(forbidden.filter(exists).length).toBeGreaterThan(300);
  });

  test('cold, nothing forbidden is served, nor asked of Chatwoot; all refusals look alike', async () => {
    const { backscroll, chatwoot } = await startTwoAccounts();
    const refusals = await askAll(backscroll, forbidden);
    expect(askedByBackscroll(chatwoot)).toEqual([]);
    const [first] = refusals.map(shown);
    expect(first).toMatchObject({ status: 404, body: NOT_FOUND });
    for (const one of refusals) expect(shown(one)).toEqual(first);
  });

  test('what is allowed is served, at first and again; then, warm, what is forbidden looks like what is not there', async () => {
    const { backscroll, chatwoot } = await startTwoAccounts();
    const [first, again] = [await askAll(backscroll, allowed), await askAll(backscroll, allowed)];
    for (const [n, cell] of allowed.entries()) {
      expectServed(chatwoot, cell, first[n]!);
      expectServed(chatwoot, cell, again[n]!);
    }
    const missing = shown(await ask(backscroll, { ...CELLS[0]!, target: PATHS[0]!(1, 77) }));
    const reads = readsOf(chatwoot).length;
    expect(reads).toBeGreaterThan(0);
    for (const refusal of await askAll(backscroll, forbidden)) expect(shown(refusal)).toEqual(missing);
    expect(readsOf(chatwoot)).toHaveLength(reads);
  });

  test('spellings that name no conversation are refused to everybody alike', async () => {
    const { backscroll, chatwoot } = await startTwoAccounts();
    for (const path of NOT_PATHS) {
      const answers = new Set<string>();
      for (const caller of callers) {
        const received = await ask(backscroll, { ...CELLS[0]!, caller, target: path(1, 2) });
        expect(received.status).toBe(404);
        answers.add(received.body.toString());
      }
      expect([...answers]).toHaveLength(1);
    }
    expect(readsOf(chatwoot)).toEqual([]);
  });

  test('a HEAD tells no more than a GET', async () => {
    const { backscroll, chatwoot } = await startTwoAccounts();
    const head = async (cell: Cell): Promise<Received> =>
      backscroll.send({ method: 'HEAD', target: cell.target, headers: await cell.caller.headers() });
    for (const cell of forbidden.filter((_, n) => n % 7 === 0)) {
      const { status, body } = await head(cell);
      expect([status, body.length]).toEqual([404, 0]);
    }
    expect(readsOf(chatwoot)).toEqual([]);
  });

  test('a condition tells no more either: a refused reader with the right ETag gets the 404', async () => {
    const { backscroll } = await startTwoAccounts();
    const [owner, narrow] = [callers[0]!, callers.find(({ name }) => name === 'account-2-agent')!];
    const target = PATHS[0]!(1, 2);
    const { headers } = await backscroll.send({ target, headers: await owner.headers() });
    for (const tag of [headers['etag']!, '*']) {
      const refused = await backscroll.send({ target, headers: [...(await narrow.headers()), ['if-none-match', tag]] });
      expect([refused.status, refused.body.toString()]).toEqual([404, NOT_FOUND]);
    }
  });
});
