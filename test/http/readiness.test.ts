// Alive, able, numbers.

import { describe, expect, test } from 'vitest';
import { askedByBackscroll, messagesOf, startHouse } from '../support/backscroll.ts';
import { CANARY } from '../support/canary.ts';
import type { FakeUser } from '../support/fake-chatwoot/directory.ts';
import { FOREIGN_REFUSALS } from '../support/fake-chatwoot/in-between.ts';
import { SAMPLE_TOKEN } from '../support/fake-chatwoot/sample-account.ts';

const ready = (backscroll: { send: (request: { target: string }) => Promise<{ status: number; json(): unknown }> }) =>
  backscroll.send({ target: '/readyz' }).then((answer) => [answer.status, answer.json()]);

test('it is alive from the first moment, and not ready before Chatwoot has answered', async () => {
  const { backscroll } = await startHouse();
  const alive = await backscroll.send({ target: '/healthz' });
  expect([alive.status, alive.json()]).toEqual([200, { status: 'ok' }]);
  expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error: 'Chatwoot has not answered yet' }]);
});

test('it is ready when Chatwoot takes the token, which is asked for without reading any conversation', async () => {
  const { backscroll, chatwoot } = await startHouse();
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([200, { status: 'ready' }]);
  expect(askedByBackscroll(chatwoot).map(({ path }) => path)).toEqual([
    '/api/v1/accounts/0/conversations/0/messages',
    '/api/v1/profile',
  ]);
  expect(backscroll.logs.some((line) => line.includes('ready: Chatwoot accepts the token'))).toBe(true);
});

test('a bot’s token is not ready, with the reason and without the token, and it recovers', async () => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.directory.addToken(CANARY, 'bot');
  await backscroll.app.readiness.recheck();
  const [status, body] = await ready(backscroll);
  expect(status).toBe(503);
  expect(body).toEqual({ status: 'not ready', error: expect.stringMatching(/^CHATWOOT_API_TOKEN: .*agent bot.*administrator/) });
  expect(backscroll.logs.some((line) => line.includes('not ready: CHATWOOT_API_TOKEN'))).toBe(true);

  chatwoot.directory.addToken(CANARY, chatwoot.directory.tokenOwner(SAMPLE_TOKEN)!);
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([200, { status: 'ready' }]);
});

test('an unknown token is not ready, with the reason', async () => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.directory.revokeToken(CANARY);
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error: expect.stringContaining('it does not know it') }]);
});

test('reads that are refused have it asked again, but not each of them', async () => {
  const { backscroll, chatwoot } = await startHouse();
  await backscroll.app.readiness.recheck();
  chatwoot.directory.revokeToken(CANARY);
  chatwoot.clearLog();
  for (let n = 0; n < 5; n++) expect((await backscroll.get(messagesOf(2))).code).toBe('upstream_credentials');
  await backscroll.app.readiness.recheck();
  expect((await ready(backscroll))[0]).toBe(503);
  const checks = askedByBackscroll(chatwoot).filter(({ path }) => path.includes('/accounts/0/'));
  expect(checks.length).toBeLessThanOrEqual(2);
});

test('every token is asked for', async () => {
  const env = { CHATWOOT_ACCOUNT_TOKENS: `{"1":"${CANARY}","7":"token-of-account-7"}` };
  const { backscroll, chatwoot } = await startHouse({ env });
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([
    503,
    { status: 'not ready', error: expect.stringMatching(/^CHATWOOT_ACCOUNT_TOKENS, account 7:/) },
  ]);
  chatwoot.directory.addToken('token-of-account-7', chatwoot.directory.tokenOwner(SAMPLE_TOKEN)!);
  chatwoot.clearLog();
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([200, { status: 'ready' }]);
  chatwoot.clearLog(); // The second token is none that the search for what was forwarded knows.
});

describe('API access', () => {
  test('an account that may not be read by token is not ready, and named; it recovers', async () => {
    const { backscroll, chatwoot } = await startHouse();
    chatwoot.directory.disableApi(1);
    await backscroll.app.readiness.recheck();
    const sentence = /^CHATWOOT_API_TOKEN: API access is not enabled in Chatwoot for account 1\./;
    expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error: expect.stringMatching(sentence) }]);
    const refused = await backscroll.get(messagesOf(2));
    expect([refused.status, refused.code]).toEqual([502, 'upstream_credentials']);
    expect(refused.json()).toMatchObject({
      error: expect.stringMatching(/^API access is not enabled in Chatwoot for account 1\./),
    });
    chatwoot.directory.enableApi(1);
    await backscroll.app.readiness.recheck();
    expect(await ready(backscroll)).toEqual([200, { status: 'ready' }]);
  });

  test('one of several accounts of a token does not keep the others from being served', async () => {
    const { backscroll, chatwoot } = await startHouse();
    chatwoot.directory.join(chatwoot.directory.tokenOwner(SAMPLE_TOKEN) as FakeUser, 2, { role: 'administrator' });
    chatwoot.directory.disableApi(2);
    await backscroll.app.readiness.recheck();
    expect(await ready(backscroll)).toEqual([200, { status: 'ready' }]);
    expect((await backscroll.get(messagesOf(2))).status).toBe(200);
    const refused = await backscroll.get('/api/v1/accounts/2/conversations/2/messages');
    expect(refused.json()).toMatchObject({ error: expect.stringContaining('for account 2.'), code: 'upstream_credentials' });
  });

  test('an account with a token of its own is named by its setting, also where the token is that of another', async () => {
    const { backscroll, chatwoot } = await startHouse({ env: { CHATWOOT_ACCOUNT_TOKENS: `{"1":"${CANARY}","2":"${CANARY}"}` } });
    chatwoot.directory.join(chatwoot.directory.tokenOwner(SAMPLE_TOKEN) as FakeUser, 2, { role: 'administrator' });
    chatwoot.directory.disableApi(2);
    await backscroll.app.readiness.recheck();
    const error = expect.stringMatching(
      /^CHATWOOT_ACCOUNT_TOKENS, account 2: API access is not enabled in Chatwoot for account 2\./,
    );
    expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error }]);
    expect(askedByBackscroll(chatwoot)).toHaveLength(2); // One token is asked about once.
  });
});

test.each(FOREIGN_REFUSALS)(
  '$name in place of Chatwoot is not ready, and is told apart from a wrong token',
  async ({ fault, tells }) => {
    const { backscroll, chatwoot } = await startHouse();
    chatwoot.fault = () => fault;
    await backscroll.app.readiness.recheck();
    const [status, body] = await ready(backscroll);
    expect([status, body]).toEqual([503, { status: 'not ready', error: expect.stringMatching(tells) }]);
    expect(JSON.stringify(body)).not.toMatch(/rejects the token|administrator/);
  },
);

test('a token that is refused in another language is not ready', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const headers = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r', 'x-runtime': '0.01' };
  chatwoot.fault = () => ({ kind: 'status', status: 401, headers, body: '{"error":"Jeton inconnu"}' });
  await backscroll.app.readiness.recheck();
  const error = expect.stringMatching(/^CHATWOOT_API_TOKEN: Chatwoot rejects the token/);
  expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error }]);
});

test.each([
  ['unreachable', () => ({ kind: 'refuse-headers-reset' }) as const],
  ['failing', () => ({ kind: 'status', status: 500 }) as const],
  ['redirecting', () => ({ kind: 'redirect', location: 'https://elsewhere.example/' }) as const],
])('a Chatwoot that is %s is not ready', async (_name, fault) => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.fault = fault;
  await backscroll.app.readiness.recheck();
  expect(await ready(backscroll)).toEqual([503, { status: 'not ready', error: expect.stringMatching(/Chatwoot/) }]);
});

test('a read that finds the token rejected has readiness asked again', async () => {
  const { backscroll, chatwoot } = await startHouse();
  await backscroll.app.readiness.recheck();
  chatwoot.directory.revokeToken(CANARY);
  const checks = () => askedByBackscroll(chatwoot).filter(({ path }) => path.includes('/accounts/0/')).length;
  expect(checks()).toBe(1);
  expect((await backscroll.get(messagesOf(2))).status).toBe(502);
  await expect.poll(async () => (await ready(backscroll))[0]).toBe(503);
  expect(checks()).toBe(2);
});

test('metrics count requests, reads, and what the cache holds', async () => {
  const { backscroll } = await startHouse();
  for (let n = 0; n < 3; n++) await backscroll.get(messagesOf(2));
  await backscroll.get(messagesOf(99));
  await backscroll.get(messagesOf(2, '?before=x'));
  const metrics = await backscroll.metrics();
  expect(metrics).toContain('backscroll_requests_total{outcome="miss",status="200"} 1');
  expect(metrics).toContain('backscroll_requests_total{outcome="hit",status="200"} 2');
  expect(metrics).toContain('backscroll_requests_total{outcome="none",status="404"} 1');
  expect(metrics).toContain('backscroll_requests_total{outcome="none",status="400"} 1');
  expect(metrics).toContain('backscroll_upstream_reads_total{reason="forward"} 2');
  expect(metrics).toContain('backscroll_upstream_answers_total{status="200"} 1');
  expect(metrics).toContain('backscroll_upstream_answers_total{status="404"} 1');
  expect(metrics).toContain('backscroll_cache_conversations 1');
  expect(metrics).toMatch(/backscroll_cache_bytes [1-9]\d{3,}/);
  expect(metrics).toContain('backscroll_in_flight_reads 0');
  expect(metrics).toMatch(/backscroll_request_duration_seconds_count\{outcome="hit"\} 2/);
});

test('a request is logged with client, ids, status, outcome and its own id, and with nothing that a caller made up', async () => {
  const { backscroll } = await startHouse();
  await backscroll.get(messagesOf(2, '?before=1010&note=private'), { 'x-request-id': 'r-1', 'user-agent': 'made-up' });
  await backscroll.send({
    target: '/api/v1/accounts/made-up/conversations/2/messages',
    headers: [['api_access_token', 'made-up']],
  });
  const lines = backscroll.logs.map((line): Record<string, unknown> => JSON.parse(line));
  expect(lines.find(({ reqId }) => reqId === 'r-1')).toMatchObject({
    client: 'test',
    accountId: 1,
    conversationId: 2,
    status: 200,
    outcome: 'miss',
    ms: expect.any(Number),
    msg: 'answered',
  });
  expect(backscroll.logs.join('')).not.toMatch(/made-up|private|1010/);
});
