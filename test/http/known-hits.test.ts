// Known hits: each is judged for itself, also on connections that callers share, and none outlives what it rests on.

import { SignJWT } from 'jose';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ReadThrough } from '../../src/cache/read-through.ts';
import { EventLoop } from '../../src/http/event-loop.ts';
import {
  clientsFile,
  knownPage,
  messagesOf,
  readsOf,
  startHouse,
  type Backscroll,
  type TestClient,
} from '../support/backscroll.ts';
import { reluctantCaller } from '../support/reluctant-caller.ts';

const AGENT: TestClient = { name: 'agent', key: 'key-of-the-agent-0' };
const CUSTOMER: TestClient = { name: 'customer', key: 'key-of-the-customer', view: 'customer' };
const NARROW: TestClient = { name: 'narrow', key: 'key-of-the-narrow', scope: [{ account: 1, conversations: [2] }] };
const TEST: TestClient = { name: 'test', key: 'client-key-of-the-tests' };
const STRANGER = 'key-of-a-stranger';

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');

async function startWithFile(clients: readonly TestClient[]) {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  await writeFile(path, clientsFile(clients));
  return { ...(await startHouse({ env: { CLIENT_KEYS: '', CLIENTS_FILE: path } })), path };
}

/** Asks for a page until it is answered the short way. */
async function untilKnown(backscroll: Backscroll, page: string): Promise<void> {
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit');
  await vi.waitFor(async () => {
    await backscroll.get(page);
    expect(short.mock.results.at(-1)?.value).toMatchObject({ outcome: 'hit' });
  }, 10_000);
  short.mockRestore();
}

async function hotPage(backscroll: Backscroll): Promise<string> {
  const page = await knownPage(backscroll);
  await untilKnown(backscroll, page);
  return page;
}

/** Sends all at once on one connection. @returns what came back, answer by answer */
async function pipelined(backscroll: Backscroll, asked: readonly { readonly key: string; readonly target: string }[]) {
  const socket = connect(backscroll.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const last = asked.length - 1;
  for (const [n, { key, target }] of asked.entries()) {
    const end = n === last ? 'connection: close\r\n' : '';
    socket.write(
      `GET ${target} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.${n}\r\napi_access_token: ${key}\r\n${end}\r\n`,
    );
  }
  await once(socket, 'close');
  const text = Buffer.concat(chunks).toString('latin1');
  return text.split(/(?=HTTP\/1\.1 \d{3} )/).map((answer) => ({
    status: Number(answer.slice(9, 12)),
    body: answer.slice(answer.indexOf('\r\n\r\n') + 4),
    limit: /x-ratelimit-remaining: (\d+)/.exec(answer)?.[1],
  }));
}

test('callers that share a connection get what each may see, in the order in which they asked', async () => {
  const { backscroll } = await startHouse({ clients: [AGENT, CUSTOMER, NARROW, TEST], env: { TRUST_PROXY: '1' } });
  const page = await hotPage(backscroll);
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit');
  onTestFinished(() => short.mockRestore());
  const round = [AGENT.key, CUSTOMER.key, NARROW.key, STRANGER].map((key) => ({ key, target: page }));
  const asked = [...round, { key: AGENT.key, target: messagesOf(3) }, ...round, ...round];
  const answers = await pipelined(backscroll, asked);
  const alone = new Map<string, string>();
  for (const { key, target } of asked) {
    // oxlint-disable-next-line no-await-in-loop
    const { status, body } = await backscroll.send({ target, headers: [['api_access_token', key]] });
    alone.set(key + target, `${status} ${body.toString('latin1')}`);
  }
  expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual(asked.map(({ key, target }) => alone.get(key + target)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 401, 200, 200, 200, 404, 401, 200, 200, 404, 401]);
  expect(short.mock.results.filter(({ value }) => value !== null).length).toBeGreaterThan(3);
});

describe('what was kept is void', () => {
  const asked = async (backscroll: Backscroll, target: string, header: [string, string]): Promise<number> =>
    (await backscroll.send({ target, headers: [header] })).status;

  test('when a key is taken away, its scope gets narrower, or its time is over', async () => {
    const { backscroll, path } = await startWithFile([AGENT, TEST]);
    const page = await hotPage(backscroll);
    const agent: [string, string] = ['api_access_token', AGENT.key];
    expect([await asked(backscroll, page, agent), await asked(backscroll, page, agent)]).toEqual([200, 200]);
    await writeFile(path, clientsFile([{ ...AGENT, scope: NARROW.scope! }, TEST]));
    await backscroll.app.reloadClients();
    expect(await asked(backscroll, page, agent)).toBe(404);
    const mortal = { name: 'agent', scope: '*', keys: [{ sha256: sha256(AGENT.key), notAfter: '2026-09-01T12:00:10Z' }] };
    await writeFile(path, JSON.stringify({ clients: [mortal] }));
    await backscroll.app.reloadClients();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-09-01T12:00:09.999Z'));
    onTestFinished(() => clock.mockRestore());
    expect([await asked(backscroll, page, agent), await asked(backscroll, page, agent)]).toEqual([200, 200]);
    clock.mockReturnValue(Date.parse('2026-09-01T12:00:10Z'));
    expect(await asked(backscroll, page, agent)).toBe(401);
    await writeFile(path, clientsFile([TEST]));
    await backscroll.app.reloadClients();
    clock.mockReturnValue(Date.parse('2026-09-01T12:00:09Z'));
    expect(await asked(backscroll, page, agent)).toBe(401);
  });

  test('when a token ends', async () => {
    const secret = 'secret-of-known-hits-0123456789abcdef';
    const { backscroll } = await startHouse({ env: { JWT_SECRET: secret } });
    const page = await hotPage(backscroll);
    const endsAt = 2_000_000_000;
    const token = await new SignJWT({ account: 1, conversations: [1], view: 'agent', sub: 'reader' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(endsAt)
      .sign(Buffer.from(secret));
    const clock = vi.spyOn(Date, 'now').mockReturnValue(endsAt * 1000 + 4999); // Clocks differ by five seconds.
    onTestFinished(() => clock.mockRestore());
    const bearer: [string, string] = ['authorization', `Bearer ${token}`];
    expect([await asked(backscroll, page, bearer), await asked(backscroll, page, bearer)]).toEqual([200, 200]);
    clock.mockReturnValue(endsAt * 1000 + 5000);
    expect(await asked(backscroll, page, bearer)).toBe(401);
  });

  test('when a conversation is purged, or is not there any more', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const page = await hotPage(backscroll);
    backscroll.app.readThrough.purge({ accountId: 1, conversationId: 1 });
    expect((await backscroll.get(page)).headers['cache-status']).toMatch(/fwd=miss/);
    await backscroll.get(page);
    chatwoot.table.removeConversation(1, 1);
    expect((await backscroll.get(messagesOf(1), { 'cache-control': 'no-cache' })).status).toBe(404);
    expect((await backscroll.get(page)).status).toBe(404);
  });
});

describe('a known page of eight megabytes', () => {
  async function startLarge(env: Readonly<Record<string, string>> = {}) {
    const { backscroll, chatwoot } = await startHouse({ env, clients: [TEST, AGENT] });
    const ids = chatwoot.table
      .rows(1, 1)
      .map(({ id }) => id)
      .slice(100, 120);
    for (const id of ids) chatwoot.table.edit(id, { content: 'x'.repeat(400_000) });
    const page = messagesOf(1, `?before=${ids.at(-1)! + 1}`);
    await untilKnown(backscroll, page);
    expect((await backscroll.get(page)).body.length).toBeGreaterThan(8_000_000);
    return { backscroll, page };
  }

  test('is counted as unread by the client that leaves it', async () => {
    const { backscroll, page } = await startLarge({ UNREAD_MEMORY: '16mb' });
    reluctantCaller(backscroll.port).ask(page);
    await vi.waitFor(async () => expect(await backscroll.metrics()).toMatch(/^backscroll_unread_bytes [1-9]/m), 10_000);
    expect(await backscroll.get(page)).toMatchObject({ status: 503, code: 'overloaded' });
    expect((await backscroll.send({ target: page, headers: [['api_access_token', AGENT.key]] })).status).toBe(200);
  });

  test('is waited for at the end', async () => {
    const { backscroll, page } = await startLarge();
    const caller = reluctantCaller(backscroll.port);
    caller.ask(page);
    await vi.waitFor(async () => expect(await backscroll.metrics()).toMatch(/^backscroll_unread_bytes [1-9]/m), 10_000);
    const closed = backscroll.app.close();
    // Longer than connections are left on which nothing is under way, and not as long as one may take nothing.
    await new Promise((resolve) => setTimeout(resolve, 700));
    let length = 0;
    caller.socket.on('data', (chunk: Buffer) => (length += chunk.length)).resume();
    caller.socket.on('end', () => caller.socket.end());
    // The server is done before the last of it has arrived.
    await Promise.all([closed, once(caller.socket, 'close')]);
    expect(length).toBeGreaterThan(8_000_000);
  });
});

describe('a known page', () => {
  const refused = async (backscroll: Backscroll, text: string): Promise<string> => {
    const socket = connect(backscroll.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).write(`${text}connection: close\r\n\r\n`);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString('latin1');
  };

  test('is not shown to a request without a Host', async () => {
    const { backscroll } = await startHouse();
    const page = await hotPage(backscroll);
    const answer = await refused(backscroll, `GET ${page} HTTP/1.1\r\napi_access_token: ${TEST.key}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*"code":"invalid_parameter"/);
  });

  test('is not shown while this server is late, or ends', async () => {
    const { backscroll, chatwoot } = await startHouse();
    const page = await hotPage(backscroll);
    const late = vi.spyOn(EventLoop.prototype, 'isLate', 'get').mockReturnValue(true);
    onTestFinished(() => late.mockRestore());
    expect(await backscroll.get(page)).toMatchObject({ status: 503, code: 'overloaded' });
    late.mockReturnValue(false);

    const gate = chatwoot.hold();
    const waiting = backscroll.get(messagesOf(3));
    await gate.arrived;
    // Node takes a connection for idle, and closes it, unless part of a request is there.
    const begun = connect(backscroll.port, '127.0.0.1');
    begun.write(`GET ${page} HTTP/1.1\r\nhost: x\r\n`);
    await vi.waitFor(async () => expect(await backscroll.metrics()).toMatch(/^backscroll_connections 3$/m));
    const closed = backscroll.app.close();
    const chunks: Buffer[] = [];
    begun.on('data', (chunk: Buffer) => chunks.push(chunk)).write(`api_access_token: ${TEST.key}\r\n\r\n`);
    await once(begun, 'close');
    expect(Buffer.concat(chunks).toString('latin1')).toMatch(/^HTTP\/1\.1 503 [^]*"code":"draining"/);
    gate.release();
    expect((await waiting).status).toBe(200);
    await closed;
  });

  test('tells of a proxy that is not trusted, too', async () => {
    const { backscroll } = await startHouse();
    const page = await hotPage(backscroll);
    expect((await backscroll.get(page, { 'x-forwarded-for': '203.0.113.7' })).status).toBe(200);
    expect(backscroll.logs.join('')).toContain('TRUST_PROXY is off');
  });
});

test('the newest page is known to nobody for whom it may not be so old, nor any longer than that', async () => {
  const patient = { name: 'patient', key: 'key-of-the-patient', tailMaxAge: '2s' };
  const prompt = { name: 'prompt', key: 'key-of-the-prompt', tailMaxAge: '0s' };
  const { backscroll, chatwoot, clock } = await startHouse({ clients: [patient, prompt, TEST], env: { TAIL_MAX_AGE: '1s' } });
  const page = messagesOf(4);
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit');
  onTestFinished(() => short.mockRestore());
  const ask = async (key: string): Promise<{ told: string; isKnown: boolean }> => {
    short.mockClear();
    const { headers } = await backscroll.send({ target: page, headers: [['api_access_token', key]] });
    return { told: headers['cache-status']!, isKnown: short.mock.results.some(({ value }) => value !== null) };
  };
  await ask(patient.key);
  await backscroll.app.readThrough.idle();
  const reads = readsOf(chatwoot).length;
  clock.advance(900);
  for (const { key } of [patient, TEST]) {
    /* oxlint-disable no-await-in-loop -- one after the other */
    await ask(key); // Proved for the first time.
    await ask(key); // Its body is kept from then on.
    expect(await ask(key)).toEqual({ told: expect.stringMatching(/hit/) as string, isKnown: true });
    /* oxlint-enable no-await-in-loop */
  }
  clock.advance(101);
  expect(await ask(patient.key)).toEqual({ told: 'backscroll; hit; ttl=0', isKnown: true });
  chatwoot.table.insert({ accountId: 1, conversationId: 4 });
  expect(readsOf(chatwoot)).toHaveLength(reads);
  const miss = { told: expect.stringMatching(/miss/) as string, isKnown: false };
  expect(await ask(TEST.key)).toEqual(miss);
  for (let n = 1; n < 4; n++) {
    clock.advance(1);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await ask(prompt.key)).toEqual(miss);
    expect(readsOf(chatwoot)).toHaveLength(reads + 1 + n);
  }
});

test('a mistake of ours on the short way costs nobody an answer', async () => {
  const { backscroll } = await startHouse();
  const page = await hotPage(backscroll);
  const short = vi.spyOn(ReadThrough.prototype, 'knownHit').mockImplementation(() => {
    throw new Error('a mistake');
  });
  onTestFinished(() => short.mockRestore());
  const answer = await backscroll.get(page);
  expect([answer.status, answer.headers['cache-status']?.slice(0, 15)]).toEqual([200, 'backscroll; hit']);
  expect(short).toHaveBeenCalled();
  expect(backscroll.logs.some((line) => line.includes('unexpected error on the short way'))).toBe(true);
});

test('what is left of a limit is counted once, whichever way a request goes', async () => {
  const { backscroll } = await startHouse({ env: { RATE_LIMIT: '20/1m' } });
  const page = await hotPage(backscroll);
  const left = async (headers: Readonly<Record<string, string>> = {}): Promise<number> => {
    const answer = await backscroll.get(page, headers);
    return answer.status === 429 ? -1 : Number(answer.headers['x-ratelimit-remaining']);
  };
  let expected = await left();
  while (expected > 0) {
    // oxlint-disable-next-line no-await-in-loop
    expect(await left(expected % 2 === 0 ? {} : { 'cache-control': 'no-cache' })).toBe(--expected);
  }
  expect([await left(), await left({ 'cache-control': 'no-cache' }), await left()]).toEqual([-1, -1, -1]);
});
