// Callers that ask and do not take their answers: what they hold is bounded, others do not notice, and the end does not wait.

import { expect, onTestFinished, test, vi } from 'vitest';
import { Renderer, type Asker } from '../../src/http/render.ts';
import { messagesOf, readsOf, startHouse, type Backscroll, type BackscrollOptions } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { reluctantCaller, type ReluctantCaller } from '../support/reluctant-caller.ts';

const MEBIBYTE = 1024 * 1024;
const KEYS = { hostile: 'key-of-the-hostile-client', honest: 'key-of-the-honest-client', widget: 'key-of-a-widget' };
const CLIENTS = [
  { name: 'hostile', key: KEYS.hostile },
  { name: 'honest', key: KEYS.honest },
  { name: 'widget', key: KEYS.widget, view: 'customer' },
] as const;
/** One page of it is more than the system takes of a connection that nobody reads. */
const LARGE = 20;
const PAGE = messagesOf(LARGE, '?after=1&before=900000');

test('a client that leaves too much unread is told so before anything is read for it; another is not', async () => {
  const { backscroll, chatwoot } = await startLarge();
  await leaveUnread(backscroll, 1);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(MEBIBYTE));

  chatwoot.clearLog();
  const refused = await as(KEYS.hostile, backscroll, messagesOf(3));
  expect(refused).toMatchObject({ status: 503, code: 'overloaded' });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(readsOf(chatwoot)).toEqual([]);
  expect((await as(KEYS.honest, backscroll, messagesOf(3))).status).toBe(200);
});

test('all together leave too much unread: everybody is told so, health is still told, and it passes with them', async () => {
  const { backscroll } = await startLarge({ UNREAD_MEMORY: '8mb' });
  const [caller] = await leaveUnread(backscroll, 1);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(8 * MEBIBYTE));
  const refused = await as(KEYS.honest, backscroll, messagesOf(3));
  expect(refused).toMatchObject({ status: 503, code: 'overloaded' });
  expect((await backscroll.get('/healthz')).status).toBe(200);

  caller!.socket.destroy();
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
  expect((await as(KEYS.honest, backscroll, messagesOf(3))).status).toBe(200);
});

test('requests on one connection, none of whose answers is taken: they hold little more than a client may', async () => {
  const { backscroll } = await startLarge({ UNREAD_MEMORY: '16mb' });
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const caller = reluctantCaller(backscroll.port, KEYS.hostile);
  caller.ask(...Array.from({ length: 60 }, () => PAGE));
  await isCut(backscroll, 'full');
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
});

test('answers that wait behind others on a connection are no more counted when it is lost', async () => {
  const { backscroll } = await startLarge({ UNREAD_MEMORY: '80mb' });
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const caller = reluctantCaller(backscroll.port, KEYS.hostile);
  caller.ask(...Array.from({ length: 5 }, () => PAGE));
  // The body is there once; what each answer takes beside it tells that all five wait.
  const body = Buffer.byteLength((await as(KEYS.honest, backscroll, PAGE)).body);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(body + 5 * 1024));
  caller.socket.destroy();
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
});

test('many who wait for one large read all get their answer', async () => {
  // A client may leave one of them unread.
  const { backscroll, chatwoot } = await startLarge({ UNREAD_MEMORY: '80mb' });
  const gate = chatwoot.hold();
  const asked = Array.from({ length: 8 }, async () => as(KEYS.honest, backscroll, PAGE));
  await gate.arrived;
  // All have come before the answer.
  await vi.waitFor(async () => expect(await metricOf(backscroll, 'backscroll_connections')).toBe(9));
  gate.release();
  const answers = await Promise.all(asked);
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.length}`))).toEqual(
    new Set([`200 ${Buffer.byteLength(chatwoot.table.body(1, LARGE, { after: 1, before: 900_000 }))}`]),
  );
  expect(await metricOf(backscroll, 'backscroll_unread_cut_total{reason="full"}')).toBe(0);
});

test('many who ask at once for one large page that is known all get it: what it is made of is there once', async () => {
  const { backscroll } = await startLarge({ UNREAD_MEMORY: '80mb' });
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const known = messagesOf(LARGE, '?after=2&before=900000');
  const answers = await Promise.all(Array.from({ length: 8 }, async () => as(KEYS.honest, backscroll, known)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
});

/** Large pages wait for their turn until `goOn`; when it came, there was no room for them. */
function holdTurns() {
  let end = (): void => undefined;
  const turn = new Promise<void>((resolve) => (end = resolve));
  const renderInTurns = vi.spyOn(Renderer.prototype, 'renderInTurns').mockImplementation(async () => {
    await turn;
    return null;
  });
  const goOn = (): void => {
    renderInTurns.mockRestore();
    end();
  };
  onTestFinished(goOn);
  return { renderInTurns, goOn };
}

test('a large page that waits to be made counts as what its client leaves, and another is served meanwhile', async () => {
  const { backscroll } = await startLarge();
  const { renderInTurns, goOn } = holdTurns();
  const waiting = as(KEYS.hostile, backscroll, PAGE);
  await vi.waitFor(() => expect(renderInTurns).toHaveBeenCalledTimes(1));
  expect(await unreadOf(backscroll)).toBeGreaterThan(16 * MEBIBYTE);
  expect(await as(KEYS.hostile, backscroll, messagesOf(3))).toMatchObject({ status: 503, code: 'overloaded' });
  expect((await as(KEYS.honest, backscroll, messagesOf(3))).status).toBe(200);
  goOn();
  // Its turn came when there was no room for it, and now there is.
  expect((await waiting).status).toBe(200);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
});

test('a page that waits to be made for a customer counts with the bytes that it was cut from: they are held, too', async () => {
  const { backscroll, chatwoot } = await startHouse({ clients: CLIENTS });
  chatwoot.table.addConversation(1, LARGE);
  for (let nth = 0; nth < 20; nth++) {
    chatwoot.table.insert({ accountId: 1, conversationId: LARGE, content: 'x'.repeat(2000) });
  }
  const { renderInTurns, goOn } = holdTurns();
  const waiting = as(KEYS.widget, backscroll, messagesOf(LARGE));
  await vi.waitFor(() => expect(renderInTurns).toHaveBeenCalledTimes(1));
  const { body, rows } = renderInTurns.mock.calls[0]![1];
  expect(await unreadOf(backscroll)).toBeGreaterThan(rows.reduce((sum, { raw }) => sum + raw.length, body!.length));
  goOn();
  expect((await waiting).status).toBe(200);
});

test('a large page of what is known is made of what is there anyway: while it waits it counts little', async () => {
  const { backscroll } = await startLarge();
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const { renderInTurns, goOn } = holdTurns();
  const waiting = as(KEYS.hostile, backscroll, messagesOf(LARGE, '?after=2&before=900000'));
  await vi.waitFor(() => expect(renderInTurns).toHaveBeenCalledTimes(1));
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeLessThan(MEBIBYTE / 4));
  expect(await unreadOf(backscroll)).toBeGreaterThan(1000);
  goOn();
  expect((await waiting).status).toBe(200);
});

test('no large page is made for a caller that has left, be it that its answer waits behind another', async () => {
  const { backscroll, chatwoot } = await startLarge();
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const askers: Asker[] = [];
  let goOn = (): void => undefined;
  const turn = new Promise<void>((resolve) => (goOn = resolve));
  const renderInTurns = vi.spyOn(Renderer.prototype, 'renderInTurns').mockImplementation(async (_subject, _page, asker) => {
    askers.push(asker);
    await turn;
    return null;
  });
  onTestFinished(() => renderInTurns.mockRestore());
  const gate = chatwoot.hold('before-read', ({ path }) => path === messagesOf(3));
  const caller = reluctantCaller(backscroll.port, KEYS.hostile);
  caller.ask(messagesOf(3), messagesOf(LARGE, '?after=2&before=900000'));
  await vi.waitFor(() => expect(askers).toHaveLength(1));
  expect(askers[0]!.mayHave()).toBe(true);
  caller.socket.destroy();
  await vi.waitFor(() => expect(askers[0]!.mayHave()).toBe(false));
  goOn();
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
  gate.release();
  expect(askers).toHaveLength(1);
});

test('callers that leave while their large pages wait for their turn keep nothing busy', async () => {
  const { backscroll } = await startLarge();
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const callers = Array.from({ length: 8 }, () => reluctantCaller(backscroll.port, KEYS.hostile));
  callers.forEach((caller, n) => caller.ask(messagesOf(LARGE, `?after=${2 + n}&before=900000`)));
  await new Promise((resolve) => void callers[0]!.socket.once('readable', () => resolve(undefined)));
  for (const { socket } of callers) socket.destroy();
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBe(0));
  expect((await as(KEYS.honest, backscroll, PAGE)).status).toBe(200);
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(250);
});

test('an answer of which nothing is taken is cut after a while', async () => {
  const { backscroll } = await startLarge({ UNREAD_TIMEOUT: '1s' });
  await leaveUnread(backscroll, 1);
  await isCut(backscroll, 'stalled');
  expect(await unreadOf(backscroll)).toBe(0);
});

test('an answer of which a byte now and then is taken is cut, too', async () => {
  const { backscroll } = await startLarge({ UNREAD_TIMEOUT: '1s' });
  const [caller] = await leaveUnread(backscroll, 1);
  const timer = setInterval(() => caller!.socket.read(1), 50);
  onTestFinished(() => clearInterval(timer));
  await isCut(backscroll, 'stalled');
});

test('an answer that is taken slowly arrives', async () => {
  const { backscroll } = await startLarge({ UNREAD_TIMEOUT: '1s' });
  const whole = await as(KEYS.honest, backscroll, PAGE);
  const [caller] = await leaveUnread(backscroll, 1);
  const { socket } = caller!;
  const chunks: Buffer[] = [];
  let length = 0;
  // Slower than the answer could be sent, and over a longer time than nothing may be taken for.
  const perTick = Math.ceil(whole.body.length / 50);
  while (length < whole.body.length) {
    const chunk: Buffer | null = socket.read(Math.min(perTick, Math.max(1, socket.readableLength)));
    if (chunk !== null) {
      chunks.push(chunk);
      length += chunk.length;
    }
    if (socket.destroyed) break;
    // oxlint-disable-next-line no-await-in-loop -- slowly
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(length).toBeGreaterThanOrEqual(whole.body.length);
  expect(await metricOf(backscroll, 'backscroll_unread_cut_total{reason="stalled"}')).toBe(0);
});

test('answers that wait behind one that Chatwoot has not given yet are not cut', async () => {
  const { backscroll, chatwoot } = await startLarge({ UNREAD_TIMEOUT: '1s', UPSTREAM_TIMEOUT: '20s' });
  expect((await as(KEYS.honest, backscroll, messagesOf(2))).status).toBe(200);
  const gate = chatwoot.hold();
  const caller = reluctantCaller(backscroll.port, KEYS.hostile);
  caller.ask(messagesOf(3), messagesOf(2));
  await gate.arrived;
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(0));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  gate.release();
  let text = '';
  caller.socket
    .setEncoding('utf8')
    .on('data', (part: string) => (text += part))
    .resume();
  await vi.waitFor(() => expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2));
});

test('what strangers do not take is bounded for all of them together, and no client notices', async () => {
  const { backscroll } = await startLarge({ UNREAD_MEMORY: '1mb' });
  const strangers = [reluctantCaller(backscroll.port), reluctantCaller(backscroll.port)];
  for (const stranger of strangers) stranger.ask(...Array.from({ length: 300 }, () => '/metrics'));
  await isCut(backscroll, 'full');
  expect(await unreadOf(backscroll)).toBeLessThan(MEBIBYTE / 2);
  expect((await as(KEYS.honest, backscroll, messagesOf(3))).status).toBe(200);
});

test('many strangers, each of whom leaves one answer, hold no more than one client may, and no client notices', async () => {
  const { backscroll, chatwoot } = await startLarge({ UNREAD_MEMORY: '1mb', UPSTREAM_TIMEOUT: '30s' });
  // One read is under way, and all who come meanwhile share the next.
  const gates = [1, 2].map(() => chatwoot.hold('before-read', ({ path }) => path === messagesOf(3)));
  for (let nth = 0; nth < 50; nth++) {
    const stranger = reluctantCaller(backscroll.port, KEYS.hostile);
    // However little waits behind an answer that is not there yet, it is not taken.
    stranger.ask(messagesOf(3));
    stranger.socket.write(`GET /metrics HTTP/1.1\r\nhost: x\r\napi_access_token: ${nth}${'x'.repeat(12_000)}\r\n\r\n`);
  }
  // Some ten of them fill it.
  const cut = 'backscroll_unread_cut_total{reason="full"}';
  await vi.waitFor(async () => expect(await metricOf(backscroll, cut)).toBeGreaterThan(35), 5000);
  expect(await unreadOf(backscroll)).toBeLessThan(MEBIBYTE / 3);
  expect((await as(KEYS.honest, backscroll, messagesOf(2))).status).toBe(200);
  for (const gate of gates) gate.release();
});

test('the end does not wait for callers that take nothing', async () => {
  const { backscroll } = await startLarge({ SHUTDOWN_TIMEOUT: '20s' });
  await leaveUnread(backscroll, 1);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(MEBIBYTE));
  const startedAt = performance.now();
  await backscroll.app.close();
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

test('the end does not wait longer than SHUTDOWN_TIMEOUT for a caller that takes its answer slowly', async () => {
  const { backscroll } = await startLarge({ SHUTDOWN_TIMEOUT: '3s', UNREAD_TIMEOUT: '10m' });
  const [caller] = await leaveUnread(backscroll, 1);
  await vi.waitFor(async () => expect(await unreadOf(backscroll)).toBeGreaterThan(MEBIBYTE));
  const timer = setInterval(() => caller!.socket.read(Math.min(100_000, caller!.socket.readableLength) || 1), 50);
  onTestFinished(() => clearInterval(timer));
  const startedAt = performance.now();
  await backscroll.app.close();
  expect(performance.now() - startedAt).toBeLessThan(3000);
});

/** A house with a conversation of large messages. A client may leave a quarter of a mebibyte unread where nothing else is said. */
async function startLarge(
  env: BackscrollOptions['env'] = {},
): Promise<{ readonly backscroll: Backscroll; readonly chatwoot: FakeChatwoot }> {
  const { backscroll, chatwoot } = await startHouse({ clients: CLIENTS, env: { UNREAD_MEMORY: '64mb', ...env } });
  chatwoot.table.addConversation(1, LARGE);
  for (let nth = 0; nth < 300; nth++) {
    chatwoot.table.insert({ accountId: 1, conversationId: LARGE, content: 'x'.repeat(60_000) });
  }
  return { backscroll, chatwoot };
}

async function leaveUnread({ port }: Backscroll, callers: number): Promise<readonly ReluctantCaller[]> {
  const all = Array.from({ length: callers }, () => reluctantCaller(port, KEYS.hostile));
  for (const caller of all) caller.ask(PAGE);
  await Promise.all(all.map(({ socket }) => new Promise((resolve) => void socket.once('readable', () => resolve(undefined)))));
  return all;
}

const as = async (key: string, backscroll: Backscroll, target: string) =>
  backscroll.send({ target, headers: [['api_access_token', key]] });

const unreadOf = async (backscroll: Backscroll): Promise<number> => metricOf(backscroll, 'backscroll_unread_bytes');

/** Resolves when a connection has been cut for that reason. */
async function isCut(backscroll: Backscroll, reason: string): Promise<void> {
  const name = `backscroll_unread_cut_total{reason="${reason}"}`;
  await vi.waitFor(async () => expect(await metricOf(backscroll, name)).toBeGreaterThan(0), 15_000);
}

async function metricOf(backscroll: Backscroll, name: string): Promise<number> {
  const line = (await backscroll.metrics()).split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
