// Interim answers that nobody asked for, in every piece that a network may cut them into.

import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { client, closing, CONVERSATION, LATEST, listen, PAGE } from './house.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
// A row that reads like the beginning of a head, at the beginning of a piece.
const BODY = PAGE.replace('"labels":[]', '"labels":["HTTP/1.1 100 Continue\\r\\n\\r\\n"]');
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`;
const IN_BODY = BODY.indexOf('HTTP/1.1');

async function readOf(pieces: readonly string[]) {
  const server = createServer((socket) => {
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', () => {
      // One at a time, so that each arrives by itself.
      let sending = Promise.resolve();
      for (const piece of pieces) {
        sending = sending.then(() => new Promise((resolve) => void socket.write(piece, () => setTimeout(resolve, 5))));
      }
    });
  });
  const port = await listen(server);
  const { upstream } = client(port);
  closing.unshift(() => new Promise((resolve) => server.close(resolve)));
  const answers = [await upstream.read(CONVERSATION, LATEST), await upstream.read(CONVERSATION, LATEST)];
  return answers.map((answer) => (answer.kind === 'reading' ? answer.reading.envelope.head : answer.kind));
}

it.each<[string, readonly string[]]>([
  ['none', [ANSWER + BODY]],
  ['one, before the answer', [CONTINUE, ANSWER + BODY]],
  ['one, with the answer', [CONTINUE + ANSWER + BODY]],
  ['two', [CONTINUE + CONTINUE, ANSWER, BODY]],
  ['one, cut within its first line', [CONTINUE.slice(0, 5), CONTINUE.slice(5) + ANSWER + BODY]],
  ['one, cut behind its first line', [CONTINUE.slice(0, 15), CONTINUE.slice(15), ANSWER + BODY]],
  ['one behind another interim answer', [`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${CONTINUE}`, ANSWER + BODY]],
  ['two, the first of which is cut', [CONTINUE.slice(0, 18), CONTINUE.slice(18) + CONTINUE, ANSWER + BODY]],
  ['none, with a body that is cut where it looks like one', [ANSWER + BODY.slice(0, IN_BODY), BODY.slice(IN_BODY)]],
])('%s: the answer is read as it is', async (_what, pieces) => {
  const head = BODY.slice(0, BODY.indexOf('[{') + 1);
  expect(await readOf(pieces)).toEqual([head, head]);
});
