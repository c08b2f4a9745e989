// The fake's faults, gates and log do on the wire what they say.

import { once } from 'node:events';

import { Agent, request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import type { Fault } from '../support/fake-chatwoot/fault.ts';
import { Gate } from '../support/fake-chatwoot/gate.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';

const PATH = '/api/v1/accounts/1/conversations/1/messages';
const HEADERS = { 'api-access-token': SAMPLE_TOKEN };

let fake: FakeChatwoot;
let dispatcher: Agent;

beforeEach(async () => {
  fake = await startSampleChatwoot({ now: () => 1_700_000_000_000 });
  dispatcher = new Agent({ keepAliveTimeout: 10_000 });
});

afterEach(async () => {
  await dispatcher.destroy();
  await fake.close();
});

async function get(path = PATH): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  const answer = await request(`${fake.url}${path}`, { dispatcher, headers: HEADERS });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

/** Whether a read of the answer breaks off, and with which code. */
async function failure(fault: Fault): Promise<unknown> {
  fake.fault = () => fault;
  const broken: unknown = await get().catch((error: unknown) => error);
  return broken instanceof Error && 'code' in broken ? broken.code : undefined;
}

async function sendQueryOf(bytes: number): Promise<number> {
  const target = `${PATH}?${'x'.repeat(bytes)}`;
  return (await sendRaw(fake.port, { method: 'GET', target, headers: Object.entries(HEADERS) })).status;
}

describe('faults', () => {
  test('break the connection before, amid and after the body', async () => {
    expect(await failure({ kind: 'refuse-headers-reset' })).toBe('ECONNRESET');
    expect(['ECONNRESET', 'UND_ERR_SOCKET']).toContain(await failure({ kind: 'reset-mid-body' }));
    expect(await failure({ kind: 'truncated' })).toBe('UND_ERR_SOCKET');
  });

  test('a reset mid body comes after headers and half of the body', async () => {
    fake.fault = () => ({ kind: 'reset-mid-body' });
    const answer = await request(`${fake.url}${PATH}`, { dispatcher, headers: HEADERS });
    let bytes = 0;
    answer.body.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(answer.body, 'end').catch(() => undefined);
    expect(bytes).toBe(Math.ceil(Number(answer.headers['content-length']) / 2));
  });

  test('send other answers', async () => {
    fake.fault = (number) =>
      (
        [
          { kind: 'status', status: 503, headers: { 'retry-after': '1' }, body: 'down' },
          { kind: 'not-json' },
          { kind: 'wrong-shape' },
          { kind: 'redirect', location: '/elsewhere' },
          { kind: 'huge', bytes: 300_000 },
          { kind: 'huge', bytes: 300_000, chunked: true },
        ] satisfies Fault[]
      )[number - 1];
    expect(await get()).toMatchObject({ status: 503, body: 'down', headers: { 'retry-after': '1' } });
    expect((await get()).body).toMatch(/^<html>/);
    expect(JSON.parse((await get()).body)).not.toHaveProperty('payload');
    expect(await get()).toMatchObject({ status: 302, headers: { location: '/elsewhere' } });
    for (const announced of ['300000', undefined]) {
      const huge = await get();
      expect(huge.headers['content-length']).toBe(announced);
      expect(huge.body.length).toBe(300_000);
      expect(JSON.parse(huge.body)).toHaveProperty('payload', []);
    }
    expect((await get()).status).toBe(200);
  });

  test('a slow drip ends with the whole answer', async () => {
    const whole = await get();
    fake.fault = () => ({ kind: 'slow-drip', bytesPerChunk: 4000, everyMs: 1 });
    expect((await get()).body).toBe(whole.body);
  });

  test('a hang lasts until close', async () => {
    fake.fault = () => ({ kind: 'hang' });
    const hanging = get().catch(String);
    await fake.awaitRequest();
    const closing = await startSampleChatwoot();
    await fake.close();
    expect(await hanging).toMatch(/closed|reset/);
    fake = closing;
  });
});

describe('gates', () => {
  test('held before the table is read, an answer knows what came meanwhile; held after, it does not', async () => {
    for (const point of ['before-read', 'after-read'] as const) {
      const gate = fake.hold(point);
      const answer = get();
      await gate.arrived;
      const { id } = fake.table.insert({ accountId: 1, conversationId: 1 });
      gate.release();
      expect((await answer).body.includes(`"id":${id},"content":"Message`)).toBe(point === 'before-read');
    }
  });

  test('a hold takes one request, the first that matches', async () => {
    const gate = fake.hold('before-read', ({ search }) => search === '?before=5');
    expect((await get()).status).toBe(200);
    const held = get(`${PATH}?before=5`);
    expect((await gate.arrived).number).toBe(2);
    expect((await get(`${PATH}?before=5`)).status).toBe(200);
    gate.release();
    expect((await held).status).toBe(200);
  });

  test('a fault can hold many requests at one gate', async () => {
    const gate = new Gate();
    fake.fault = () => ({ kind: 'delay-gate', gate });
    const answers = [get(), get()];
    await fake.log.awaitCount(2);
    gate.release();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe('the log', () => {
  test('holds target, headers and the moment, and counts from 1 after it was cleared', async () => {
    await get(`${PATH}?before=1100`);
    expect(fake.log.requests).toMatchObject([
      { number: 1, method: 'GET', path: PATH, search: '?before=1100', at: 1_700_000_000_000, headers: HEADERS },
    ]);
    fake.clearLog();
    const next = fake.awaitRequest(({ path }) => path.endsWith('/profile'));
    await get();
    const profile = await get('/api/v1/profile');
    expect(JSON.parse(profile.body)).toEqual({
      id: 1,
      name: 'Ada Reyes',
      email: 'ada@example.test',
      access_token: SAMPLE_TOKEN,
      pubsub_token: 'sample-pubsub-1',
      accounts: [{ id: 1, role: 'administrator' }],
    });
    expect((await next).number).toBe(2);
    expect(fake.log.count()).toBe(2);
  });
});

test('a kept-alive answer has no Date and no Connection header, as with Puma', async () => {
  const { headers } = await get();
  expect(Object.keys(headers)).not.toContain('date');
  expect(Object.keys(headers)).not.toContain('connection');
});

test('Puma refuses a query over 10240 bytes', async () => {
  expect(await sendQueryOf(10_240)).toBe(200);
  expect(await sendQueryOf(10_241)).toBe(400);
});
