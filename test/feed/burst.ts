// A Chatwoot in another thread that sends many events at once: sent from this one, the sending would be what is measured.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';

const PROGRAM = String.raw`
const { createServer } = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');
const { WebSocketServer } = require('ws');
const profile = '{"id":1,"pubsub_token":"p","accounts":[{"id":1,"role":"administrator"}]}';
const server = createServer((request, response) => {
  response.setHeader('x-request-id', request.headers['x-request-id']);
  response.setHeader('content-type', 'application/json').end(profile);
});
const sockets = new WebSocketServer({ server });
let identifier;
let socket;
sockets.on('connection', (opened) => {
  socket = opened;
  socket.send('{"type":"welcome"}');
  const timer = setInterval(() => socket.send('{"type":"ping","message":1}'), 20);
  socket.on('close', () => clearInterval(timer));
  socket.on('message', (text) => {
    const command = JSON.parse(text);
    identifier = command.identifier;
    if (command.command === 'subscribe') socket.send(JSON.stringify({ identifier, type: 'confirm_subscription' }));
    socket.send(JSON.stringify({ identifier, message: { event: 'presence.update', data: { account_id: 1 } } }));
  });
});
parentPort.on('message', () => {
  const updated_at = new Date().toISOString();
  const content = 'x'.repeat(workerData.bytes);
  for (let id = 1; id <= workerData.events; id++) {
    const data = { id, conversation_id: 1 + (id % 5), account_id: 1, updated_at, content };
    socket.send(JSON.stringify({ identifier, message: { event: 'message.created', data } }));
  }
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** Starts it; it ends with the test. `send` has it send all of them to whoever subscribed. */
export async function startBurst(size: { readonly events: number; readonly bytes: number }): Promise<{
  readonly port: number;
  send(): void;
}> {
  const worker = new Worker(PROGRAM, { eval: true, workerData: size });
  onTestFinished(async () => void (await worker.terminate()));
  const [port] = (await once(worker, 'message')) as [number];
  return { port, send: () => worker.postMessage('send', []) };
}
