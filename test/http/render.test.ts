// Rendered pages: made once, kept within their share, and gone with what they were made of.

import { expect, test } from 'vitest';
import { Renderer, type Asker, type Subject } from '../../src/http/render.ts';
import type { Row } from '../../src/timeline/reading.ts';
import type { Backscroll } from '../support/backscroll.ts';
import { messagesOf, startHouse } from '../support/backscroll.ts';

const ADMIN_KEY = 'admin-key-of-the-tests';

async function bytesHeld(backscroll: Backscroll): Promise<number> {
  return Number(/^backscroll_cache_bytes (\d+)$/m.exec(await backscroll.metrics())?.[1]);
}

test('when Chatwoot says that a conversation is not there, nothing of it is held any more', async () => {
  const { backscroll, chatwoot, clock } = await startHouse();
  await backscroll.get(messagesOf(2));
  await backscroll.get(messagesOf(2, '?after=0'));
  expect(await bytesHeld(backscroll)).toBeGreaterThan(1000);
  clock.advance(2000);
  chatwoot.table.removeConversation(1, 2);
  expect((await backscroll.get(messagesOf(2))).status).toBe(404);
  expect(await bytesHeld(backscroll)).toBe(0);
});

test('a purge takes the pages of its conversations and leaves those of others', async () => {
  const { backscroll } = await startHouse({ env: { ADMIN_KEYS: `ops=${ADMIN_KEY}` } });
  const purge = async (search: string) =>
    backscroll.send({ method: 'DELETE', target: `/admin/cache${search}`, headers: [['api_access_token', ADMIN_KEY]] });
  await backscroll.get(messagesOf(2));
  const alone = await bytesHeld(backscroll);
  await backscroll.get(messagesOf(3));
  await purge('?account=1&conversation=3');
  expect(await bytesHeld(backscroll)).toBe(alone);
  await purge('?account=2');
  expect(await bytesHeld(backscroll)).toBe(alone);
  await purge('?account=1');
  expect(await bytesHeld(backscroll)).toBe(0);
});

test('a page that was read before its conversation was forgotten is shown, and not kept', async () => {
  const { backscroll, chatwoot } = await startHouse({ env: { ADMIN_KEYS: `ops=${ADMIN_KEY}` } });
  const gate = chatwoot.hold('after-read');
  const answer = backscroll.get(messagesOf(2));
  await gate.arrived;
  await backscroll.send({ method: 'DELETE', target: '/admin/cache', headers: [['api_access_token', ADMIN_KEY]] });
  gate.release();
  expect((await answer).status).toBe(200);
  expect(await bytesHeld(backscroll)).toBe(0);
});

const ENVELOPE = { head: '{"meta":{},"payload":[', tail: ']}' };
const pageOf = (raw: string) => ({ rows: [{ id: 1, createdAt: 1, internal: false, raw } satisfies Row], envelope: ENVELOPE });
const ASKER: Asker = { reader: 'one', mayHave: () => true };
const subject = (conversationId: number, query = 'latest'): Subject => ({
  conversation: { accountId: 1, conversationId },
  query,
  view: 'agent',
  forgets: 0,
});

test('pages are rendered once and kept within their share', () => {
  const renderer = new Renderer(10_000);
  const page = pageOf('x'.repeat(3000));
  const { body } = renderer.render(subject(1), page);
  expect(renderer.render(subject(1), page).body === body).toBe(true);
  expect(renderer.render(subject(1, 'before 5'), page).body === body).toBe(false);
  for (let id = 2; id < 50; id++) renderer.render(subject(id), page);
  expect(renderer.bytes).toBeGreaterThan(6000);
  expect(renderer.bytes).toBeLessThanOrEqual(10_000);
  renderer.forget({ accountId: 1 });
  expect(renderer.bytes).toBe(0);
});

test('a page beyond its share is rendered, not kept, and what was kept in its place is gone', () => {
  const renderer = new Renderer(10_000);
  renderer.render(subject(1), pageOf('x'));
  expect(renderer.render(subject(1), pageOf('y'.repeat(20_000))).body.length).toBeGreaterThan(20_000);
  expect(renderer.bytes).toBe(0);
  renderer.forget({ accountId: 1, conversationId: 1 });
  expect(renderer.bytes).toBe(0);
});

test('a large page is rendered in turns, once for all who ask for it, and like any other', async () => {
  const renderer = new Renderer(10_000_000);
  const raw = JSON.stringify('x'.repeat(2_000_000));
  const page = pageOf(raw);
  const [first, second] = [
    renderer.renderInTurns(subject(1), page, ASKER),
    renderer.renderInTurns(subject(1), pageOf(raw), ASKER),
  ];
  expect(first).toBeInstanceOf(Promise);
  expect(second).toBe(first);
  const other = renderer.renderInTurns(subject(1), pageOf(`${raw} `), ASKER);
  expect(other).not.toBe(first);
  const { body, etag } = (await first)!;
  expect({ body: body.toString(), etag }).toEqual({
    body: `${ENVELOPE.head}${raw}${ENVELOPE.tail}`,
    etag: new Renderer(1).render(subject(1), page).etag,
  });
  expect((await other)!.body.length).toBe(body.length + 1);
  // Whichever was made last is kept.
  expect(renderer.renderInTurns(subject(1), pageOf(`${raw} `), ASKER)).not.toBeInstanceOf(Promise);
});

test('a large page whose conversation is forgotten while it is rendered is not kept', async () => {
  const renderer = new Renderer(10_000_000);
  const rendered = renderer.renderInTurns(subject(1), pageOf('x'.repeat(2_000_000)), ASKER);
  renderer.forget({ accountId: 1, conversationId: 1 });
  expect((await rendered)!.body.length).toBeGreaterThan(2_000_000);
  expect(renderer.bytes).toBe(0);
});

test('large pages are rendered one after the other, each only if somebody who asked may still have it', async () => {
  const renderer = new Renderer(1);
  const room = { left: 1 };
  const asked = [1, 2, 3].map(async (conversation) => {
    const asker = { reader: 'one', mayHave: () => room.left > 0 };
    const rendered = await renderer.renderInTurns(subject(conversation), pageOf('x'.repeat(2_000_000)), asker);
    if (rendered !== null) room.left--;
    return rendered !== null;
  });
  expect(await Promise.all(asked)).toEqual([true, false, false]);
  // Of several who ask for one page, it is enough that one may.
  const one = [false, true].map(async (may) =>
    renderer.renderInTurns(subject(4), pageOf('x'.repeat(2_000_000)), { reader: 'one', mayHave: () => may }),
  );
  expect((await Promise.all(one)).map((rendered) => rendered !== null)).toEqual([true, true]);
});

test('large pages are rendered in turn by reader: nobody waits for all that another has asked for', async () => {
  const renderer = new Renderer(1);
  const order: string[] = [];
  const ask = async (conversation: number, reader: string): Promise<void> => {
    await renderer.renderInTurns(subject(conversation), pageOf('x'.repeat(200_000)), { reader, mayHave: () => true });
    order.push(`${reader} ${conversation}`);
  };
  const asked = [1, 2, 3, 4].map(async (conversation) => ask(conversation, 'hungry'));
  asked.push(ask(5, 'modest'));
  // It wants one for which another waits already.
  asked.push(ask(4, 'third'));
  await Promise.all(asked);
  expect(order).toEqual(['hungry 1', 'modest 5', 'hungry 4', 'third 4', 'hungry 2', 'hungry 3']);
});

test('a page for customers, which takes longer to make, is large sooner', () => {
  const page = pageOf(`{"id":1,"message_type":0,"private":false,"content":"${'x'.repeat(30_000)}"}`);
  const renderer = new Renderer(10_000_000);
  expect(renderer.renderNow({ ...subject(1), view: 'customer' }, page)).toBeNull();
  expect(renderer.renderNow(subject(1), page)).not.toBeNull();
});

test('a large page that cannot be rendered fails for all who wait for it, and is tried anew', async () => {
  const renderer = new Renderer(10_000_000);
  const broken = { ...pageOf('x'.repeat(2_000_000)), envelope: { head: 'no JSON', tail: ']}' } };
  const asked = { ...subject(1), view: 'customer' } as const;
  const both = [0, 1].map(async () => renderer.renderInTurns(asked, broken, ASKER));
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(renderer.renderInTurns(asked, broken, ASKER)).rejects.toThrow();
});

test('a small page holds no more memory than its bytes', () => {
  const { body } = new Renderer(10_000).render(subject(1), pageOf('x'.repeat(1000)));
  expect(body.buffer.byteLength).toBe(body.length);
});

test('the bytes that a page was cut from are what agents get, and nothing of them what customers get', () => {
  const renderer = new Renderer(1_000_000);
  const body = Buffer.from('{"meta":{},"payload":[{"id":1}]}');
  const page = { ...pageOf('{"id":1}'), body };
  expect(renderer.render(subject(1), page).body).toBe(body);
  const shown = renderer.render({ ...subject(2), view: 'customer' }, { ...page, body: Buffer.from('all that agents see') });
  expect(shown.body.toString()).not.toContain('agents');
});
