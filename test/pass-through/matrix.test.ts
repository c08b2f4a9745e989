// What is passed, and what is not, over method, spelling of the path, credential, headers and parameters. The last word has the fake's
// log: whatever is not to be there is not there (backscroll.ts searches it for keys and for the server's token as well).

import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { KEY, messagesOf } from '../support/backscroll.ts';
import type { LoggedRequest } from '../support/fake-chatwoot/request-log.ts';
import { AGENTS, OWN, startPassingHouse } from './house.ts';

const SECRET = 'the-secret-of-the-matrix-has-32-bytes';
const BSK = `bsk_${'k'.repeat(43)}`;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Spellings, with the path that arrives for one that is passed, and otherwise the status for who brings a token of its own. */
const PATHS: readonly (readonly [string, string | 400 | 404 | 421])[] = [
  ['/api/v1/profile', '/api/v1/profile'],
  ['//api//v1///profile', '/api/v1/profile'],
  ['/api/v1/profile/', '/api/v1/profile/'],
  ['/api/v1/accounts/1/conversations.json', '/api/v1/accounts/1/conversations.json'],
  ['/api/v1/accounts/1/search/a%20b', '/api/v1/accounts/1/search/a%20b'],
  ['/api/v1/accounts/1/contacts/%C3%A9', '/api/v1/accounts/1/contacts/%C3%A9'],
  ["/api/v1/accounts/1/x:y@z,(a)'b*!$&=+~a..b/...", "/api/v1/accounts/1/x:y@z,(a)'b*!$&=+~a..b/..."],
  ['/api/v2/accounts/1/reports', '/api/v2/accounts/1/reports'],
  [`/api/v1/accounts/1/${'long'.repeat(500)}`, `/api/v1/accounts/1/${'long'.repeat(500)}`],
  ['http://elsewhere.example/api/v1/profile', '/api/v1/profile'],
  ['/api/v1/../../super_admin', 400],
  ['/api/v1/./profile', 400],
  ['/api/v1/accounts/..', 400],
  ['/api/v1/%2e%2e/%2E%2E/super_admin', 400],
  ['/api/v1/.%2e/profile', 400],
  ['/api/v1/..%2fsuper_admin', 400],
  ['/api/v1/accounts/1%2F..%2F2/conversations', 400],
  ['/api/v1/a%5cb', 400],
  ['/api/v1/a\\..\\b', 400],
  ['/api/v1/accounts;x=1/profile', 400],
  ['/api/v1/a%00b', 400],
  ['/api/v1/%252e%252e/b', 400],
  ['/api/v1/profile#/../x', 400],
  ['/api/v1/profile#x', 400],
  ['/api/v1/\u00e9', 400],
  ['/api/v1', 421],
  ['/api/v1//', 421],
  ['/api/v3/profile', 421],
  ['/api/%76%31/profile', 421],
  ['/api/v1/%zz', 421],
  ['/api/v1/%ff', 421],
  ['/auth/sign_in', 421],
  ['/cable', 421],
  ['/platform/api/v1/users', 421],
  ['/public/api/v1/inboxes', 421],
  ['/rails/active_storage/blobs', 421],
  ['/super_admin', 404],
  ['/API/v1/profile', 404],
  ['/x/api/v1/profile', 404],
  ['/', 404],
];

type Fields = readonly (readonly [string, string])[];

/** What is shown, with what comes of it on a route that is passed. */
async function credentials(): Promise<readonly (readonly [string, Fields, 'passed' | 401 | 421])[]> {
  const token = await new SignJWT({ account: 1, conversations: '*' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(SECRET));
  return [
    ['underscores', [['api_access_token', OWN]], 'passed'],
    ['hyphens', [['Api-Access-Token', ` ${OWN} `]], 'passed'],
    ['both, oddly', [['API_access-TOKEN', OWN]], 'passed'],
    [
      'beside a key as Bearer',
      [
        ['api_access_token', OWN],
        ['Authorization', `Bearer ${KEY}`],
      ],
      'passed',
    ],
    [
      'beside a blank one',
      [
        ['api-access-token', ''],
        ['api_access_token', OWN],
      ],
      'passed',
    ],
    ['nothing', [], 401],
    ['a key', [['api_access_token', KEY]], 421],
    ['a key, with hyphens', [['API-Access-Token', KEY]], 421],
    ['a key as Bearer', [['authorization', `Bearer ${KEY}`]], 421],
    ['an admin key', [['api_access_token', 'admin-key-of-the-tests']], 401],
    ['a key that nobody has', [['api_access_token', BSK]], 401],
    ['a key in quotes', [['api_access_token', `"${BSK}"`]], 401],
    ['a key behind Bearer', [['api_access_token', `Bearer ${BSK}`]], 401],
    ['a signed token', [['Authorization', `Bearer ${token}`]], 421],
    ['a signed token in the wrong place', [['api_access_token', token]], 401],
    ['what looks signed', [['api_access_token', 'aaa.bbb.ccc']], 401],
    ['an own token as Bearer', [['authorization', `Bearer ${OWN}`]], 401],
    [
      'two',
      [
        ['api_access_token', OWN],
        ['api_access_token', AGENTS],
      ],
      401,
    ],
    [
      'one twice',
      [
        ['api_access_token', OWN],
        ['api_access_token', OWN],
      ],
      401,
    ],
    [
      'two spellings',
      [
        ['api_access_token', AGENTS],
        ['api-access-token', OWN],
      ],
      401,
    ],
    [
      'a key and an own token',
      [
        ['api_access_token', OWN],
        ['api-access-token', KEY],
      ],
      421,
    ],
    [
      'an own token and a key',
      [
        ['api_access_token', KEY],
        ['api-access-token', OWN],
      ],
      401,
    ],
    ['more than a header carries', [['api_access_token', 'x'.repeat(5000)]], 401],
  ];
}

/** Headers of which none may arrive. `X-Named` is sent along with those that name it. */
const TRICKS: Fields = [
  ['Connection', 'api-access-token, close, x-named'],
  ['Connection', 'Api_Access_Token'],
  ['Keep-Alive', 'timeout=5'],
  ['TE', 'trailers'],
  ['Trailer', 'x-checksum'],
  ['Upgrade', 'websocket'],
  ['Proxy-Authenticate', 'Basic'],
  ['Proxy-Authorization', 'Basic eDp5'],
  ['Proxy-Connection', 'keep-alive'],
  ['Cookie', '_chatwoot_session=1; cw_d_session_info=2'],
  ['Cookie2', '_chatwoot_session=1'],
  ['access-token', 'of-a-session'],
  ['Access_Token', 'of-a-session'],
  ['client', 'c'],
  ['UID', 'admin@example.test'],
  ['expiry', '99999999999'],
  ['token_type', 'Bearer'],
  ['Token-Type', 'Bearer'],
  ['Forwarded', 'for=127.0.0.1'],
  ['X-Forwarded-For', '127.0.0.1'],
  ['X_Forwarded_For', '127.0.0.1'],
  ['X-Forwarded-Host', 'evil.example'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Real-IP', '127.0.0.1'],
  ['Client-IP', '127.0.0.1'],
  ['X-Client-IP', '127.0.0.1'],
  ['X-Request-Start', 't=1'],
  ['X-Request-Id', 'of-a-caller'],
  ['X-Host', 'evil.example'],
  ['X-HTTP-Method', 'DELETE'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X_HTTP_METHOD_OVERRIDE', 'DELETE'],
  ['X-Method-Override', 'DELETE'],
  ['X-Original-URL', '/super_admin'],
  ['X-Rewrite-URL', '/super_admin'],
  ['X-Accel-Mapping', '/=/etc'],
  ['X-Sendfile-Type', 'X-Accel-Redirect'],
  ['X-Api-Access-Token', KEY],
  ['HTTP_API_ACCESS_TOKEN', KEY],
  ['X-Authorization', `Bearer ${KEY}`],
  ['X-Api-Key', KEY],
  ['X-Auth-Token', KEY],
  ['X-Note', `my key is ${BSK}`],
];
/** What arrives of what a caller sends along. */
const PLAIN: Fields = [
  ['User-Agent', 'matrix/1'],
  ['Accept', 'application/json'],
  ['Accept-Encoding', 'identity'],
  ['X-Own', 'kept'],
  ['X-Own', 'twice'],
];
const ARRIVING: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'user-agent',
  'accept',
  'accept-encoding',
  'x-own',
  'x-request-id',
  'api-access-token',
  'content-length',
  'content-type',
]);

/** Queries, with what becomes of them. */
const QUERIES: readonly (readonly [string, 'passed' | 400])[] = [
  ['', 'passed'],
  ['?', 'passed'],
  ['?status=open&page=2&q=%2e%2e%2f%00%25;x', 'passed'],
  ['?filter[uids]=1&myclient=2&client_id=3', 'passed'],
  ['?uid=admin@example.test', 400],
  ['?%75%69d=a', 400],
  ['?page=1&UID=a', 400],
  ['?page=1;uid=a', 400],
  ['?uid[]=a', 400],
  ['?[uid]=a', 400],
  ['?%20uid=a', 400],
  ['?client', 400],
  ['?access-token=a', 400],
  ['?access_token=a', 400],
  ['?token-type=a', 400],
  ['?expiry=1', 400],
  [`?api_access_token=${KEY}`, 400],
  [`?Authorization=Bearer+${KEY}`, 400],
  [`?q=${BSK}`, 400],
  ['?q=b%73k_hidden', 400],
  ['?q=a#b', 400],
];

test('what is passed is what the rules pass, and of that what the rules leave', async () => {
  const { backscroll, chatwoot, ask } = await startPassingHouse({
    env: { JWT_SECRET: SECRET, ADMIN_KEYS: 'ops=admin-key-of-the-tests' },
  });
  await ask('/api/v1/profile'); // Chatwoot has taken it, so that failures of others at this address do not count against it.
  const shown = await credentials();
  let passed = 0;
  let refused = 0;
  let at = 0;
  for (const [target, fate] of PATHS) {
    for (const [name, fields, verdict] of shown) {
      // Who is refused is so whatever the method: one of them, another each time.
      for (const method of verdict === 'passed' && typeof fate === 'string' ? METHODS : [METHODS[at % METHODS.length]!]) {
        at++;
        const [query, queryVerdict] = QUERIES[at % QUERIES.length]!;
        // A whole URL with a fragment is no path of ours.
        const isFragment = target.startsWith('http') && query.includes('#');
        const trick = TRICKS[at % TRICKS.length]!;
        const before = chatwoot.log.requests.length;
        const body = method === 'GET' || method === 'HEAD' ? '' : `{"at":${at}}`;
        const where = `${method} ${target.slice(0, 60)}${query} with ${name}, ${trick.join(': ')}`;
        const answer = await backscroll.send({
          method,
          target: target.includes('#') ? target : `${target}${query}`,
          headers: [
            ...fields,
            ...withNamed(trick),
            ...PLAIN,
            ...(body === '' ? [] : [['Content-Type', 'application/json'] as const]),
          ],
          body,
        });
        const arrived = chatwoot.log.requests.slice(before);
        if (typeof fate === 'string' && verdict === 'passed' && queryVerdict === 'passed') {
          passed++;
          expect(arrived, where).toHaveLength(1);
          expectPassed(arrived[0]!, { method, path: fate, search: query === '?' ? '' : query, body }, where);
          expect(answer.headers, where).toHaveProperty('x-runtime');
        } else {
          refused++;
          expect(arrived, where).toEqual([]);
          // What Node cannot parse is told nobody apart.
          const isHttp = /^[!-~]*$/.test(target);
          expect(isHttp ? wanted(isFragment ? 404 : fate, verdict, queryVerdict) : [400], where).toContain(answer.status);
          if (method !== 'HEAD' && answer.status !== 400) expect(answer.code, where).toEqual(expect.any(String));
        }
      }
    }
  }
  expect([passed > 50, refused > 800]).toEqual([true, true]);
});

test('each spelling of a path, and each credential, is judged where nothing else is wrong', async () => {
  const { backscroll, chatwoot, ask } = await startPassingHouse({
    env: { JWT_SECRET: SECRET, ADMIN_KEYS: 'ops=admin-key-of-the-tests' },
  });
  for (const [target, fate] of PATHS) {
    chatwoot.clearLog();
    const { status } = await ask(target);
    expect([target, chatwoot.log.requests.map(({ path }) => path)]).toEqual([target, typeof fate === 'string' ? [fate] : []]);
    if (typeof fate !== 'string') expect([target, status]).toEqual([target, fate]);
  }
  for (const [name, headers, verdict] of await credentials()) {
    chatwoot.clearLog();
    const { status } = await backscroll.send({ target: '/api/v1/profile', headers });
    expect([name, status, chatwoot.log.requests.length]).toEqual(verdict === 'passed' ? [name, 200, 1] : [name, verdict, 0]);
  }
});

test('none of these headers arrives, with any method, nor any credential in a query', async () => {
  const { chatwoot, ask } = await startPassingHouse();
  for (const method of METHODS) {
    for (const trick of TRICKS) {
      const before = chatwoot.log.requests.length;
      await ask('/api/v1/accounts/1/conversations', { method, headers: [...withNamed(trick), ...PLAIN] });
      const arrived = chatwoot.log.requests.slice(before);
      expect(arrived).toHaveLength(1);
      expectPassed(arrived[0]!, { method, path: '/api/v1/accounts/1/conversations', search: '', body: '' }, trick.join(': '));
    }
    for (const [query, verdict] of QUERIES) {
      const before = chatwoot.log.requests.length;
      const { status } = await ask(`/api/v1/accounts/1/labels${query}`, { method });
      expect([chatwoot.log.requests.length - before, status === 400], query).toEqual(verdict === 400 ? [0, true] : [1, false]);
    }
  }
});

test('for messages, only the token of what was sent reaches Chatwoot', async () => {
  const { chatwoot, ask } = await startPassingHouse();
  for (const trick of TRICKS)
    await ask(messagesOf(2, '?uid=a&client=b&x=1'), { headers: [...withNamed(trick), ...PLAIN], body: '{"before":5}' });
  const read = chatwoot.log.requests.filter(({ path }) => path === messagesOf(2));
  expect(read.length).toBeGreaterThan(0);
  // That these are clean is asserted for every test (backscroll.ts).
  expect(read.every(({ headers }) => headers['user-agent']?.startsWith('backscroll/'))).toBe(true);
});

test('who asks for the version needs no token, and gets nothing else without', async () => {
  const { backscroll, chatwoot } = await startPassingHouse({ env: { ALLOW_ANONYMOUS: 'true' } });
  const version = await backscroll.send({ target: '/api' });
  expect([version.status, version.json()]).toEqual([200, expect.objectContaining({ version: '4.10.0' })]);
  expect(chatwoot.log.requests.at(-1)!.headers).not.toHaveProperty('api-access-token');
  expect((await backscroll.send({ target: '/api', method: 'POST' })).status).toBe(421);
  expect((await backscroll.send({ target: '/api', headers: [['api_access_token', KEY]] })).status).toBe(421);
  expect((await backscroll.send({ target: '/api', headers: [['api_access_token', BSK]] })).status).toBe(401);
  // Without a key, anybody may read messages here. That is no token for anything else.
  expect((await backscroll.send({ target: '/api/v1/profile' })).status).toBe(401);
  const before = chatwoot.log.requests.length;
  await Promise.all(Array.from({ length: 80 }, () => backscroll.send({ target: '/api' })));
  expect(chatwoot.log.requests).toHaveLength(before + 59); // Of sixty a minute.
  const late = await backscroll.send({ target: '/api' });
  expect([late.status, late.code, Number(late.headers['retry-after']) > 0]).toEqual([429, 'rate_limited', true]);
  expect(chatwoot.log.requests).toHaveLength(before + 59);
});

function withNamed(trick: readonly [string, string]): Fields {
  return trick[1].includes('x-named') ? [trick, ['X-Named', 'by Connection']] : [trick];
}

function expectPassed(
  { method, path, search, body, rawHeaders, headers }: LoggedRequest,
  wantedRequest: { readonly method: string; readonly path: string; readonly search: string; readonly body: string },
  where: string,
): void {
  expect({ method, path, search, body }, where).toEqual(wantedRequest);
  const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  expect(
    names.filter((name) => !ARRIVING.has(name)),
    where,
  ).toEqual([]);
  expect(
    names.filter((name) => name.replaceAll('_', '-') === 'api-access-token'),
    where,
  ).toHaveLength(1);
  expect([headers['api-access-token'], headers['x-own'], headers['user-agent']], where).toEqual([OWN, 'kept, twice', 'matrix/1']);
  expect(headers['x-request-id'], where).toMatch(/^backscroll-[\da-f-]{36}$/);
}

/** The statuses that a refusal may have: past the limit of failures, 429 in place of 401. */
function wanted(fate: string | number, verdict: 'passed' | 401 | 421, query: 'passed' | 400): readonly number[] {
  if (fate === 404 || fate === 421) return fate === 421 ? [421, 401, 429] : [404];
  if (verdict !== 'passed') return verdict === 401 ? [401, 429] : [421];
  return fate === 400 ? [400] : [query === 400 ? 400 : -1];
}
