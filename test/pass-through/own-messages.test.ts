// Messages with a token that the caller brings: the rows of all, and for nobody who has not just been shown them by Chatwoot.

import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { KEY, messagesOf, type Received } from '../support/backscroll.ts';
import { CANARY } from '../support/canary.ts';
import type { LoggedRequest } from '../support/fake-chatwoot/request-log.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { AGENT, AGENTS, OWN, startPassingHouse, type PassingHouse } from './house.ts';

/** In the text of every message of conversation 3 and 4, which the agent may not see. */
const HIDDEN = 'for-others-only-8Fq2';

async function startHidden(env: Readonly<Record<string, string>> = {}): Promise<PassingHouse> {
  const house = await startPassingHouse({ env });
  for (const conversation of [3, 4]) {
    for (const { id } of house.chatwoot.table.rows(1, conversation))
      house.chatwoot.table.edit(id, { content: `${HIDDEN} ${id}` });
  }
  return house;
}

function tokensOf(requests: readonly LoggedRequest[]): (string | undefined)[] {
  return requests.filter(({ path }) => path.endsWith('/messages')).map(({ headers }) => headers['api-access-token']);
}

function wordsOf({ status, headers, body }: Received): unknown {
  return [status, headers['content-type'], body.toString()];
}

test('without access it gets not a byte, cold or warm, also while another is served', async () => {
  const { backscroll, chatwoot, ask, clock } = await startHidden();
  const direct = await sendRaw(chatwoot.port, { method: 'GET', target: messagesOf(4), headers: [['api_access_token', AGENTS]] });
  const expectRefused = (answer: Received): void => {
    expect(wordsOf(answer)).toEqual([401, 'application/json; charset=utf-8', direct.body.toString()]);
    expect(JSON.stringify(answer.headers) + answer.body.toString()).not.toContain(HIDDEN);
  };
  expectRefused(await ask(messagesOf(4), { token: AGENTS })); // Cold.
  expect((await backscroll.get(messagesOf(4))).body.toString()).toContain(HIDDEN);
  expectRefused(await ask(messagesOf(4), { token: AGENTS })); // Warm.
  clock.advance(30_000);
  const gate = chatwoot.hold('after-read', ({ headers }) => headers['api-access-token'] === CANARY);
  const served = backscroll.get(messagesOf(4));
  await gate.arrived;
  expectRefused(await ask(messagesOf(4), { token: AGENTS }));
  const [history] = chatwoot.table.rows(1, 4).slice(5);
  expectRefused(await ask(messagesOf(4, `?before=${history!.id}`), { token: AGENTS }));
  gate.release();
  expect((await served).body.toString()).toContain(HIDDEN);
  // An own token of an administrator has every one of them meanwhile.
  expect((await ask(messagesOf(4))).body.toString()).toContain(HIDDEN);
  expectRefused(await ask(messagesOf(4), { token: AGENTS }));
  expect((await ask(messagesOf(99), { token: AGENTS })).status).toBe(404);
});

test('after its access ends it gets nothing later than 10 s after, though the page is known', async () => {
  const { backscroll, chatwoot, ask, clock } = await startPassingHouse({ env: { TAIL_MAX_AGE: '1m', META_MAX_AGE: '1m' } });
  await backscroll.get(messagesOf(2));
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(200);
  clock.advance(5000);
  chatwoot.directory.join(AGENT, 1, { role: 'agent', reads: new Set() });
  clock.advance(4999);
  expect((await ask(messagesOf(2), { token: AGENTS })).headers['cache-status']).toMatch(/^backscroll; hit/);
  clock.advance(1);
  const late = await ask(messagesOf(2), { token: AGENTS });
  expect(wordsOf(late)).toEqual([401, 'application/json; charset=utf-8', '{"error":"You are not authorized to do this action"}']);
  // Its refusal says nothing of what others may read, and ends nothing that is known.
  expect((await backscroll.get(messagesOf(2))).headers['cache-status']).toMatch(/^backscroll; hit/);
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(401);
});

test('a refusal ends a permission that is live', async () => {
  const { chatwoot, ask, clock } = await startPassingHouse();
  expect((await ask(messagesOf(2, '?before_timestamp=1'), { token: AGENTS })).status).toBe(200);
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(200);
  clock.advance(10_000);
  chatwoot.directory.revokeToken(AGENTS);
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(401);
  chatwoot.directory.addToken(AGENTS, AGENT);
  chatwoot.clearLog();
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(200);
  expect(tokensOf(chatwoot.log.requests)).toEqual([AGENTS]);
});

test('a refusal ends a permission that is live, be it of a read that was sent with the one that was allowed', async () => {
  const { chatwoot, ask } = await startPassingHouse({ env: { TAIL_MAX_AGE: '1m', META_MAX_AGE: '1m' } });
  const gate = chatwoot.hold('after-read', ({ search }) => search === '');
  const allowed = ask(messagesOf(2), { token: AGENTS });
  await gate.arrived;
  const late = chatwoot.hold('before-read', ({ search }) => search !== '');
  const refused = ask(messagesOf(2, '?after=1'), { token: AGENTS });
  await late.arrived;
  gate.release();
  expect((await allowed).status).toBe(200);
  chatwoot.directory.join(AGENT, 1, { role: 'agent', reads: new Set() });
  late.release();
  expect((await refused).status).toBe(401);
  expect((await ask(messagesOf(2), { token: AGENTS })).status).toBe(401);
});

describe('while Chatwoot is down', () => {
  test('there is nothing without a live permission, and what is known with one', async () => {
    const { backscroll, chatwoot, ask, clock } = await startHidden();
    await backscroll.get(messagesOf(4));
    await ask(messagesOf(4));
    chatwoot.fault = () => ({ kind: 'status', status: 503 });
    clock.advance(9999);
    const live = await ask(messagesOf(4));
    expect([live.status, live.headers['cache-status']]).toEqual([200, expect.stringMatching(/fwd=stale/)]);
    clock.advance(1);
    for (const token of [OWN, AGENTS, 'aTokenThatNobodyKnows']) {
      const answer = await ask(messagesOf(4), { token });
      expect([answer.status, answer.code]).toEqual([502, 'upstream_error']);
      expect(answer.body.toString()).not.toContain(HIDDEN);
    }
    expect((await backscroll.get(messagesOf(4))).headers['cache-status']).toMatch(/fwd=stale/);
  });

  test('what stands before it and refuses has the last word', async () => {
    const { chatwoot, ask, clock } = await startHidden();
    await ask(messagesOf(4));
    await ask(messagesOf(4));
    clock.advance(10_001);
    const headers = { 'content-type': 'text/html', 'set-cookie': 'wall=1' };
    chatwoot.fault = () => ({ kind: 'status', status: 403, headers, body: '<h1>wall</h1>' });
    const answer = await ask(messagesOf(4));
    expect(wordsOf(answer)).toEqual([403, 'text/html', '<h1>wall</h1>']);
    expect(answer.headers).not.toHaveProperty('set-cookie');
  });
});

test('a page whose rows took long is shown only when it may still be', async () => {
  const { backscroll, chatwoot, ask, clock } = await startHidden({ UPSTREAM_TIMEOUT: '1m' });
  await backscroll.get(messagesOf(2));
  await ask(messagesOf(2), { token: AGENTS });
  const gate = chatwoot.hold('after-read', ({ headers }) => headers['api-access-token'] === CANARY);
  const slow = ask(messagesOf(2, '?after=0'), { token: AGENTS });
  await gate.arrived;
  chatwoot.directory.join(AGENT, 1, { role: 'agent', reads: new Set() });
  clock.advance(10_001);
  gate.release();
  expect((await slow).status).toBe(401);
});

test('the bytes of every mode are those that Chatwoot gives to this token', async () => {
  const { chatwoot, ask } = await startPassingHouse();
  const ids = chatwoot.table.rows(1, 1).map(({ id }) => id);
  const [low, middle, high] = [ids[10]!, ids[200]!, ids[390]!];
  const queries = [
    '',
    `?before=${middle}`,
    `?after=${middle}`,
    `?after=${low}&before=${high}`,
    '?filter_internal_messages=true',
    '?before_timestamp=9',
  ];
  for (const _ of ['cold', 'warm', 'warmer']) {
    for (const query of queries) {
      const target = messagesOf(1, query);
      const direct = await sendRaw(chatwoot.port, { method: 'GET', target, headers: [['api_access_token', AGENTS]] });
      const through = await ask(target, { token: AGENTS });
      expect([through.status, through.body.toString()], query).toEqual([direct.status, direct.body.toString()]);
      const etag = through.headers['etag'] ?? '';
      expect((await ask(target, { token: AGENTS, headers: [['if-none-match', etag]] })).status).toBe(304);
      const head = await ask(target, { token: AGENTS, method: 'HEAD' });
      expect([head.status, head.body.length]).toEqual([200, 0]);
    }
  }
});

describe('of what is read', () => {
  test('rows are read once for all, permission for each', async () => {
    const { backscroll, chatwoot, ask } = await startPassingHouse();
    await backscroll.get(messagesOf(2));
    chatwoot.clearLog();
    await Promise.all([ask(messagesOf(2)), ask(messagesOf(2)), ask(messagesOf(2), { token: AGENTS })]);
    expect(new Set(tokensOf(chatwoot.log.requests))).toEqual(new Set([OWN, AGENTS]));
    chatwoot.clearLog();
    const gate = chatwoot.hold('before-read');
    const first = chatwoot.table.rows(1, 2)[30]!.id;
    const asked = [
      backscroll.get(messagesOf(2, `?before=${first}`)),
      ask(messagesOf(2, `?before=${first}`)),
      ask(messagesOf(2, `?before=${first}`), { token: AGENTS }),
    ];
    await gate.arrived;
    gate.release();
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(1);
    const read = chatwoot.log.requests.filter(({ search }) => search === `?before=${first}`);
    expect(tokensOf(read)).toEqual([CANARY]);
  });

  test('one read is permission and newest rows in one', async () => {
    const { backscroll, chatwoot, ask, clock } = await startPassingHouse();
    await backscroll.get(messagesOf(2));
    await backscroll.get(messagesOf(2)); // In its turn, as it is asked (newest-turns.ts).
    clock.advance(20_000);
    await backscroll.get(messagesOf(2));
    clock.advance(20_000);
    const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 2, content: 'new' });
    chatwoot.clearLog();
    const answer = await ask(messagesOf(2), { token: AGENTS });
    expect((answer.json() as { payload: { id: number }[] }).payload.at(-1)!.id).toBe(id);
    expect(answer.headers['cache-status']).toBe('backscroll; fwd=miss; stored');
    expect(chatwoot.log.requests.map(({ search }) => search)).toEqual([expect.stringMatching(/^\?after=\d+$/)]);
    expect(tokensOf(chatwoot.log.requests)).toEqual([AGENTS]);
    // What it brought is everybody's.
    await backscroll.get(messagesOf(2));
    expect(chatwoot.log.requests).toHaveLength(1);
  });

  test('a page that is known costs one small read in ten seconds', async () => {
    const { backscroll, chatwoot, ask, clock } = await startPassingHouse();
    const before = chatwoot.table.rows(1, 1)[100]!.id;
    await backscroll.get(messagesOf(1));
    for (const _ of [1, 2, 3]) await backscroll.get(messagesOf(1, `?before=${before}`));
    await backscroll.app.readThrough.idle();
    clock.advance(1000);
    chatwoot.clearLog();
    for (let second = 0; second < 10; second++) {
      expect((await ask(messagesOf(1, `?before=${before}`))).status).toBe(200);
      clock.advance(999);
    }
    await backscroll.app.readThrough.idle();
    expect(tokensOf(chatwoot.log.requests).filter((token) => token === OWN)).toHaveLength(1);
    expect(chatwoot.log.requests[0]!.search).toMatch(/^\?after=\d+$/);
  });
});

test('what this server may not read itself is shown to who may, and to nobody else', async () => {
  const { backscroll, chatwoot, ask, clock } = await startPassingHouse({ env: { TAIL_MAX_AGE: '1m', META_MAX_AGE: '1m' } });
  const owner = chatwoot.directory.tokenOwner(OWN);
  if (owner === undefined || typeof owner === 'string') throw new Error('no owner');
  chatwoot.directory.join(owner, 2, { role: 'administrator' });
  chatwoot.table.addConversation(2, 1);
  for (let n = 0; n < 30; n++) chatwoot.table.insert({ accountId: 2, conversationId: 1, content: HIDDEN });
  const target = '/api/v1/accounts/2/conversations/1/messages';
  for (let n = 0; n < 5; n++) {
    const answer = await ask(target);
    expect([answer.status, answer.body.includes(HIDDEN)]).toEqual([200, true]);
    const others = await backscroll.get(target);
    expect([others.status, others.body.includes(HIDDEN)]).toEqual([403, false]);
    expect((await ask(target, { token: AGENTS })).status).toBe(401);
    clock.advance(1000);
  }
  // It is not tried again each time, but after a minute.
  const server = chatwoot.directory.tokenOwner(CANARY);
  if (server === undefined || typeof server === 'string') throw new Error('no user');
  chatwoot.directory.join(server, 2, { role: 'administrator' });
  clock.advance(55_999);
  chatwoot.clearLog();
  for (let n = 0; n < 2; n++) await ask(target);
  expect(tokensOf(chatwoot.log.requests)).toEqual([OWN, OWN]);
  clock.advance(2);
  expect((await ask(target)).headers['cache-status']).toMatch(/stored/);
  expect(tokensOf(chatwoot.log.requests)).toEqual([OWN, OWN, CANARY]);
});

test('a shadow check compares with what Chatwoot gives to the token of who was answered', async () => {
  const { backscroll, chatwoot, ask } = await startPassingHouse({ env: { SHADOW_RATE: '1', TAIL_MAX_AGE: '1m' } });
  await backscroll.get(messagesOf(2));
  await ask(messagesOf(2), { token: AGENTS });
  await backscroll.app.readThrough.idle();
  chatwoot.clearLog();
  expect((await ask(messagesOf(2), { token: AGENTS })).headers['cache-status']).toMatch(/^backscroll; hit/);
  await backscroll.app.readThrough.idle();
  expect(tokensOf(chatwoot.log.requests)).toEqual([AGENTS]);
  expect(await backscroll.metrics()).toContain('backscroll_shadow_checks_total{outcome="confirmed"} 1');
});

test('in exact mode it is the same', async () => {
  const { backscroll, chatwoot, ask, clock } = await startPassingHouse({ env: { HISTORY: 'exact' } });
  for (let n = 0; n < 4; n++) {
    const answer = await ask(messagesOf(2), { token: AGENTS });
    expect(answer.body.toString()).toBe(chatwoot.table.body(1, 2, {}));
    expect((await ask(messagesOf(3), { token: AGENTS })).status).toBe(401);
    await backscroll.get(messagesOf(3));
    clock.advance(n * 5000);
  }
});

describe('who shows many tokens that Chatwoot does not know', () => {
  test('is not asked about any more, while tokens that it knows pass', async () => {
    const guesses = Array.from({ length: 60 }, (_, n) => `guess${n}`);
    const { backscroll, chatwoot, ask } = await startPassingHouse({ ownTokens: [OWN, ...guesses] });
    expect((await ask('/api/v1/profile')).status).toBe(200);
    for (let n = 0; n < 60; n++) {
      const target = n % 2 === 0 ? messagesOf(2) : '/api/v1/accounts/1/labels';
      expect((await ask(target, { token: guesses[n]! })).status).toBe(n % 2 === 0 ? 401 : 404);
    }
    // A page that is not there tells nothing of a token; the fake has no labels of accounts.
    for (let n = 0; n < 30; n++) expect((await ask('/api/v1/profile', { token: `again${n}` })).status).toBe(401);
    const before = chatwoot.log.requests.length;
    for (const target of [messagesOf(2), '/api/v1/profile']) {
      const answer = await ask(target, { token: 'oneMore' });
      expect([answer.status, answer.code]).toEqual([429, 'rate_limited']);
    }
    expect(chatwoot.log.requests).toHaveLength(before);
    expect((await ask(messagesOf(2))).status).toBe(200);
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  });

  test('has no more of them asked about at once than one after the other', async () => {
    const guesses = Array.from({ length: 100 }, (_, n) => `guess${n}`);
    const { backscroll, chatwoot, ask } = await startPassingHouse({ ownTokens: [OWN, ...guesses] });
    expect((await ask(messagesOf(2))).status).toBe(200);
    const own = chatwoot.log.requests.length;
    const answers = guesses.map((token, n) => ask(n % 2 === 0 ? messagesOf(3) : '/api/v1/profile', { token }));
    const refused = await Promise.all(answers);
    expect(refused.filter(({ status }) => status === 401)).toHaveLength(60);
    expect(refused.filter(({ status, code }) => status === 429 && code === 'rate_limited')).toHaveLength(40);
    expect(chatwoot.log.requests).toHaveLength(own + 60);
    expect((await ask(messagesOf(2), { token: 'oneMore' })).code).toBe('rate_limited');
    // They keep nobody from being served who is known.
    for (const target of ['/api/v1/profile', messagesOf(2)]) expect((await ask(target)).status).toBe(200);
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
  });

  test('counts as refused where it leaves before Chatwoot has said so', async () => {
    const { backscroll, chatwoot, ask } = await startPassingHouse({ ownTokens: [OWN, 'guess'] });
    chatwoot.fault = (_number, { headers }) => (headers['api-access-token'] === 'guess' ? { kind: 'hang' } : undefined);
    for (const target of [messagesOf(2), '/api/v1/profile']) {
      const sockets = Array.from({ length: 30 }, () => connect(backscroll.port, '127.0.0.1'));
      for (const socket of sockets) socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\napi_access_token: guess\r\n\r\n`);
      // A token has a quarter of the connections, and its equal reads are one.
      await expect.poll(() => chatwoot.log.requests.some(({ path }) => path === target)).toBe(true);
      for (const socket of sockets) socket.destroy();
    }
    await expect.poll(async () => (await ask('/api', { token: 'oneMore' })).status, { timeout: 10_000 }).toBe(429);
  });

  test('a token that Chatwoot has taken does not count, whatever it may not see', async () => {
    const { ask } = await startPassingHouse({ ownTokens: [OWN, AGENTS, 'another'] });
    expect((await ask('/api/v1/profile', { token: AGENTS })).status).toBe(200);
    for (let n = 0; n < 70; n++) expect((await ask(messagesOf(3), { token: AGENTS })).status).toBe(401);
    expect((await ask(messagesOf(2), { token: 'another' })).status).toBe(401);
  });

  test('a conversation that is not there tells nothing of a token', async () => {
    const { ask } = await startPassingHouse();
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(...(await Promise.all(Array.from({ length: 25 }, () => ask(messagesOf(99))))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
  });

  test('a success that strangers have too tells nothing of a token', async () => {
    const { ask } = await startPassingHouse();
    expect((await ask('/api', { token: 'guess' })).status).toBe(200);
    for (let n = 0; n < 60; n++) expect((await ask('/api/v1/profile', { token: 'guess' })).status).toBe(401);
    expect((await ask('/api/v1/profile', { token: 'guess' })).code).toBe('rate_limited');
  });

  test('a token counts by itself, whatever its address', async () => {
    const { backscroll, ask } = await startPassingHouse({ env: { RATE_LIMIT: '5/1h' } });
    const asked = Array.from({ length: 8 }, (_, n) => ask(n % 2 === 0 ? '/api/v1/profile' : messagesOf(2)));
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(3);
    expect((await ask('/api/v1/profile')).code).toBe('rate_limited');
    expect((await ask(messagesOf(2))).code).toBe('rate_limited');
    expect((await ask('/api/v1/profile', { token: AGENTS })).status).toBe(200);
    expect((await backscroll.send({ target: messagesOf(2), headers: [['api_access_token', KEY]] })).status).toBe(200);
  });
});

test('logs and numbers name the token by a part of its hash, and routes by their shape', async () => {
  const { backscroll, ask } = await startPassingHouse();
  await ask('/api/v1/accounts/1/conversations/4/toggle_status', { method: 'POST' });
  await ask('/api/v1/accounts/1/words-of-a-caller/x');
  await ask(messagesOf(2));
  const text = backscroll.logs.join('') + (await backscroll.metrics());
  expect(text).not.toContain(OWN);
  expect(text).not.toContain('words-of-a-caller');
  const line = backscroll.logs.map((each) => JSON.parse(each) as Record<string, unknown>).find(({ msg }) => msg === 'passed')!;
  expect(line).toMatchObject({ method: 'POST', route: 'accounts/conversations/toggle_status', status: 200 });
  expect(line['token']).toMatch(/^[\da-f]{12}$/);
  const client = backscroll.logs
    .map((each) => JSON.parse(each) as Record<string, unknown>)
    .find(({ msg }) => msg === 'answered')!;
  expect(client['client']).toBe(`own-token-${String(line['token'])}`);
  expect(text).toContain(
    'backscroll_passed_requests_total{method="POST",route="accounts/conversations/toggle_status",status="200"} 1',
  );
  expect(text).toContain('backscroll_passed_requests_total{method="GET",route="accounts/other",status="404"} 1');
  expect(text).toContain('backscroll_own_token_reads_total{outcome="asked"} 1');
});

test('the trace of a caller goes along with the read that its token is asked with, and with what is passed', async () => {
  const { chatwoot, ask } = await startPassingHouse();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  for (const target of [messagesOf(2), '/api/v1/profile']) {
    await ask(target, { headers: [['traceparent', traceparent]] });
    expect(chatwoot.log.requests.at(-1)!.headers).toMatchObject({ 'api-access-token': OWN, traceparent });
  }
});
