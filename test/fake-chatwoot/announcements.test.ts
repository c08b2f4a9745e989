// The fake announces its writes as a real Chatwoot does: the same events in the same order, on its cable and by its webhooks.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { listen } from '../upstream/house.ts';

interface Recorded {
  readonly name: string;
  readonly cable: readonly string[];
  readonly webhooks: readonly string[];
}

const RECORDED = gunzipSync(readFileSync(new URL('../recordings/events.ndjson.gz', import.meta.url)))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

function eventOf(frame: string): string | undefined {
  return (JSON.parse(frame) as { message?: { event?: string } }).message?.event;
}

/** A listener on the cable and a receiver of webhooks. */
async function listener() {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  const posted: string[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      posted.push(Buffer.concat(chunks).toString('utf8'));
      response.writeHead(200).end();
    });
  });
  const port = await listen(receiver);
  onTestFinished(() => void receiver.close());
  chatwoot.webhooks.register(1, `http://127.0.0.1:${port}/`);
  const frames: string[] = [];
  const socket = new WebSocket(`${chatwoot.url.replace('http', 'ws')}/cable`, 'actioncable-v1-json');
  onTestFinished(() => socket.terminate());
  const identifier = JSON.stringify({ channel: 'RoomChannel', pubsub_token: 'sample-pubsub-1', account_id: 1, user_id: 1 });
  await new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      frames.push(text);
      if (text.includes('"welcome"')) socket.send(JSON.stringify({ command: 'subscribe', identifier }));
      if (text.includes('presence.update')) resolve();
    });
  });
  const handshake = frames.splice(0);
  return { chatwoot, frames, posted, handshake, identifier };
}

test('The handshake is the recorded one', async () => {
  const { handshake } = await listener();
  const shape = (frames: readonly string[]): string[] =>
    frames.map((frame) => {
      const { type, message } = JSON.parse(frame) as { type?: string; message?: { event: string } };
      return type ?? message?.event ?? '';
    });
  expect(shape(handshake)).toEqual(shape(RECORDED.find(({ name }) => name === 'cable-handshake')!.cable));
});

const WRITES: readonly [string, (chatwoot: FakeChatwoot) => void][] = [
  ['message-incoming-first', ({ table }) => table.insert({ accountId: 1, conversationId: 2 })],
  ['message-private-note', ({ table }) => table.insert({ accountId: 1, conversationId: 2, messageType: 1, private: true })],
  ['message-activity', ({ table }) => table.insert({ accountId: 1, conversationId: 2, messageType: 2 })],
  ['message-bot', ({ table }) => table.insert({ accountId: 1, conversationId: 2, messageType: 1 })],
  [
    'burst-of-five',
    ({ table }) => {
      for (let index = 0; index < 5; index++) table.insert({ accountId: 1, conversationId: 2 });
    },
  ],
  [
    'content-edited',
    ({ table }) => table.edit(table.rows(1, 2).findLast(({ messageType }) => messageType < 2)!.id, { content: 'x' }),
  ],
  ['soft-delete-old-row', ({ table }) => table.softDelete(table.rows(1, 2).find(({ messageType }) => messageType < 2)!.id)],
  [
    'activity-edited',
    ({ table }) => table.edit(table.rows(1, 1).find(({ messageType }) => messageType === 2)!.id, { content: 'x' }),
  ],
  ['status-same-again', ({ table }) => table.edit(table.rows(1, 2)[0]!.id, {})],
  ['attachment-added-later', ({ table }) => table.edit(table.rows(1, 2)[0]!.id, { attachments: [{ id: 1 }] })],
  ['agent-renamed', ({ table }) => table.edit(table.rows(1, 2)[0]!.id, { sender: { id: 1, name: 'Other' } })],
  ['labels-automation', ({ table }) => table.changeMeta(1, 2, { labels: ['new'] })],
  ['last-seen', ({ table }) => table.changeMeta(1, 2, { agent_last_seen_at: '2026-01-01T00:00:00.000Z' })],
  [
    'additional-attributes-language',
    ({ table }) => table.changeMeta(1, 2, { additional_attributes: { conversation_language: 'fr' } }),
  ],
  ['contact-renamed', ({ table }) => table.changeMeta(1, 2, { contact: { id: 2, name: 'Olivia' } })],
  [
    'assignee-set',
    ({ table }) => {
      table.changeMeta(1, 3, { assignee: { id: 1, name: 'Ada Reyes' } });
      table.insert({ accountId: 1, conversationId: 3, messageType: 2 });
    },
  ],
  [
    'status-resolved',
    (chatwoot) => {
      chatwoot.changeStatus(1, 2);
      chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 2 });
    },
  ],
  ['label-renamed', (chatwoot) => chatwoot.renameLabel(1, 'shipping', 'sending', [2])],
  ['conversation-deleted', ({ table }) => table.removeConversation(1, 2)],
];

test.each(WRITES)('%s', async (name, write) => {
  const { chatwoot, frames, posted, identifier } = await listener();
  const recorded = RECORDED.find((one) => one.name === name)!;
  write(chatwoot);
  // Whatever comes before this has come.
  chatwoot.cable.sendRaw('"end"');
  await expect.poll(() => frames.at(-1)).toBe('"end"');
  await chatwoot.webhooks.settled();
  const heard = frames.filter((frame) => frame.startsWith('{"identifier"'));
  expect(heard.map(eventOf)).toEqual(recorded.cable.map(eventOf));
  expect(heard.every((frame) => (JSON.parse(frame) as { identifier: string }).identifier === identifier)).toBe(true);
  const names = (bodies: readonly string[]): string[] => bodies.map((body) => (JSON.parse(body) as { event: string }).event);
  expect(names(posted)).toEqual(names(recorded.webhooks));
});

test('Frames and posts are dropped, doubled, held and turned around as a test wants it', async () => {
  const { chatwoot, frames } = await listener();
  const { delivery } = chatwoot.cable;
  const ids = (): number[] =>
    frames.flatMap((frame) => {
      const { message } = JSON.parse(frame) as { message?: { event: string; data: { id: number } } };
      return message?.event === 'message.created' ? [message.data.id] : [];
    });
  const insert = (): number => chatwoot.table.insert({ accountId: 1, conversationId: 2, messageType: 1 }).id;
  delivery.drop = () => true;
  insert();
  delivery.drop = undefined;
  delivery.doubles = true;
  const doubled = insert();
  delivery.doubles = false;
  delivery.hold();
  const [first, second] = [insert(), insert()];
  expect(delivery.held).toBe(2);
  delivery.release('reversed');
  await expect.poll(() => ids().length).toBe(4);
  expect(ids()).toEqual([doubled, doubled, second, first]);
});
