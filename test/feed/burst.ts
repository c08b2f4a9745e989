// A Chatwoot in another process that sends many events at once: sent from this one, the sending would be what is measured.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const PROGRAM = String.raw`
const { createServer } = require('node:http');
const size = JSON.parse(process.argv[1]);
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
process.on('message', () => {
  const updated_at = new Date().toISOString();
  const content = 'x'.repeat(size.bytes);
  for (let id = 1; id <= size.events; id++) {
    const data = { id, conversation_id: 1 + (id % 5), account_id: 1, updated_at, content };
    socket.send(JSON.stringify({ identifier, message: { event: 'message.created', data } }));
  }
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
`;

/** Starts it; it ends with the test. `send` has it send all of them to whoever subscribed. */
export async function startBurst(size: { readonly events: number; readonly bytes: number }): Promise<{
  readonly port: number;
  send(): void;
}> {
  const child = spawn(process.execPath, ['-e', PROGRAM, JSON.stringify(size)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill());
  const [port] = (await once(child, 'message')) as [number];
  return { port, send: () => void child.send('send') };
}
