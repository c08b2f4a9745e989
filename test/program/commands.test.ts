// Commands that make credentials, and the one that says whether it would work.

import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, jwtVerify } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run as runCommand } from '../../src/commands/run.ts';
import { parseClientsFile } from '../../src/clients/clients-file.ts';
import { clientsFile, KEY, messagesOf, plantToken, startHouse } from '../support/backscroll.ts';
import { CANARY, searchForCanary } from '../support/canary.ts';
import type { FakeUser } from '../support/fake-chatwoot/directory.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { FOREIGN_REFUSALS } from '../support/fake-chatwoot/in-between.ts';
import type { LoggedRequest } from '../support/fake-chatwoot/request-log.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { startChild } from './child.ts';

const SECRET = 'planted-secret-of-the-commands-0123';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, with these settings and no others. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const texts = { stdout: '', stderr: '' };
  const writer = (name: keyof typeof texts) => ({ write: (text: string) => void (texts[name] += text) });
  const code = await runCommand(args, env, { stdout: writer('stdout'), stderr: writer('stderr') });
  for (const [name, text] of Object.entries(texts)) searchForCanary(`what the command wrote to ${name}`, text);
  return { code, ...texts };
}

test('a command is run with the settings, streams and exit code of its process', async () => {
  const child = startChild(['token', 'create', '--account', '1', '--conversations', '2'], { JWT_SECRET: SECRET });
  expect((await child.ended).code).toBe(0);
  expect(child.stdout()).toMatch(/^eyJ\S+\n$/);
  expect(child.stderr()).toMatch(/^It reads /);
  const failed = startChild(['check'], {});
  expect((await failed.ended).code).toBe(1);
  expect(failed.stdout()).toMatch(/^problem {2}CHATWOOT_URL is required/);
});

test('serve: SIGHUP has the clients file read again, and ends nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  await writeFile(path, clientsFile([{ name: 'one', key: 'key-of-client-one' }]));
  const settings = { CHATWOOT_URL: 'http://127.0.0.1:9', CHATWOOT_API_TOKEN: CANARY, PORT: '0', CLIENTS_FILE: path };
  const child = startChild(['serve'], settings);
  await child.printed(/not ready/);
  await writeFile(path, '{');
  child.process.kill('SIGHUP');
  await child.printed(/the clients stay as they were/);
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual({ code: 0, signal: null });
});

describe('key create', () => {
  test('prints a key of 256 random bits and the entry that lets it in', async () => {
    const runs = await Promise.all([run(['key', 'create', '--name', 'crm']), run(['key', 'create'])]);
    const made = runs.map(({ code, stdout, stderr }) => {
      expect([code, stderr]).toEqual([0, '']);
      const [key = ''] = /bsk_\S+/.exec(stdout) ?? [];
      expect(key).toMatch(/^bsk_[\w-]{43}$/);
      expect(stdout.split(key)).toHaveLength(2);
      const [entry = ''] = /^ *\{.*\}$/m.exec(stdout) ?? [];
      expect(entry).not.toContain(key);
      const read = parseClientsFile(`{"clients":[${entry}]}`);
      if (read.kind === 'problems') throw new Error(read.problems.join());
      expect(Buffer.from(read.clients[0]!.keys[0]!.digest).toString('hex')).toBe(createHash('sha256').update(key).digest('hex'));
      return { key, name: read.clients[0]!.name };
    });
    expect(made.map(({ name }) => name)).toEqual(['crm', 'new-client']);
    expect(made[0]!.key).not.toBe(made[1]!.key);
  });

  test.each([[['--name', 'a b']], [['--name', 'anonymous']], [['--name']], [['--nmae', 'crm']], [['planted']]])(
    'refuses %j, with 2, repeating nothing',
    async (args) => {
      const { code, stdout, stderr } = await run(['key', 'create', ...args]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain('--name');
      expect(stderr).not.toMatch(/planted|^ +at /m);
    },
  );
});

describe('token create', () => {
  const args = ['token', 'create', '--account', '1', '--conversations', '2,3'];

  test('prints a token and nothing else, which a running server accepts', async () => {
    const { code, stdout, stderr } = await run([...args, '--sub', 'me', '--expires', '10m'], {
      JWT_SECRET: `${SECRET} ${SECRET}2`,
      JWT_ISSUER: 'here',
      JWT_AUDIENCE: 'backscroll',
    });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^It reads conversations 2, 3 of account 1 in the customer view, until 20\d\d-.*; send it as /);
    const token = stdout.trim();
    const { payload, protectedHeader } = await jwtVerify(token, Buffer.from(SECRET));
    expect(protectedHeader.alg).toBe('HS256');
    expect(payload).toMatchObject({
      account: 1,
      conversations: [2, 3],
      view: 'customer',
      sub: 'me',
      iss: 'here',
      aud: 'backscroll',
    });
    expect(payload.exp! - payload.iat!).toBe(600);

    const { backscroll } = await startHouse({ env: { JWT_SECRET: SECRET, JWT_ISSUER: 'here', JWT_AUDIENCE: 'backscroll' } });
    const statuses = [];
    for (const conversation of [2, 3, 1]) {
      const headers = [['authorization', `Bearer ${token}`]] as const;
      statuses.push((await backscroll.send({ target: messagesOf(conversation), headers })).status);
    }
    expect(statuses).toEqual([200, 200, 404]);
  });

  test('takes everything of an account, another view, and the secret from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'secret'), `${SECRET}\n`);
    const line = ['token', 'create', '--account', '7', '--conversations', '*', '--view', 'agent'];
    const { stdout } = await run(line, { JWT_SECRET_FILE: join(folder, 'secret') });
    const { payload } = await jwtVerify(stdout.trim(), Buffer.from(SECRET));
    expect(payload).toMatchObject({ account: 7, conversations: '*', view: 'agent' });
    expect(payload.exp! - payload.iat!).toBe(3600);
    expect(payload).not.toHaveProperty('sub');
  });

  test.each<[readonly string[], Readonly<Record<string, string>>, number, string]>([
    [['token', 'create', '--conversations', '2'], { JWT_SECRET: SECRET }, 2, '--account'],
    [['token', 'create', '--account', '1'], { JWT_SECRET: SECRET }, 2, '--conversations'],
    [['token', 'create', '--account', '1', '--conversations', '2;3'], { JWT_SECRET: SECRET }, 2, '--conversations'],
    [[...args, '--view', 'planted'], { JWT_SECRET: SECRET }, 2, '--view'],
    [[...args, '--expires', '25h'], { JWT_SECRET: SECRET }, 2, '--expires'],
    [[...args, '--expires', '60'], { JWT_SECRET: SECRET }, 2, '--expires'],
    [[...args, '--sub', 'x'.repeat(129)], { JWT_SECRET: SECRET }, 2, '--sub'],
    [args, {}, 1, 'JWT_SECRET is required'],
    [args, { JWT_SECRET: 'planted' }, 1, 'JWT_SECRET has fewer than 32 bytes'],
  ])('%j with %j ends with %i', async (line, env, exitCode, problem) => {
    const { code, stdout, stderr } = await run(line, env);
    expect([code, stdout]).toEqual([exitCode, '']);
    expect(stderr).toContain(problem);
    expect(stderr).not.toMatch(/planted|^ +at /m);
  });
});

test.each([['key'], ['key', 'delete'], ['token'], ['token', 'verify']])('%s %s is no command', async (...args) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toContain('token create');
});

describe('check', () => {
  /** What a Chatwoot behind nginx says of itself; the fake sends no Date. */
  const API = (request: LoggedRequest): Fault | undefined =>
    request.path === '/api'
      ? { kind: 'status', status: 200, headers: { date: new Date().toUTCString() }, body: '{"version":"4.10.0","timestamp":"x"}' }
      : undefined;

  async function startChatwoot(fault: (request: LoggedRequest) => Fault | undefined = API): Promise<FakeChatwoot> {
    const chatwoot = await startSampleChatwoot();
    onTestFinished(() => chatwoot.close());
    plantToken(chatwoot);
    chatwoot.fault = (_number, request) => fault(request);
    return chatwoot;
  }

  const checkWith = async (chatwoot: FakeChatwoot, env: Readonly<Record<string, string>> = {}) => {
    const who = { CHATWOOT_URL: chatwoot.url, CHATWOOT_API_TOKEN: CANARY, CLIENT_KEYS: `test=${KEY}` };
    const ended = await run(['check'], { ...who, UPSTREAM_TIMEOUT: '2s', TRUST_PROXY: 'loopback', ...env });
    expect(ended.stdout + ended.stderr).not.toMatch(new RegExp(`planted|${KEY}|^ +at `, 'm'));
    return { ...ended, lines: ended.stdout.trimEnd().split('\n') };
  };

  test('that callers with a token of their own reach all of Chatwoot is told', async () => {
    const { lines } = await checkWith(await startChatwoot(), { PASS_THROUGH: 'own-token' });
    expect(lines[1]).toMatch(/^ok {7}PASS_THROUGH: callers with a Chatwoot token of their own reach the rest/);
  });

  test('all well: a line for each thing, and 0', async () => {
    const chatwoot = await startChatwoot();
    const { code, lines, stderr } = await checkWith(chatwoot);
    expect(lines).toEqual([
      'ok       Settings and clients: 1 client',
      'ok       TAIL_MAX_AGE is 0s: each look at a newest page asks Chatwoot. Give clients that poll and can bear it "tailMaxAge": "1s", or set FEED=cable',
      'ok       Chatwoot 4.10.0 answers',
      'ok       The clocks agree',
      'ok       CHATWOOT_API_TOKEN: Chatwoot accepts it for listing messages; it is no bot’s'.replace('’', "'"),
      'ok       CHATWOOT_API_TOKEN: its user reads every conversation, as an administrator, in account 1',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(chatwoot.log.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api',
      'GET /api/v1/accounts/0/conversations/0/messages',
      'GET /api/v1/accounts/0/conversations/0/messages',
      'GET /api/v1/profile',
    ]);
  });

  test('wrong settings and a wrong clients file: all problems at once, and Chatwoot is not asked', async () => {
    const chatwoot = await startChatwoot();
    const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'clients.json'), '{"clients":[{"name":"planted!"}]}');
    const env = { PORT: 'planted', CLIENTS_FILE: join(folder, 'clients.json') };
    const { code, lines } = await checkWith(chatwoot, env);
    expect(code).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(/^problem {2}PORT must be /),
      'problem  CLIENTS_FILE: /clients/0/keys is missing',
      'problem  CLIENTS_FILE: /clients/0/scope is missing',
      expect.stringMatching(/^problem {2}CLIENTS_FILE: \/clients\/0\/name must be /),
    ]);
    expect(chatwoot.log.requests).toEqual([]);
  });

  test('tokens: an unknown one, a bot’s, one of an agent, one of a stranger to the account', async () => {
    const chatwoot = await startChatwoot();
    const { directory } = chatwoot;
    const agent = { id: 9, name: 'Agent', email: 'agent@example.test', pubsubToken: 'x' };
    directory.join(agent, 2, { role: 'agent', reads: 'all' });
    directory.addToken('planted-bot', 'bot');
    directory.addToken('planted-agent', agent);
    const tokens = { 1: 'planted-unknown', 2: 'planted-bot', 3: 'planted-agent' };
    const all = { CHATWOOT_API_TOKEN: 'planted-agent', CHATWOOT_ACCOUNT_TOKENS: JSON.stringify(tokens) };
    const { code, lines } = await checkWith(chatwoot, all);
    expect(code).toBe(1);
    const setting = (n: number): string => `CHATWOOT_ACCOUNT_TOKENS, account ${n}`;
    expect(lines.slice(4)).toEqual([
      expect.stringMatching(/^ok {7}CHATWOOT_API_TOKEN: Chatwoot accepts it/),
      'note     CHATWOOT_API_TOKEN: its user reads only the conversations of its inboxes, as it is no administrator, in account 2',
      expect.stringContaining(`problem  ${setting(1)}: Chatwoot rejects the token of this server: it does not know it`),
      expect.stringContaining(`problem  ${setting(2)}: Chatwoot rejects the token of this server: it belongs to an agent bot`),
      expect.stringContaining(`ok       ${setting(3)}: Chatwoot accepts it`),
      `problem  ${setting(3)}: its user is not a member of account 3`,
    ]);
  });

  test('a redirect is told as one, and where it leads is not', async () => {
    const chatwoot = await startChatwoot(() => ({ kind: 'redirect', location: 'https://planted.example/' }));
    const { code, lines } = await checkWith(chatwoot);
    expect([code, lines.at(-1)]).toEqual([1, expect.stringMatching(/^problem {2}Chatwoot redirects .*write it with https/)]);
    expect(chatwoot.log.requests).toHaveLength(1);
  });

  test('a proxy that drops headers with underscores is noted, one that drops those with hyphens is a problem', async () => {
    const nothing = '{"errors":["You need to sign in or sign up before continuing."]}';
    const drops = (name: string) => (request: LoggedRequest) =>
      name in request.headers ? ({ kind: 'status', status: 401, body: nothing } as const) : API(request);
    const nginx = await checkWith(await startChatwoot(drops('api_access_token')));
    expect([nginx.code, nginx.lines.at(-1)]).toEqual([0, expect.stringMatching(/^note .*drops headers with underscores/)]);
    const odd = await checkWith(await startChatwoot(drops('api-access-token')));
    expect([odd.code, odd.lines.at(-1)]).toEqual([1, expect.stringMatching(/^problem .*drops the Api-Access-Token header/)]);
    const both = await checkWith(
      await startChatwoot((request) => drops('api_access_token')(request) ?? drops('api-access-token')(request)),
    );
    expect([both.code, both.lines.at(-1)]).toEqual([1, expect.stringMatching(/^problem .*it did not arrive/)]);
  });

  test('accounts without API access: a problem where a token has no other, a note beside others', async () => {
    const chatwoot = await startChatwoot();
    const { directory } = chatwoot;
    const owner = directory.tokenOwner(CANARY) as FakeUser;
    directory.disableApi(1);
    const only = await checkWith(chatwoot);
    const sentence = 'API access is not enabled in Chatwoot for account';
    expect([only.code, only.lines.at(-1)]).toEqual([1, expect.stringContaining(`problem  CHATWOOT_API_TOKEN: ${sentence} 1.`)]);
    directory.join(owner, 2, { role: 'administrator' });
    const one = await checkWith(chatwoot);
    expect([one.code, one.lines.slice(-2)]).toEqual([
      0,
      [
        expect.stringContaining(`note     CHATWOOT_API_TOKEN: ${sentence} 1.`),
        'ok       CHATWOOT_API_TOKEN: its user reads every conversation, as an administrator, in account 2',
      ],
    ]);
    const own = await checkWith(chatwoot, { CHATWOOT_ACCOUNT_TOKENS: JSON.stringify({ 1: CANARY }) });
    expect([own.code, own.lines.at(-1)]).toEqual([
      1,
      expect.stringContaining(`problem  CHATWOOT_ACCOUNT_TOKENS, account 1: ${sentence} 1.`),
    ]);
  });

  test.each(FOREIGN_REFUSALS)('$name in place of Chatwoot is told apart from a wrong token', async ({ fault, tells }) => {
    const chatwoot = await startChatwoot((request) => (request.path.includes('/accounts/0/') ? fault : API(request)));
    const { code, lines } = await checkWith(chatwoot);
    expect([code, lines.at(-1)]).toEqual([1, expect.stringMatching(tells)]);
    expect(lines.at(-1)).not.toMatch(/rejects the token|administrator/);
  });

  test.each([
    [-30_000, 0, /^note {5}Chatwoot's clock is (29|30) s behind this machine's$/],
    [300_000, 1, /^problem {2}Chatwoot's clock is (299|300) s ahead of this machine's, too far for SETTLE/],
  ])('a clock that is off by %i ms', async (ms, exitCode, line) => {
    const date = (): string => new Date(Date.now() + ms).toUTCString();
    const chatwoot = await startChatwoot((request) =>
      request.path === '/api'
        ? { kind: 'status', status: 200, headers: { date: date() }, body: '{"version":"4.10.0"}' }
        : undefined,
    );
    const { code, lines } = await checkWith(chatwoot);
    expect([code, lines[3]]).toEqual([exitCode, expect.stringMatching(line)]);
  });

  test('what cannot be known is noted: no Date, no version', async () => {
    const hidden: Fault = { kind: 'status', status: 404, headers: {}, body: '<html>' };
    const { code, lines } = await checkWith(await startChatwoot(({ path }) => (path === '/api' ? hidden : undefined)));
    expect(code).toBe(0);
    expect(lines.slice(2, 4)).toEqual([expect.stringMatching(/^note .*version/), expect.stringMatching(/^note .*Date/)]);
  });

  test.each<[string, Fault, RegExp]>([
    ['hangs', { kind: 'hang' }, /did not answer in time/],
    ['resets', { kind: 'refuse-headers-reset' }, /cannot be reached/],
    ['never ends', { kind: 'huge', bytes: 3_000_000 }, /larger than this server takes/],
  ])('a Chatwoot that %s: said, and it ends', async (_what, fault, line) => {
    const { code, lines } = await checkWith(await startChatwoot(() => fault));
    expect([code, lines.at(-1)]).toEqual([1, expect.stringMatching(line)]);
  });

  test.each([
    ['false', /^note {5}TRUST_PROXY is off: if a proxy stands before this server, /],
    ['true', /^note {5}TRUST_PROXY is true: callers choose the address/],
  ])('what TRUST_PROXY=%s means for limits is noted', async (trusted, note) => {
    const { code, lines } = await checkWith(await startChatwoot(), { TRUST_PROXY: trusted });
    expect([code, lines[1]]).toEqual([0, expect.stringMatching(note)]);
  });

  test('what an age of the newest messages costs is noted, and that some clients have their own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'clients.json'), clientsFile([{ name: 'prompt', key: KEY, tailMaxAge: '0s' }]));
    const env = { TAIL_MAX_AGE: '1500ms', CLIENT_KEYS: '', CLIENTS_FILE: join(folder, 'clients.json') };
    const { code, lines } = await checkWith(await startChatwoot(), env);
    expect([code, lines[1]]).toEqual([
      0,
      'note     TAIL_MAX_AGE is 1500ms (clients with an age of their own: 1): whom a webhook wakes may miss the very message. Give such clients "tailMaxAge": "0s"',
    ]);
  });

  test('the key set of JWKS_URL, keys past their time, and an open door', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = JSON.stringify({ keys: [await exportJWK(publicKey)] });
    const chatwoot = await startChatwoot((request) =>
      request.path === '/keys' ? { kind: 'status', status: 200, body: keys } : API(request),
    );
    const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const sha256 = createHash('sha256').update('x').digest('hex');
    const dead = { clients: [{ name: 'old', keys: [{ sha256, notAfter: '2020-01-01' }], scope: '*' }] };
    await writeFile(join(folder, 'clients.json'), JSON.stringify(dead));
    const env = { CLIENTS_FILE: join(folder, 'clients.json'), ALLOW_ANONYMOUS: 'true' };
    const good = await checkWith(chatwoot, { ...env, JWKS_URL: `${chatwoot.url}/keys` });
    expect(good.code).toBe(0);
    expect(good.lines.slice(0, 6)).toEqual([
      'ok       Settings and clients: 2 clients',
      'note     Every key of client old is past its notAfter',
      'ok       Signed tokens are accepted',
      expect.stringMatching(/^note {5}ALLOW_ANONYMOUS/),
      expect.stringMatching(/^ok {7}TAIL_MAX_AGE is 0s: /),
      'ok       JWKS_URL: 1 key',
    ]);
    const bad = await checkWith(chatwoot, { JWKS_URL: `${chatwoot.url}/planted` });
    expect([bad.code, bad.lines[3]]).toEqual([1, 'problem  JWKS_URL: it answered with status 404']);
  });
});
