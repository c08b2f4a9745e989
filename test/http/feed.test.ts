// The feed through the whole program: what it makes of answers, and that nothing is there of it where it is off.

import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { messagesOf, readsOf, startBackscroll, startHouse, testClock, type Backscroll } from '../support/backscroll.ts';
import { searchForCanary } from '../support/canary.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { signature } from '../support/fake-chatwoot/webhooks.ts';

const SECRET = 'a-secret-of-24-characters';

async function metric(backscroll: Backscroll, line: string): Promise<number> {
  const found = (await backscroll.metrics()).split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? NaN);
}

async function fed(backscroll: Backscroll, account = 1): Promise<void> {
  await expect.poll(() => metric(backscroll, `backscroll_feed_fed{account="${account}"}`)).toBe(1);
}

/** Resolves once so many events of the cable have been applied. */
async function applied(backscroll: Backscroll, event: string, count: number, source = 'cable'): Promise<void> {
  const line = `backscroll_feed_events_total{source="${source}",event="${event}",outcome="applied"}`;
  await expect.poll(() => metric(backscroll, line)).toBe(count);
}

function idsOf(answer: { json(): unknown }): number[] {
  return (answer.json() as { payload: { id: number }[] }).payload.map(({ id }) => id);
}

function write(chatwoot: FakeChatwoot, conversationId = 2): number {
  return chatwoot.table.insert({ accountId: 1, conversationId, messageType: 1 }).id;
}

test('off: no connection, no route, no metric', async () => {
  const { chatwoot, backscroll } = await startHouse();
  await backscroll.get(messagesOf(2));
  expect(chatwoot.cable.upgrades).toEqual([]);
  expect(await backscroll.send({ method: 'POST', target: '/feed/webhooks/1' })).toMatchObject({
    status: 404,
    code: 'not_served',
  });
  expect(await backscroll.metrics()).not.toMatch(/feed|webhook/);
});

test('cable: an unchanged page costs nothing however often it is asked, a changed one shows what is new at once', async () => {
  const startedAt = Math.floor(Date.now() / 1000);
  const { chatwoot, backscroll, clock } = await startHouse({ env: { FEED: 'cable' } });
  await fed(backscroll);
  const since = await metric(backscroll, 'backscroll_feed_fed_since_seconds{account="1"}');
  expect(since).toBeGreaterThanOrEqual(startedAt);
  expect(since).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
  // Webhooks are another feed.
  expect(await backscroll.send({ method: 'POST', target: '/feed/webhooks/1' })).toMatchObject({ status: 404 });
  clock.advance(1);
  await backscroll.get(messagesOf(2));
  const { length } = readsOf(chatwoot);
  // The clock stands still for the pings, which may be no older than six seconds.
  for (let look = 0; look < 50; look++) {
    clock.advance(100);
    const answer = await backscroll.get(messagesOf(2));
    expect(answer.headers['cache-status']).toMatch(/^backscroll; hit; ttl=\d+$/);
  }
  expect(readsOf(chatwoot)).toHaveLength(length);
  const id = write(chatwoot);
  await applied(backscroll, 'message.created', 1);
  expect(idsOf(await backscroll.get(messagesOf(2)))).toContain(id);
});

test('cable: what nothing is told of lives for FEED_MAX_AGE and no longer', async () => {
  const { chatwoot, backscroll, clock } = await startHouse({ env: { FEED: 'cable', FEED_MAX_AGE: '3s' } });
  await fed(backscroll);
  clock.advance(1);
  await backscroll.get(messagesOf(2));
  const { length } = readsOf(chatwoot);
  clock.advance(3000);
  expect((await backscroll.get(messagesOf(2))).headers['cache-status']).toBe('backscroll; hit; ttl=0');
  clock.advance(1);
  expect((await backscroll.get(messagesOf(2))).headers['cache-status']).toMatch(/fwd=/);
  expect(readsOf(chatwoot)).toHaveLength(length + 1);
});

test('cable: when trust ends, ages are the ordinary ones at once, and the log says why', async () => {
  const { chatwoot, backscroll, clock } = await startHouse({ env: { FEED: 'cable' } });
  await fed(backscroll);
  clock.advance(1);
  await backscroll.get(messagesOf(2));
  chatwoot.cable.upgrade = 'refuse';
  chatwoot.cable.cut();
  await expect.poll(() => metric(backscroll, 'backscroll_feed_fed{account="1"}')).toBe(0);
  const id = write(chatwoot);
  clock.advance(1);
  expect(idsOf(await backscroll.get(messagesOf(2)))).toContain(id);
  expect(await metric(backscroll, 'backscroll_feed_gaps_total')).toBe(1);
  expect(await metric(backscroll, 'backscroll_feed_fed_since_seconds{account="1"}')).toBe(0);
  const lines = backscroll.logs.filter((line) => line.includes('the feed of this account'));
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'the feed of this account is trusted from now on',
    expect.stringMatching(/^the feed of this account is not trusted: Chatwoot closed it/),
  ]);
});

test('cable: each token listens to the accounts that are read with it, and a connection that is lost ends the trust of no other', async () => {
  const clock = testClock();
  const chatwoot = await startSampleChatwoot({ now: clock.now });
  onTestFinished(() => chatwoot.close());
  const [ada, ben] = chatwoot.directory.listeners(1);
  for (const user of [ada!, ben!]) chatwoot.directory.join(user, 2, { role: 'administrator' });
  chatwoot.directory.addToken('token-of-ben', ben!);
  const env = { FEED: 'cable', CHATWOOT_ACCOUNT_TOKENS: '{"2":"token-of-ben"}' };
  const backscroll = await startBackscroll({ chatwoot, now: clock.now, env, ownTokens: ['token-of-ben'] });
  onTestFinished(() => backscroll.close());
  await Promise.all([fed(backscroll, 1), fed(backscroll, 2)]);
  const subscribed = [1, 2].map((account) => [
    chatwoot.cable.subscriptions(account),
    /user_id\D+(\d+)/.exec(chatwoot.cable.identifierOf(account))?.[1],
  ]);
  expect(subscribed).toEqual([
    [1, '1'],
    [1, '2'],
  ]);
  chatwoot.cable.upgrade = 'refuse';
  chatwoot.cable.cut(2);
  await expect.poll(() => metric(backscroll, 'backscroll_feed_fed{account="2"}')).toBe(0);
  expect(await metric(backscroll, 'backscroll_feed_fed{account="1"}')).toBe(1);
  expect(await metric(backscroll, 'backscroll_feed_gaps_total')).toBe(1);
});

test.each(['refuse', 'eat'] as const)(
  'cable: where upgrades meet the fate "%s" it serves as without a feed, and says so once',
  async (fate) => {
    const clock = testClock();
    const chatwoot = await startSampleChatwoot({ now: clock.now });
    onTestFinished(() => chatwoot.close());
    chatwoot.cable.upgrade = fate;
    const backscroll = await startBackscroll({ chatwoot, now: clock.now, env: { FEED: 'cable' } });
    onTestFinished(() => backscroll.close());
    await chatwoot.cable.until(() => chatwoot.cable.upgrades.length > 0);
    const said = (): string[] => backscroll.logs.filter((line) => line.includes('there is no feed'));
    await expect.poll(() => said().length).toBe(1);
    for (let turn = 0; turn < 3; turn++) {
      const id = write(chatwoot);
      clock.advance(1001);
      expect(idsOf(await backscroll.get(messagesOf(2)))).toContain(id);
    }
    expect(said()).toHaveLength(1);
  },
);

test('Messages that a read shows and no event told of are missed: trust ends, and the log says so once', async () => {
  const { chatwoot, backscroll, clock } = await startHouse({ env: { FEED: 'cable', FEED_LAG_MAX: '100ms' } });
  await fed(backscroll);
  clock.advance(1);
  await backscroll.get(messagesOf(2));
  chatwoot.cable.delivery.drop = (event) => event === 'message.created';
  clock.advance(1);
  const ids = [write(chatwoot), write(chatwoot)];
  expect(idsOf(await backscroll.get(messagesOf(2)))).not.toContain(ids[0]);
  const asked = await backscroll.get(messagesOf(2), { 'cache-control': 'no-cache' });
  expect(idsOf(asked)).toEqual(expect.arrayContaining(ids));
  clock.advance(101);
  await expect.poll(() => metric(backscroll, 'backscroll_feed_missed_total'), { timeout: 5000 }).toBe(2);
  expect(await metric(backscroll, 'backscroll_feed_fed{account="1"}')).toBe(0);
  expect(backscroll.logs.filter((line) => line.includes('of which the feed has told nothing'))).toHaveLength(1);
});

test('cable: nothing of it is left when the program has closed', async () => {
  const { chatwoot, backscroll } = await startHouse({ env: { FEED: 'cable' } });
  await fed(backscroll);
  await backscroll.close();
  await chatwoot.cable.until(() => chatwoot.cable.connections === 0);
});

test('No secret of the stream is in a log line, a metric or an answer', async () => {
  const { chatwoot, backscroll } = await startHouse({ env: { FEED: 'cable' } });
  await fed(backscroll);
  write(chatwoot);
  chatwoot.cable.cut();
  await expect.poll(() => metric(backscroll, 'backscroll_feed_gaps_total')).toBe(1);
  const text = [...backscroll.logs, await backscroll.metrics()].join('\n');
  expect(text).not.toContain('sample-pubsub');
  searchForCanary('logs and metrics', text);
});

test('webhook: what it says is due, it is not trusted, and the server listens to no cable', async () => {
  const env = { FEED: 'webhook', WEBHOOK_SECRETS: JSON.stringify({ 1: SECRET }), TAIL_MAX_AGE: '1m' };
  const { chatwoot, backscroll, clock } = await startHouse({ env });
  chatwoot.webhooks.signs = false;
  chatwoot.webhooks.register(1, `${backscroll.url}/feed/webhooks/1/${SECRET}`);
  await backscroll.get(messagesOf(2));
  clock.advance(1);
  const id = write(chatwoot);
  await chatwoot.webhooks.settled();
  expect(chatwoot.webhooks.delivered).toEqual([{ event: 'message_created', status: 204 }]);
  expect(idsOf(await backscroll.get(messagesOf(2)))).toContain(id);
  expect(chatwoot.cable.upgrades).toEqual([]);
  expect(await metric(backscroll, 'backscroll_feed_fed{account="1"}')).toBeNaN();
  expect(backscroll.logs.join('\n')).not.toContain(SECRET);
});

test('webhook: one that Chatwoot signs now is taken, and counted', async () => {
  const env = { FEED: 'webhook', WEBHOOK_SECRETS: JSON.stringify({ 1: SECRET }) };
  const { backscroll, clock } = await startHouse({ env });
  const body = JSON.stringify({ event: 'message_created', id: 7, conversation: { id: 2 } });
  const signed = signature(SECRET, String(Math.floor(clock.now() / 1000)), body);
  const headers = Object.entries({ ...signed, 'content-type': 'application/json' });
  expect((await backscroll.send({ method: 'POST', target: '/feed/webhooks/1', headers, body })).status).toBe(204);
  await applied(backscroll, 'message_created', 1, 'webhook');
});

test('webhook: who guesses is told apart by its address from who does not', async () => {
  const env = { FEED: 'webhook', WEBHOOK_SECRETS: JSON.stringify({ 1: SECRET }), TRUST_PROXY: 'loopback' };
  const { backscroll } = await startHouse({ env });
  const guessFrom = async (address: string): Promise<number> => {
    const headers = [['x-forwarded-for', address]] as const;
    return (await backscroll.send({ method: 'POST', target: '/feed/webhooks/1', headers, body: '{}' })).status;
  };
  for (let index = 0; index < 60; index++) await guessFrom('192.0.2.1');
  expect([await guessFrom('192.0.2.1'), await guessFrom('192.0.2.2')]).toEqual([429, 401]);
});

test('cable: nobody listens to it before the server listens', async () => {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const config = loadConfig({
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
    ALLOW_ANONYMOUS: 'true',
    FEED: 'cable',
  });
  const app = await buildApp({ config, logger: pino({ level: 'silent' }), eventLoopDelayMaxMs: 0 });
  onTestFinished(() => app.close());
  expect((await app.http.inject(messagesOf(2))).statusCode).toBe(200);
  expect(chatwoot.log.requests.map(({ path }) => path)).not.toContain('/api/v1/profile');
  await app.http.listen({ host: '127.0.0.1', port: 0 });
  await chatwoot.cable.until(() => chatwoot.cable.subscriptions(1) === 1);
});

test('A refused webhook is counted, and told seldom', async () => {
  const env = { FEED: 'webhook', WEBHOOK_SECRETS: JSON.stringify({ 1: SECRET }) };
  const { backscroll } = await startHouse({ env });
  for (let index = 0; index < 5; index++) {
    expect((await backscroll.send({ method: 'POST', target: '/feed/webhooks/1', body: '{}' })).status).toBe(401);
  }
  expect(await metric(backscroll, 'backscroll_webhooks_refused_total{reason="unsigned"}')).toBe(5);
  expect(backscroll.logs.filter((line) => line.includes('a webhook was refused'))).toHaveLength(1);
});
