import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { mapBrokenExchange } from '../../src/upstream/map-broken-exchange.ts';
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
      'a close within a body of known length',
      'upstream_invalid',
      (response: ServerResponse) => {
        response.writeHead(200, { ...JSON_TYPE, 'content-length': String(PAGE.length) });
        response.write(PAGE.slice(0, 20), () => response.socket?.end());
      },
    ],
    [
      'a close within a chunked body',
      'upstream_invalid',
      (response: ServerResponse) => {
        response.writeHead(200, JSON_TYPE).write(PAGE, () => response.socket?.end());
      },
    ],
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

  it('maps a reset within the body', async () => {
    const { upstream } = await house((_request, response) => {
      response.writeHead(200, { ...JSON_TYPE, 'content-length': '5000' });
      response.write(PAGE, () => response.socket?.resetAndDestroy());
    });
    // Some systems report a reset, others an end.
    expect((await failure(upstream.read(CONVERSATION, LATEST))).code).toMatch(/^upstream_(?:unreachable|invalid)$/);
    const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    expect(mapBrokenExchange(reset, 'body')?.code).toBe('upstream_unreachable');
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
