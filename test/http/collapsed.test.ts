// Equal requests at once are one read of Chatwoot, whoever comes, waits or leaves.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Backscroll } from '../support/backscroll.ts';
import { KEY, messagesOf, readsOf, startHouse } from '../support/backscroll.ts';

const CALLERS = 200;

/** Resolves when so many requests have arrived at the route of messages. */
function arrivals(backscroll: Backscroll): { count: (wanted: number) => Promise<void> } {
  let seen = 0;
  let check = (): void => undefined;
  backscroll.app.http.server.on('request', () => {
    seen += 1;
    // The route's own hooks run in turns of the same tick; one more turn and the request waits for its read.
    setImmediate(() => check());
  });
  return {
    count: (wanted) =>
      new Promise((resolve) => {
        check = () => {
          if (seen >= wanted) resolve();
        };
        check();
      }),
  };
}

test('200 parallel equal requests on a cold cache are one read', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const arrived = arrivals(backscroll).count(CALLERS);
  const asking = Array.from({ length: CALLERS }, () => backscroll.get(messagesOf(1)));
  await Promise.all([gate.arrived, arrived]);
  gate.release();
  const answers = await Promise.all(asking);

  expect(readsOf(chatwoot)).toEqual([messagesOf(1)]);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(new Set(answers.map(({ body }) => body.toString()))).toEqual(new Set([chatwoot.table.body(1, 1, {})]));
  expect(new Set(answers.map(({ headers }) => headers['etag'])).size).toBe(1);
  const statuses = answers.map(({ headers }) => headers['cache-status']);
  expect(statuses.filter((status) => status === 'backscroll; fwd=miss; stored')).toHaveLength(1);
  expect(statuses.filter((status) => status === 'backscroll; fwd=miss; stored; collapsed')).toHaveLength(CALLERS - 1);
});

test('so are requests that spell the same question in other ways', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const spellings = ['?before=1010', '?before=%2B1010&page=2', '?before=1&before=1010', '?locale=fr&before=001010&after='];
  const arrived = arrivals(backscroll).count(spellings.length + 2);
  const asking = [
    ...spellings.map((search) => backscroll.get(messagesOf(2, search))),
    backscroll.get(`/${messagesOf(2)}.json/?before=1010`),
    backscroll.send({ method: 'HEAD', target: messagesOf(2, '?before=1010'), headers: [['authorization', `Bearer ${KEY}`]] }),
  ];
  await Promise.all([gate.arrived, arrived]);
  gate.release();
  expect(new Set((await Promise.all(asking)).map(({ headers }) => headers['etag'])).size).toBe(1);
  expect(readsOf(chatwoot)).toEqual([messagesOf(2, '?before=1010')]);
});

test('a failure is shared by all who waited, and the next request reads again', async () => {
  const { backscroll, chatwoot } = await startHouse();
  chatwoot.fault = () => ({ kind: 'status', status: 500 });
  const gate = chatwoot.hold('before-read');
  const arrived = arrivals(backscroll).count(20);
  const asking = Array.from({ length: 20 }, () => backscroll.get(messagesOf(1)));
  await Promise.all([gate.arrived, arrived]);
  gate.release();
  expect(new Set((await Promise.all(asking)).map(({ status }) => status))).toEqual(new Set([502]));
  expect(readsOf(chatwoot)).toHaveLength(1);
  chatwoot.fault = undefined;
  expect((await backscroll.get(messagesOf(1))).status).toBe(200);
  expect(readsOf(chatwoot)).toHaveLength(2);
});

test.each([['no-cache'], ['max-age=0'], ['private, NO-CACHE'], ['no-store'], ['max-age="0"']])(
  'those who ask for as of now (%s) while a read is under way share the next',
  async (directive) => {
    const { backscroll, chatwoot, clock } = await startHouse();
    const [first, second] = [chatwoot.hold(), chatwoot.hold()];
    const arriving = arrivals(backscroll);
    const early = backscroll.get(messagesOf(2));
    await first.arrived;
    const stale = chatwoot.table.body(1, 2, {});
    chatwoot.table.insert({ accountId: 1, conversationId: 2, content: 'written while the first read was under way' });
    clock.advance(5);

    const late = Array.from({ length: 10 }, () => backscroll.get(messagesOf(2), { 'cache-control': directive }));
    await arriving.count(11);
    expect(readsOf(chatwoot)).toHaveLength(1);
    first.release();
    expect((await early).body.toString()).toBe(stale);
    await second.arrived;
    second.release();
    const answers = await Promise.all(late);
    expect(new Set(answers.map(({ body }) => body.toString()))).toEqual(new Set([chatwoot.table.body(1, 2, {})]));
    expect(readsOf(chatwoot)).toHaveLength(2);
    const collapsed = answers.filter(({ headers }) => headers['cache-status']?.endsWith('; collapsed'));
    expect(collapsed).toHaveLength(9);
  },
);

test.each([
  ['pragma', 'no-cache', 2],
  ['cache-control', 'max-age=1', 1],
  ['cache-control', 'no-transform', 1],
  ['cache-control', '', 1],
])('%s: %s causes %i reads of a page that is known', async (name, value, reads) => {
  const { backscroll, chatwoot, clock } = await startHouse({ env: { TAIL_MAX_AGE: '1s' } });
  await backscroll.get(messagesOf(2));
  clock.advance(5);
  await backscroll.get(messagesOf(2), { [name]: value });
  expect(readsOf(chatwoot)).toHaveLength(reads);
});

test('as of now reads the newest page again and leaves proved history', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const { payload } = (await backscroll.get(messagesOf(1))).json() as { payload: { id: number }[] };
  const history = messagesOf(1, `?before=${payload[0]!.id}`);
  await backscroll.get(history);
  clock.advance(5);
  chatwoot.clearLog();
  await backscroll.get(messagesOf(1), { 'cache-control': 'no-cache' });
  await backscroll.app.readThrough.idle();
  expect(readsOf(chatwoot)).toHaveLength(1);
  const answer = await backscroll.get(history, { 'cache-control': 'no-cache' });
  // Its meta is as new as the newest page that was just read.
  expect(answer.headers['cache-status']).toMatch(/^backscroll; hit/);
});

test('a caller that goes away does not take the read with it', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const leaver = await openRequest(backscroll);
  await gate.arrived;
  const arrived = arrivals(backscroll).count(1);
  const staying = backscroll.get(messagesOf(1));
  await arrived;
  await leave(backscroll, leaver);
  gate.release();
  const answer = await staying;
  expect([answer.status, answer.headers['cache-status']]).toEqual([200, 'backscroll; fwd=miss; stored; collapsed']);
  expect(readsOf(chatwoot)).toHaveLength(1);
});

test('the last one leaving ends the read, and nothing of that is an error', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const leavers = [await openRequest(backscroll), await openRequest(backscroll)];
  await gate.arrived;
  for (const leaver of leavers) await leave(backscroll, leaver);
  await untilNothingIsInFlight(backscroll);
  gate.release();
  expect(await backscroll.metrics()).toContain('backscroll_upstream_answers_total{status="aborted"} 1');
  expect(backscroll.app.readThrough.size).toMatchObject({ inFlight: 0, conversations: 0 });
  expect((await backscroll.get(messagesOf(1))).headers['cache-status']).toBe('backscroll; fwd=miss; stored');
  expect(readsOf(chatwoot)).toHaveLength(2);
});

test('a caller that goes away is no unexpected error in the log', async () => {
  const { backscroll, chatwoot } = await startHouse();
  const gate = chatwoot.hold();
  const leaver = await openRequest(backscroll);
  await gate.arrived;
  await leave(backscroll, leaver);
  await untilNothingIsInFlight(backscroll);
  gate.release();
  const lines = backscroll.logs.map((line): { level: number; msg: string } => JSON.parse(line));
  expect(lines.filter(({ level }) => level >= 40)).toEqual([]);
  expect(lines.map(({ msg }) => msg)).toContain('the caller went away before its answer');
  expect(await backscroll.metrics()).not.toContain('status="500"');
});

/** A request on a connection of its own, which is cut by `leave`. */
async function openRequest(backscroll: Backscroll): Promise<Socket> {
  const arrived = once(backscroll.app.http.server, 'request');
  const socket = connect(backscroll.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(`GET ${messagesOf(1)} HTTP/1.1\r\nhost: x\r\napi_access_token: ${KEY}\r\n\r\n`);
  await arrived;
  return socket;
}

/** Cuts the connection, and resolves when Backscroll has noticed. */
async function leave(backscroll: Backscroll, socket: Socket): Promise<void> {
  const open = () =>
    new Promise<number>((resolve) => void backscroll.app.http.server.getConnections((_error, count) => resolve(count)));
  const before = await open();
  socket.destroy();
  await once(socket, 'close');
  while ((await open()) >= before) await turn();
}

/** Each of these turns is one of the event loop: what is awaited is under way already. */
async function untilNothingIsInFlight(backscroll: Backscroll): Promise<void> {
  while (backscroll.app.readThrough.size.inFlight > 0) await turn();
  await turn();
}

async function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

test('who comes while a read has been under way for longer than the newest page may be old shares the next', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  const gate = chatwoot.hold('after-read');
  const early = backscroll.get(messagesOf(1));
  await gate.arrived;
  const { id } = chatwoot.table.insert({ accountId: 1, conversationId: 1, content: 'written while it was read' });
  clock.advance(1001);
  const arrived = arrivals(backscroll).count(2);
  const late = [backscroll.get(messagesOf(1)), backscroll.get(messagesOf(1))];
  await arrived;
  gate.release();
  expect((await early).body.toString()).not.toContain('written while it was read');
  for (const answer of await Promise.all(late)) {
    expect(answer.headers['age']).toBe('0');
    expect(answer.body.toString()).toContain(`"id":${id}`);
  }
  expect(readsOf(chatwoot)).toHaveLength(2);
});

test('who comes for a page of settled rows shares the read that is under way, however long', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  await backscroll.get(messagesOf(1));
  const gate = chatwoot.hold('after-read');
  const early = backscroll.get(messagesOf(1, '?before=1200'));
  await gate.arrived;
  clock.advance(5000);
  const arrived = arrivals(backscroll).count(1);
  const late = backscroll.get(messagesOf(1, '?before=1200'));
  await arrived;
  gate.release();
  expect((await late).headers['age']).toBe('5');
  expect((await late).body).toEqual((await early).body);
  expect(readsOf(chatwoot)).toHaveLength(2);
});
