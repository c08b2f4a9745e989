// What an answer looks like from outside: conditional requests, HEAD, the headers that are promised and those that are not to be.

import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { askedByBackscroll, KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';
import { searchForCanary } from '../support/canary.ts';

/** All that comes back for these bytes. */
async function textOf(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.write(request);
  await once(socket, 'close');
  searchForCanary('an answer', text);
  return text;
}

const ROUTE =
  'Only GET and HEAD /api/v1/accounts/{account_id}/conversations/{conversation_id}/messages are served here, and with PASS_THROUGH the rest of /api/v1 and /api/v2 to callers with a Chatwoot token of their own';

describe('headers of a page', () => {
  test('a page says what it is, how old, and what the cache did', async () => {
    const { backscroll, clock } = await startHouse({ env: { TAIL_MAX_AGE: '1s' } });
    const miss = await backscroll.get(messagesOf(2));
    expect(miss.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(miss.body.length),
      'cache-control': 'private, no-cache',
      'cache-status': 'backscroll; fwd=miss; stored',
      vary: 'accept-encoding',
      age: '0',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
      'x-request-id': expect.stringMatching(/^[\w-]{36}$/),
    });
    clock.advance(900);
    const hit = await backscroll.get(messagesOf(2));
    expect(hit.headers).toMatchObject({ age: '0', 'cache-status': 'backscroll; hit; ttl=0', etag: miss.headers['etag'] });
    expect(hit.body.equals(miss.body)).toBe(true);
  });

  test('Age counts from the oldest part, ttl says what is left', async () => {
    const { backscroll, clock } = await startHouse();
    const page = await historyPage(backscroll);
    await backscroll.get(page);
    clock.advance(4500);
    const hit = await backscroll.get(page);
    // Rows live for 15 minutes, meta for 10 seconds.
    expect(hit.headers).toMatchObject({ age: '4', 'cache-status': 'backscroll; hit; ttl=5' });
  });

  test('a page past its freshness that is still shown has a ttl below zero', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const page = await historyPage(backscroll);
    await backscroll.get(page);
    clock.advance(12_500);
    const gate = chatwoot.hold();
    const hit = await backscroll.get(page);
    expect(hit.headers).toMatchObject({ age: '12', 'cache-status': 'backscroll; hit; ttl=-3' });
    await gate.arrived;
    gate.release();
    await backscroll.app.readThrough.idle();
    expect((await backscroll.get(page)).headers['cache-status']).toMatch(/^backscroll; hit; ttl=\d+$/);
  });

  test('before_timestamp is forwarded and not kept', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const page = messagesOf(2, '?before_timestamp=1700000000');
    for (const _ of [1, 2]) {
      const answer = await backscroll.get(page);
      expect(answer.status).toBe(200);
      expect(answer.headers['cache-status']).toBe('backscroll; fwd=bypass');
    }
    expect(readsOf(chatwoot)).toEqual([page, page]);
  });

  test('a client that may bypass gets everything as of now, others get proved history', async () => {
    const clients = [
      { name: 'auditor', key: 'key-of-the-auditor', mayBypass: true },
      { name: 'walker', key: 'key-of-the-walker' },
    ];
    const { backscroll, clock } = await startHouse({ clients });
    const ask = (key: string) =>
      backscroll.send({
        target: messagesOf(1, '?before=1100'),
        headers: [
          ['api_access_token', key],
          ['cache-control', 'no-cache'],
        ],
      });
    const status = async (key: string) => (await ask(key)).headers['cache-status'];
    expect(await status('key-of-the-walker')).toBe('backscroll; fwd=miss; stored');
    clock.advance(10);
    expect(await status('key-of-the-auditor')).toBe('backscroll; fwd=bypass; stored');
    clock.advance(10);
    expect(await status('key-of-the-auditor')).toBe('backscroll; fwd=bypass; stored');
  });

  test.each([['sane-id_1'], ['a'.repeat(128)]])('x-request-id %s is echoed', async (id) => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.get(messagesOf(2), { 'x-request-id': id });
    expect(answer.headers['x-request-id']).toBe(id);
    expect(backscroll.logs.some((line) => (JSON.parse(line) as { reqId?: string }).reqId === id)).toBe(true);
  });

  test.each([[''], ['a b'], ['"quoted"'], ['{"a":1}'], ['a'.repeat(129)], ['é']])('x-request-id %j is not', async (id) => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.get(messagesOf(2), { 'x-request-id': id });
    expect(answer.headers['x-request-id']).toMatch(/^[\w-]{36}$/);
  });

  test('no two requests get the same x-request-id', async () => {
    const { backscroll } = await startHouse();
    const ids = new Set<unknown>();
    for (let nth = 0; nth < 5; nth++) ids.add((await backscroll.get(messagesOf(2))).headers['x-request-id']);
    expect(ids.size).toBe(5);
  });

  test('an error has an x-request-id, is not to be stored and is JSON', async () => {
    const { backscroll } = await startHouse();
    for (const target of ['/nothing', messagesOf(99), messagesOf(2, '?before=x')]) {
      const answer = await backscroll.get(target, { 'x-request-id': 'mine' });
      const { headers } = answer;
      expect(headers).toMatchObject({
        'x-request-id': 'mine',
        'cache-control': 'no-store',
        'content-type': 'application/json; charset=utf-8',
      });
      expect(answer.json()).toEqual({ error: expect.any(String), code: expect.any(String) });
      expect(headers).not.toHaveProperty('etag');
    }
  });
});

describe('conditional requests', () => {
  const forms: readonly (readonly [string, (etag: string) => string, number])[] = [
    ['the ETag', (etag) => etag, 304],
    ['its weak form', (etag) => `W/${etag}`, 304],
    ['a list that holds it', (etag) => `"x", ${etag} , "y"`, 304],
    ['a list that holds its weak form', (etag) => `"x",W/${etag}`, 304],
    ['*', () => '*', 304],
    ['another', () => '"x"', 200],
    ['a part of it', (etag) => etag.slice(0, -2), 200],
    ['it without quotes', (etag) => etag.slice(1, -1), 200],
    ['a lower-case w', (etag) => `w/${etag}`, 200],
    ['nothing', () => '', 200],
  ];

  test.each(forms)('If-None-Match with %s', async (_name, form, status) => {
    const { backscroll } = await startHouse();
    const { headers, body } = await backscroll.get(messagesOf(2));
    const again = await backscroll.get(messagesOf(2), { 'if-none-match': form(headers['etag']!) });
    expect(again.status).toBe(status);
    expect(again.headers).toMatchObject({ etag: headers['etag'], 'cache-control': 'private, no-cache', vary: 'accept-encoding' });
    expect(again.headers['cache-status']).toMatch(/hit/);
    expect(again.body.length).toBe(status === 304 ? 0 : body.length);
    if (status === 304) expect(again.headers).not.toHaveProperty('content-type');
  });

  test('If-None-Match in two header lines counts as one list', async () => {
    const { backscroll } = await startHouse();
    const etag = (await backscroll.get(messagesOf(2))).headers['etag']!;
    const again = await backscroll.get(messagesOf(2), [
      ['if-none-match', '"x"'],
      ['If-None-Match', etag],
    ]);
    expect(again.status).toBe(304);
  });

  test('the ETag changes with the page and only with it', async () => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const before = (await backscroll.get(messagesOf(2))).headers['etag']!;
    clock.advance(2000);
    expect((await backscroll.get(messagesOf(2), { 'if-none-match': before })).status).toBe(304);
    chatwoot.table.insert({ accountId: 1, conversationId: 2, content: 'new' });
    clock.advance(2000);
    const changed = await backscroll.get(messagesOf(2), { 'if-none-match': before });
    expect(changed.status).toBe(200);
    expect(changed.headers['etag']).not.toBe(before);
  });

  test('a matching ETag does not help one who may not read', async () => {
    const { backscroll } = await startHouse();
    const etag = (await backscroll.get(messagesOf(2))).headers['etag']!;
    const stranger = await backscroll.send({ target: messagesOf(2), headers: [['if-none-match', etag]] });
    expect(stranger.status).toBe(401);
    expect(stranger.headers).toMatchObject({ 'www-authenticate': 'Bearer realm="backscroll"' });
    expect(stranger.headers).not.toHaveProperty('etag');
  });
});

describe('HEAD', () => {
  test('HEAD has the headers of GET and no body', async () => {
    const { backscroll } = await startHouse();
    const ask = (method: string) => backscroll.send({ method, target: messagesOf(2), headers: [['api_access_token', KEY]] });
    const [head, get] = [await ask('HEAD'), await ask('GET')];
    expect(head.body.length).toBe(0);
    for (const name of ['content-length', 'content-type', 'etag', 'cache-control', 'vary'])
      expect(head.headers[name]).toBe(get.headers[name]);
    expect(head.headers['content-length']).toBe(String(get.body.length));
    expect(get.headers['cache-status']).toMatch(/hit/);
  });

  test('HEAD is a GET to Chatwoot', async () => {
    const { backscroll, chatwoot } = await startHouse();
    await backscroll.send({ method: 'HEAD', target: messagesOf(2), headers: [['api_access_token', KEY]] });
    expect(askedByBackscroll(chatwoot).map(({ method }) => method)).toEqual(['GET']);
  });

  test.each([[messagesOf(99)], [messagesOf(2, '?before=x')], ['/nothing']])(
    'HEAD of an error, %s, has no body',
    async (target) => {
      const { backscroll } = await startHouse();
      const head = await backscroll.send({ method: 'HEAD', target, headers: [['api_access_token', KEY]] });
      expect(head.status).toBeGreaterThanOrEqual(400);
      expect(head.body.length).toBe(0);
    },
  );
});

describe('what a caller sends stays here', () => {
  test('a body on a GET is ignored and not forwarded', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const plain = await backscroll.get(messagesOf(2));
    for (const [type, body] of [
      ['application/json', '{"before":1010}'],
      ['application/json', '{bad'],
      ['application/x-www-form-urlencoded', 'before=1010'],
      ['multipart/form-data', 'x'],
      ['nonsense', 'x'.repeat(2_000_000)],
    ] as const) {
      const answer = await backscroll.send({
        target: messagesOf(2),
        headers: [
          ['api_access_token', KEY],
          ['content-type', type],
        ],
        body,
      });
      expect(answer.status).toBe(200);
      expect(answer.body.equals(plain.body)).toBe(true);
    }
    expect(askedByBackscroll(chatwoot).every(({ body }) => body === '')).toBe(true);
  });

  test('after a GET with a body the connection is of use for the next request', async () => {
    const { backscroll } = await startHouse();
    const request = (extra: string, body: string) =>
      `GET ${messagesOf(5)} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n${extra}\r\n${body}`;
    const both = request('content-length: 12\r\n', 'GET / HTTP/9') + request('connection: close\r\n', '');
    const text = await textOf(backscroll.port, both);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  });

  test('credentials of sessions are not forwarded, as headers, as parameters or as cookies', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const search = '?before=1010&access-token=secret&client=c&uid=u&api_access_token=other&locale=fr';
    const answer = await backscroll.get(messagesOf(2, search), {
      'access-token': 'secret',
      client: 'c',
      uid: 'u',
      authorization: 'Bearer session',
      cookie: '_chatwoot_session=x',
      'x-forwarded-for': '203.0.113.9',
      'x-request-start': 't=1',
      'if-modified-since': 'Sun, 22 Nov 2099 00:00:00 GMT',
      'accept-encoding': 'br, deflate',
    });
    expect(answer.status).toBe(200);
    const [request] = askedByBackscroll(chatwoot);
    expect(request).toMatchObject({ path: messagesOf(2), search: '?before=1010', body: '' });
    expect(Object.keys(request!.headers).toSorted()).toEqual([
      'accept',
      'accept-encoding',
      'api-access-token',
      'cache-control',
      'connection',
      'host',
      'user-agent',
      'x-request-id',
    ]);
    expect(request!.headers).toMatchObject({ accept: 'application/json', 'accept-encoding': 'gzip' });
  });

  test('nothing of Chatwoot’s session, cookies or own headers passes through', async () => {
    const { backscroll, chatwoot } = await startHouse();
    chatwoot.fault = () => ({
      kind: 'status',
      status: 200,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'set-cookie': '_chatwoot_session=SESSION',
        'access-token': 'SESSION',
        client: 'SESSION',
        uid: 'SESSION',
        expiry: 'SESSION',
        'token-type': 'Bearer',
        authorization: 'Bearer SESSION',
        'x-runtime': '0.1',
        'x-request-id': 'SESSION',
        'x-frame-options': 'SAMEORIGIN',
        etag: 'W/"SESSION"',
        'cache-control': 'public, max-age=99',
        server: 'SESSION',
        age: '77',
        vary: 'origin',
      },
      body: '{"meta":{},"payload":[]}',
    });
    const answer = await backscroll.get(messagesOf(2));
    expect(answer.status).toBe(200);
    expect(
      Object.keys(answer.headers)
        .filter((name) => !name.startsWith('x-ratelimit-'))
        .toSorted(),
    ).toEqual([
      'age',
      'cache-control',
      'cache-status',
      'connection',
      'content-length',
      'content-type',
      'date',
      'etag',
      'vary',
      'x-request-id',
    ]);
    expect(JSON.stringify(answer.headers)).not.toContain('SESSION');
    expect(JSON.stringify(backscroll.logs)).not.toContain('SESSION');
  });

  test('two tokens in one spelling are refused, so are two Authorization headers', async () => {
    const { backscroll, chatwoot } = await startHouse();
    for (const headers of [
      [
        ['api_access_token', KEY],
        ['api_access_token', KEY],
      ],
      [
        ['api-access-token', KEY],
        ['Api-Access-Token', 'other-key-of-somebody'],
      ],
      [
        ['authorization', `Bearer ${KEY}`],
        ['authorization', `Bearer ${KEY}`],
      ],
    ] as [string, string][][]) {
      const answer = await backscroll.send({ target: messagesOf(2), headers });
      expect([answer.status, answer.code]).toEqual([401, 'unauthenticated']);
    }
    expect(readsOf(chatwoot)).toEqual([]);
  });

  test('a key in the query is none', async () => {
    const { backscroll } = await startHouse();
    expect((await backscroll.send({ target: messagesOf(2, `?api_access_token=${KEY}`) })).status).toBe(401);
  });
});

describe('targets and methods', () => {
  test('a target in absolute form is served, whatever host it names', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const answer = await backscroll.get(`http://evil.example:1${messagesOf(2, '?before=1010')}`);
    expect(answer.status).toBe(200);
    expect(readsOf(chatwoot)).toEqual([messagesOf(2, '?before=1010')]);
  });

  test.each([
    ['/'],
    ['/api/v1/accounts/1/conversations/2'],
    ['/api/v1/profile'],
    ['/api/v1/accounts/1/conversations/2/messages.xml'],
    ['/api/v1/accounts/1/conversations/2/messages/5'],
    ['/%zz'],
    ['/api/v1/accounts/1/conversations/%FF/messages'],
    ['/api/v1/accounts/1/conversations/2/messages/../../../../../etc/passwd'],
    [`/${'a'.repeat(5000)}`],
    ['http://evil.example/'],
    ['//evil.example/api/v1/accounts/1/conversations/2/messages'],
    ['/healthz/x'],
  ])('%s is not served, and the answer says what is', async (target) => {
    const { backscroll, chatwoot } = await startHouse();
    const answer = await backscroll.get(target);
    expect(answer.status).toBe(target.startsWith('/api/') ? 421 : 404);
    expect(answer.json()).toEqual({ error: ROUTE, code: 'not_served' });
    expect(readsOf(chatwoot)).toEqual([]);
  });

  // Six real clients take a 404 for "there is no such thing".
  test.each([
    '/api',
    '/api/v1/accounts/1/conversations',
    '//api/v2/accounts/1/reports',
    '/auth/sign_in',
    '/public/api/v1/x',
    '/rails/active_storage/x',
  ])('%s is of Chatwoot, so that it is not said not to exist', async (target) => {
    const { backscroll } = await startHouse();
    for (const method of ['GET', 'POST', 'DELETE']) {
      const answer = await backscroll.send({ method, target, headers: [['api_access_token', KEY]] });
      expect([answer.status, answer.code]).toEqual([421, 'not_served']);
    }
  });

  test.each(['/apix', '/', '/admin/cache', '/authors'])('%s is nobody’s', async (target) => {
    const { backscroll } = await startHouse();
    expect(await backscroll.get(target)).toMatchObject({ status: 404, code: 'not_served' });
  });

  test('a request without Host is refused in JSON, one of HTTP/1.0 is not', async () => {
    const { backscroll } = await startHouse();
    const ask = (version: string) =>
      textOf(backscroll.port, `GET ${messagesOf(2)} HTTP/${version}\r\napi_access_token: ${KEY}\r\nConnection: close\r\n\r\n`);
    expect(await ask('1.1')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*"code":"invalid_parameter"/);
    expect(await ask('1.0')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test('what is no request behind one that is being answered is not told in its place', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const gate = chatwoot.hold();
    const answered = textOf(
      backscroll.port,
      `GET ${messagesOf(2)} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n\r\nGARBAGE\r\n\r\n`,
    );
    expect(await answered).toBe('');
    gate.release();
  });

  test('an expectation that is not met is refused in JSON', async () => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.get(messagesOf(2), { expect: 'a-miracle' });
    expect([answer.status, answer.code]).toEqual([417, 'invalid_parameter']);
  });

  test.each([['POST'], ['PUT'], ['PATCH'], ['DELETE'], ['OPTIONS'], ['TRACE'], ['PROPFIND'], ['LOCK'], ['SEARCH']])(
    '%s on the messages is refused with what is allowed',
    async (method) => {
      const { backscroll, chatwoot } = await startHouse();
      for (const target of [messagesOf(2), `${messagesOf(2)}.json`, `/${messagesOf(2)}/`]) {
        const answer = await backscroll.send({ method, target, headers: [['api_access_token', KEY]] });
        expect(answer.status).toBe(405);
        expect(answer.headers['allow']).toBe('GET, HEAD');
        expect(answer.json()).toEqual({ error: ROUTE, code: 'not_served' });
      }
      expect(readsOf(chatwoot)).toEqual([]);
    },
  );

  test.each([
    ['text/xml', '<a/>'],
    ['application/json', '{bad'],
    ['application/json', ''],
    ['multipart/form-data; boundary=x', '--x--'],
    ['application/json', `"${'x'.repeat(2_000_000)}"`],
  ])('a POST of %s is refused for its method, not for its body', async (type, body) => {
    const { backscroll } = await startHouse();
    const headers = [
      ['api_access_token', KEY],
      ['content-type', type],
    ] as const;
    const answer = await backscroll.send({ method: 'POST', target: messagesOf(2), headers, body });
    expect([answer.status, answer.code]).toEqual([405, 'not_served']);
    const elsewhere = await backscroll.send({ method: 'POST', target: '/api/v1/profile', headers, body });
    expect([elsewhere.status, elsewhere.code]).toEqual([421, 'not_served']);
  });

  test('a method that HTTP does not know is refused in JSON', async () => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.send({ method: 'FOO', target: messagesOf(2) });
    expect([answer.status, answer.code]).toEqual([405, 'not_served']);
  });

  test('what is not HTTP is refused in JSON', async () => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.send({ target: 'a b c' });
    expect([answer.status, answer.code]).toEqual([400, 'invalid_parameter']);
  });

  test('headers that are too large are refused in JSON', async () => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.get(messagesOf(2), { 'x-large': 'x'.repeat(40_000) });
    expect([answer.status, answer.code]).toEqual([431, 'invalid_parameter']);
  });

  test('a query beyond what Chatwoot takes is refused', async () => {
    const { backscroll } = await startHouse();
    const answer = await backscroll.get(messagesOf(2, `?x=${'y'.repeat(10_300)}`));
    expect([answer.status, answer.code]).toEqual([400, 'invalid_parameter']);
  });
});

describe('scope', () => {
  test('outside the scope and not there look alike', async () => {
    const clients = [{ name: 'portal', key: 'key-of-the-portal', scope: [{ account: 1, conversations: [2] }] }];
    const { backscroll, chatwoot } = await startHouse({ clients });
    const ask = async (conversation: number) => {
      const { status, body, headers } = await backscroll.send({
        target: messagesOf(conversation),
        headers: [['api_access_token', 'key-of-the-portal']],
      });
      const { date: _date, 'x-request-id': _id, 'x-ratelimit-remaining': _left, ...same } = headers;
      return { status, body: body.toString(), same };
    };
    expect((await ask(2)).status).toBe(200);
    chatwoot.table.removeConversation(1, 2);
    const outside = await ask(3);
    expect(outside.body).toBe('{"error":"Resource could not be found","code":"not_found"}');
    const reads = readsOf(chatwoot).length;
    expect(await ask(99)).toEqual(outside);
    expect(readsOf(chatwoot)).toHaveLength(reads);
  });

  test('what one client has read is not shown to another beyond its scope', async () => {
    const clients = [
      { name: 'all', key: 'key-of-everything' },
      { name: 'none', key: 'key-of-elsewhere', scope: [{ account: 2, conversations: '*' }] },
    ] as const;
    const { backscroll } = await startHouse({ clients });
    const ask = async (key: string) =>
      (await backscroll.send({ target: messagesOf(2), headers: [['api_access_token', key]] })).status;
    expect([await ask('key-of-everything'), await ask('key-of-elsewhere')]).toEqual([200, 404]);
  });
});

/** The page before the newest one, which is read on the way. */
async function historyPage(backscroll: Backscroll): Promise<string> {
  const { payload } = (await backscroll.get(messagesOf(1))).json() as { payload: { id: number }[] };
  return messagesOf(1, `?before=${payload[0]!.id}`);
}
