// The commands that have to do with the feed: whether the cable can be subscribed to, and making a webhook.

import { onTestFinished, expect, test } from 'vitest';
import { askCable } from '../../src/commands/ask-cable.ts';
import { run as runCommand } from '../../src/commands/run.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { translateWebhook } from '../../src/feed/translate.ts';
import { plantToken } from '../support/backscroll.ts';
import { CANARY, searchForCanary } from '../support/canary.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { WEBHOOK_EVENTS } from '../support/fake-chatwoot/webhooks.ts';
import { startProxy } from '../support/proxy.ts';
import { startServer } from '../upstream/house.ts';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  const writer = (name: keyof typeof texts) => ({ write: (text: string) => void (texts[name] += text) });
  const code = await runCommand(args, env, { stdout: writer('stdout'), stderr: writer('stderr') });
  for (const [name, text] of Object.entries(texts)) searchForCanary(`what the command wrote to ${name}`, text);
  return { code, ...texts };
}

async function start(): Promise<FakeChatwoot> {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  plantToken(chatwoot);
  return chatwoot;
}

function settingsOf(chatwoot: FakeChatwoot, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { CHATWOOT_URL: chatwoot.url, CHATWOOT_API_TOKEN: CANARY, CLIENT_KEYS: 'one=key-of-client-one', ...more };
}

function feedLines({ stdout }: Ended): string[] {
  return stdout.split('\n').filter((line) => / FEED=\w+: /.test(line));
}

test('check: the cable is subscribed to, and events arrive', async () => {
  const chatwoot = await start();
  const ended = await run(['check'], settingsOf(chatwoot, { FEED: 'cable' }));
  expect(ended.code).toBe(0);
  expect(feedLines(ended)).toEqual(['ok       FEED=cable: subscribed to account 1, and events arrive']);
  expect(ended.stdout).toContain('ok       TAIL_MAX_AGE is 0s: while the feed is trusted, newest pages are read');
  await chatwoot.cable.until(() => chatwoot.cable.connections === 0);
});

test('check: without FEED the cable is not touched', async () => {
  const chatwoot = await start();
  expect(feedLines(await run(['check'], settingsOf(chatwoot)))).toEqual([]);
  expect(chatwoot.cable.upgrades).toEqual([]);
});

test.each([
  ['refuse', /^problem {2}FEED=cable: there is no \/cable: this Chatwoot has none, or a proxy before it does not pass it on$/],
  [
    'eat',
    /^problem {2}FEED=cable: the upgrade was answered with status 200: something before Chatwoot does not pass WebSockets on$/,
  ],
] as const)('check: where upgrades meet the fate "%s", that is a problem', async (fate, told) => {
  const chatwoot = await start();
  chatwoot.cable.upgrade = fate;
  const ended = await run(['check'], settingsOf(chatwoot, { FEED: 'cable' }));
  expect(ended.code).toBe(1);
  expect(feedLines(ended)).toEqual([expect.stringMatching(told)]);
});

test('check: a subscription met with silence is a problem after ten seconds, not a wait without end', async () => {
  const chatwoot = await start();
  chatwoot.cable.isSilent = true;
  const findings = await askCable(loadConfig(settingsOf(chatwoot, { FEED: 'cable' })), 300);
  expect(findings).toEqual([{ kind: 'problem', text: 'FEED=cable: it was not confirmed in time' }]);
});

test('check: a deaf cable and a user that is no administrator are told', async () => {
  const chatwoot = await start();
  chatwoot.cable.isDeaf = true;
  const config = loadConfig(settingsOf(chatwoot, { FEED: 'cable' }));
  expect(await askCable(config, 300)).toMatchObject([
    { kind: 'problem', text: expect.stringMatching(/nothing comes through Redis/) },
  ]);
  chatwoot.cable.isDeaf = false;
  chatwoot.directory.join(chatwoot.directory.listeners(1)[0]!, 1, { role: 'agent', reads: 'all' });
  expect(await askCable(config)).toMatchObject([{ kind: 'note', text: expect.stringMatching(/no administrator/) }]);
});

test('check: each token is asked for the accounts that are read with it, and each account is told of', async () => {
  const chatwoot = await start();
  const [ada, ben] = chatwoot.directory.listeners(1);
  for (const account of [2, 3, 4]) chatwoot.directory.join(ada!, account, { role: 'administrator' });
  chatwoot.directory.join(ben!, 3, { role: 'administrator' });
  chatwoot.directory.addToken('token-of-ben', ben!);
  const accountTokens = { CHATWOOT_ACCOUNT_TOKENS: '{"3":"token-of-ben"}' };
  const findings = await askCable(loadConfig(settingsOf(chatwoot, { FEED: 'cable', ...accountTokens })));
  expect(findings.map(({ text }) => text).toSorted()).toEqual(
    [1, 2, 3, 4].map((account) => `FEED=cable: subscribed to account ${account}, and events arrive`),
  );
  const users = chatwoot.cable.commands.map((command) => /account_id\D+(\d+)\D+user_id\D+(\d+)/.exec(command)!.slice(1).join());
  expect(users.toSorted()).toEqual(['1,1', '2,1', '3,2', '4,1']);
});

test('check: an account that Chatwoot rejects is told, and the others are', async () => {
  const chatwoot = await start();
  chatwoot.directory.join(chatwoot.directory.listeners(1)[0]!, 2, { role: 'administrator' });
  // The others are heard of after it.
  chatwoot.cable.rejects = 1;
  const findings = await askCable(loadConfig(settingsOf(chatwoot, { FEED: 'cable' })));
  expect(findings.toSorted((a, b) => a.kind.localeCompare(b.kind))).toEqual([
    { kind: 'ok', text: 'FEED=cable: subscribed to account 2, and events arrive' },
    { kind: 'problem', text: 'FEED=cable: account 1: Chatwoot rejected the subscription' },
  ]);
});

test('check: accounts beyond those that are heard of are told', async () => {
  const chatwoot = await start();
  const user = chatwoot.directory.listeners(1)[0]!;
  for (let account = 2; account <= 60; account++) chatwoot.directory.join(user, account, { role: 'administrator' });
  const findings = await askCable(loadConfig(settingsOf(chatwoot, { FEED: 'cable' })));
  expect(findings.filter(({ kind }) => kind !== 'ok')).toEqual([
    { kind: 'note', text: 'FEED=cable: 10 accounts of its user are too many: they are not heard of' },
  ]);
  expect(findings).toHaveLength(51);
});

test('check and webhook create: Chatwoot is reached through the proxy that HTTP_PROXY names', async () => {
  const chatwoot = await start();
  const proxy = await startProxy(chatwoot.port, 'open');
  const settings = settingsOf(chatwoot, { CHATWOOT_URL: 'http://chatwoot.test', HTTP_PROXY: proxy.url });
  expect(feedLines(await run(['check'], { ...settings, FEED: 'cable' }))).toEqual([
    expect.stringMatching(/^ok .*events arrive$/),
  ]);
  expect(proxy.asked).toContain('CONNECT chatwoot.test:80');
  const created = await run(['webhook', 'create', '--account', '1', '--url', 'https://b.example.com'], settings);
  expect(created.code).toBe(0);
  expect(proxy.asked).toContain('POST http://chatwoot.test/api/v1/accounts/1/webhooks');
});

test('check: webhooks and what keeps Chatwoot from sending them', async () => {
  const chatwoot = await start();
  const secrets = { WEBHOOK_SECRETS: '{"1":"a-secret-of-24-characters"}' };
  const ended = await run(['check'], settingsOf(chatwoot, { FEED: 'webhook', ...secrets }));
  expect(feedLines(ended)).toEqual([expect.stringMatching(/^note .*account 1.*SAFE_FETCH_ALLOW_PRIVATE_NETWORK/)]);
  expect(ended.stdout).not.toContain('a-secret');
  expect(ended.stdout).toContain('ok       TAIL_MAX_AGE is 0s: each look at a newest page asks Chatwoot');
});

test('webhook create: registers one, and prints its secret as the setting', async () => {
  const chatwoot = await start();
  const url = 'https://backscroll.example.com/at/';
  const ended = await run(['webhook', 'create', '--account', '1', '--url', url], settingsOf(chatwoot));
  expect(ended.code).toBe(0);
  const [hook] = chatwoot.webhooks.registered;
  expect(hook?.url).toBe('https://backscroll.example.com/at/feed/webhooks/1');
  // All that change something which is cached.
  const changes = (event: string): boolean => translateWebhook(1, { event, id: 3, conversation: { id: 4 } }).kind === 'changes';
  expect(hook?.subscriptions.toSorted()).toEqual(WEBHOOK_EVENTS.filter(changes).toSorted());
  expect(ended.stdout).toBe(`WEBHOOK_SECRETS=${JSON.stringify({ 1: hook?.secret })}\n`);
  expect(ended.stderr).not.toContain(hook?.secret);
  expect(ended.stderr).not.toMatch(/SAFE_FETCH/);
});

test('webhook create: for a Chatwoot that signs nothing the path ends in a secret', async () => {
  const chatwoot = await start();
  chatwoot.webhooks.signs = false;
  const args = ['webhook', 'create', '--account', '1', '--url', 'http://10.1.2.3:8080'];
  const ended = await run(args, settingsOf(chatwoot));
  expect(ended.code).toBe(0);
  const [, secret = ''] = /^WEBHOOK_SECRETS=\{"1":"([\w-]{43})"\}\n$/.exec(ended.stdout) ?? [];
  expect(chatwoot.webhooks.registered.map((hook) => hook.url)).toEqual([`http://10.1.2.3:8080/feed/webhooks/1/${secret}`]);
  expect(ended.stderr).toMatch(/looks private.*SAFE_FETCH_ALLOW_PRIVATE_NETWORK=true/);
  expect(ended.stderr).not.toContain(secret);
});

test('webhook create: an address is said to look private where it is not reached from everywhere, and nowhere else', async () => {
  const chatwoot = await start();
  const hosts = (text: string): string[] => text.trim().split(/\s+/);
  const isPrivate = hosts(
    '10.1.2.3 127.0.0.1 169.254.1.1 192.168.1.1 172.16.0.1 172.20.0.1 172.31.0.1 [::1]:8080 [fc00::1] [fd12::1] [fe80::1] ' +
      'backscroll a.internal a.local a.localhost a.lan a.home.arpa B.LAN',
  );
  const isPublic = hosts(
    'a.example.com 11.0.0.1 172.15.0.1 172.32.0.1 192.169.1.1 [2001:db8::1] internal.example.com fd.example.com a.xlan',
  );
  const told: string[] = [];
  for (const host of [...isPrivate, ...isPublic]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { code, stderr } = await run(['webhook', 'create', '--account', '1', '--url', `http://${host}`], settingsOf(chatwoot));
    expect(code).toBe(0);
    if (stderr.includes('looks private')) told.push(host);
  }
  expect(told).toEqual(isPrivate);
});

test('webhook create: the token of the account goes before that of all, and there has to be one', async () => {
  const chatwoot = await start();
  const args = ['webhook', 'create', '--account', '1', '--url', 'https://b.example.com'];
  const settings = settingsOf(chatwoot, {
    CHATWOOT_API_TOKEN: 'wrong-token',
    CHATWOOT_ACCOUNT_TOKENS: JSON.stringify({ 1: CANARY }),
  });
  expect((await run(args, settings)).code).toBe(0);
  const { CHATWOOT_API_TOKEN: _, ...others } = settings;
  const ended = await run(args, { ...others, CHATWOOT_ACCOUNT_TOKENS: JSON.stringify({ 2: CANARY }) });
  expect([ended.code, ended.stdout]).toEqual([1, '']);
  expect(ended.stderr).toMatch(/CHATWOOT_API_TOKEN or CHATWOOT_ACCOUNT_TOKENS with this account is required/);
});

const CREATED = { payload: { webhook: { id: 7, secret: 'from-chatwoot' } } };
const UNSIGNED = { payload: { webhook: { id: 7, secret: '' } } };

test.each<[string, readonly (readonly [number, object])[], RegExp]>([
  ['refuses it', [[422, { message: 'Url is invalid' }]], /^Chatwoot did not register the webhook: status 422$/],
  ['fails', [[500, CREATED]], /^Chatwoot did not register the webhook: status 500$/],
  ['answers with no id', [[200, { payload: { webhook: { id: '7', secret: 'x' } } }]], /^Chatwoot did not register .*status 200$/],
  [
    'takes no address with a secret',
    [
      [200, UNSIGNED],
      [500, {}],
    ],
    /^This Chatwoot signs no webhooks, and did not take an address with a secret: status 500. Delete webhook 7$/,
  ],
])('webhook create: that Chatwoot %s is told in words, and no connection is left', async (_what, answers, told) => {
  const left = [...answers];
  const asked: string[] = [];
  const { server, port } = await startServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    const [status, json] = left.shift() ?? [404, {}];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  const env = { CHATWOOT_URL: `http://127.0.0.1:${port}/at/`, CHATWOOT_API_TOKEN: CANARY };
  const ended = await run(['webhook', 'create', '--account', '1', '--url', 'https://b.example.com'], env);
  expect([ended.code, ended.stdout]).toEqual([1, '']);
  expect(ended.stderr.trimEnd()).toMatch(told);
  const path = '/at/api/v1/accounts/1/webhooks';
  expect(asked).toEqual([`POST ${path}`, `PATCH ${path}/7`].slice(0, answers.length));
  const connections = (): Promise<number> =>
    new Promise((resolve) => {
      server.getConnections((_error, count) => resolve(count));
    });
  // By themselves they would end after three seconds.
  await expect.poll(connections, { timeout: 1500 }).toBe(0);
});

test('webhook create: an answer that comes drop by drop is not waited for', async () => {
  const chatwoot = await start();
  chatwoot.fault = () => ({ kind: 'slow-drip', bytesPerChunk: 1, everyMs: 40 });
  const args = ['webhook', 'create', '--account', '1', '--url', 'https://b.example.com'];
  const ended = await run(args, settingsOf(chatwoot, { UPSTREAM_TIMEOUT: '200ms' }));
  expect(ended).toEqual({ code: 1, stdout: '', stderr: 'Chatwoot cannot be reached (TimeoutError)\n' });
});

test.each([
  ['registered before', '1', CANARY, /there is one for https:\/\/b\.example\.com\/feed\/webhooks\/1 already/],
  ['an unknown token', '1', 'wrong-token', /token is not valid/],
  ['an unknown account', '9', CANARY, /there is no such account/],
])('webhook create: %s is told in words', async (_what, account, token, told) => {
  const chatwoot = await start();
  chatwoot.webhooks.register(1, 'https://b.example.com/feed/webhooks/1');
  const args = ['webhook', 'create', '--account', account, '--url', 'https://b.example.com'];
  const ended = await run(args, settingsOf(chatwoot, { CHATWOOT_API_TOKEN: token }));
  expect([ended.code, ended.stdout]).toEqual([1, '']);
  expect(ended.stderr).toMatch(told);
});

test('webhook create: a Chatwoot that is not there is told in words', async () => {
  const env = { CHATWOOT_URL: 'http://127.0.0.1:9', CHATWOOT_API_TOKEN: CANARY };
  const ended = await run(['webhook', 'create', '--account', '1', '--url', 'https://b.example.com'], env);
  expect(ended).toEqual({ code: 1, stdout: '', stderr: 'Chatwoot cannot be reached (ECONNREFUSED)\n' });
});

test.each<[readonly string[], RegExp]>([
  ...['x', '0', '1x', '1.5', '1'.repeat(16)].map((account): [string[], RegExp] => [
    ['--account', account, '--url', 'https://b.example.com'],
    /--account must be/,
  ]),
  [['--account', '1', '--url', 'ftp://b.example.com'], /--url must be/],
  [['--account', '1'], /--url must be/],
  [['--account', '1', '--url', 'https://user:planted@b.example.com'], /--url must be/],
  [['--account', '1', '--url', 'https://b.example.com?x'], /--url must be/],
])('webhook create %j is a wrong command line', async (args, told) => {
  const ended = await run(['webhook', 'create', ...args], {});
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(told);
  expect(ended.stderr).not.toContain('planted');
});
