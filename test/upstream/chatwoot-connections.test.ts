import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AnswerCut } from '../../src/upstream/map-broken-exchange.ts';
import {
  answer,
  client,
  closing,
  CONVERSATION,
  failure,
  house,
  JSON_TYPE,
  LATEST,
  listen,
  PAGE,
  startServer,
  TOKEN,
} from './house.ts';

describe('connections that fail', () => {
  it('says that nothing listens', async () => {
    const { server, port } = await startServer(() => {});
    await new Promise((resolve) => {
      server.close(resolve);
    });
    const { upstream, events } = client(port);
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error).toMatchObject({ code: 'upstream_unreachable', status: 502 });
    expect(error.message).toContain('ECONNREFUSED');
    expect(events.map(({ status }) => status)).toEqual(['unreachable']);
  });

  it('says that the host name is not found', async () => {
    const { upstream } = client(80, { baseUrl: new URL('http://nowhere.invalid') });
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error).toMatchObject({ code: 'upstream_unreachable' });
    expect(error.message).toMatch(/host name/);
    expect(error.message).not.toContain('nowhere');
  });

  it.each([
    ['a close before the answer', 'upstream_unreachable', (response: ServerResponse) => response.socket?.end()],
    ['a reset before the answer', 'upstream_unreachable', (response: ServerResponse) => response.socket?.resetAndDestroy()],
    [
      'a body that ends with the connection, too early',
      'upstream_invalid',
      (response: ServerResponse) => {
        response.socket?.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n${PAGE.slice(0, 60)}`);
      },
    ],
    [
      'something that is not HTTP',
      'upstream_invalid',
      (response: ServerResponse) => response.socket?.end('SSH-2.0-OpenSSH_9.9\r\n'),
    ],
    [
      'headers without end',
      'upstream_invalid',
      (response: ServerResponse) => response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`),
    ],
  ])('maps %s to %s', async (_name, code, act) => {
    const { upstream } = await house((_request, response) => {
      act(response);
    });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code });
  });

  const announced = String(PAGE.length + 1);
  const cuts: [name: string, headers: Record<string, string>][] = [
    ['of known length', { 'content-length': announced }],
    ['of known length, the last of its connection', { 'content-length': announced, connection: 'close' }],
    ['in chunks', {}],
    ['in chunks, the last of its connection', { connection: 'close' }],
  ];
  it.each(
    cuts.flatMap(([name, headers]) => [
      [`a close within a body ${name}`, headers, (socket: Socket) => socket.end()] as const,
      [`a reset within a body ${name}`, headers, (socket: Socket) => socket.resetAndDestroy()] as const,
    ]),
  )('takes %s for a connection that was cut', async (_name, headers, cut) => {
    const { upstream, events } = await house((_request, response) => {
      response.writeHead(200, { ...JSON_TYPE, ...headers });
      response.write(PAGE, () => response.socket && cut(response.socket));
    });
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error).toMatchObject({ code: 'upstream_unreachable', status: 502 });
    expect(error).toBeInstanceOf(AnswerCut);
    expect(error.message).toMatch(/cut.*try again later/);
    expect(error.message).not.toContain('CHATWOOT_URL');
    expect(events.map(({ status }) => status)).toEqual(['unreachable']);
  });

  it.each([
    ['an alert of TLS', Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]), /say so in the URL/],
    [
      'nginx',
      'HTTP/1.1 400 Bad Request\r\ncontent-length: 52\r\n\r\nThe plain HTTP request was sent to HTTPS port. Sorry.',
      /write https/,
    ],
    ['Caddy', 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n', /write https/],
  ])('says that https is meant where %s answers http', async (_who, bytes, sentence) => {
    const server = createTcpServer((socket) => void socket.on('error', () => {}).on('data', () => socket.end(bytes)));
    const port = await listen(server);
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { upstream } = client(port);
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ message: expect.stringMatching(sentence) });
  });

  it('says that http and https were mixed up', async () => {
    const server = createTcpServer((socket) => {
      socket
        .on('error', () => {})
        .resume()
        .end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const port = await listen(server);
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { upstream } = client(port, { baseUrl: new URL(`https://127.0.0.1:${port}`) });
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error.code).toBe('upstream_unreachable');
    expect(error.message).toMatch(/http and https/);
  });

  it('refuses a token that no header can carry without telling it', async () => {
    const { upstream, requests } = await house(answer(200, PAGE), { tokenFor: () => `${TOKEN}\r\nX: 1` });
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_credentials' });
    expect(requests).toHaveLength(0);
  });

  it('says that it is closed', async () => {
    const { upstream } = await house(answer(200, PAGE));
    await upstream.close();
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'draining', status: 503 });
    closing.splice(1);
  });
});
