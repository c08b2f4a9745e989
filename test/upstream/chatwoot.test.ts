import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { answer, client, CONVERSATION, failure, house, JSON_TYPE, LATEST, PAGE, startServer, TOKEN } from './house.ts';

describe('reading', () => {
  it('cuts the answer into a reading', async () => {
    const { upstream, events } = await house(answer(200, PAGE));
    expect(await upstream.read(CONVERSATION, LATEST)).toEqual({
      kind: 'reading',
      reading: {
        query: LATEST,
        rows: [
          {
            id: 7,
            createdAt: 10,
            internal: false,
            imported: false,
            raw: '{"id":7,"created_at":10,"message_type":0,"private":false}',
          },
          {
            id: 9,
            createdAt: 11,
            internal: true,
            imported: false,
            raw: '{"id":9,"created_at":11,"message_type":2,"private":false}',
          },
        ],
        envelope: { head: '{"meta":{"labels":[]},"payload":[', tail: ']}' },
        askedAt: 1000,
      },
    });
    expect(events).toEqual([{ purpose: 'read', status: 200, durationMs: expect.any(Number), bytes: PAGE.length }]);
  });

  it('takes askedAt before it sends', async () => {
    let clock = 5;
    const { upstream } = await house(
      (request, response) => {
        clock = 99;
        answer(200, PAGE)(request, response);
      },
      { now: () => clock },
    );
    expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ reading: { askedAt: 5 } });
  });

  it('sends the path, the token with hyphens, and nothing else that says anything', async () => {
    const { upstream, requests } = await house(answer(200, PAGE));
    await upstream.read(CONVERSATION, { mode: 'between', after: 5, before: 10, publicOnly: true });
    const [request] = requests;
    expect(request?.method).toBe('GET');
    expect(request?.url).toBe('/api/v1/accounts/3/conversations/4/messages?after=5&before=10&filter_internal_messages=true');
    expect(request?.headers).toEqual({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      connection: 'keep-alive',
      'api-access-token': TOKEN,
      accept: 'application/json',
      'accept-encoding': 'gzip',
      'cache-control': 'no-cache',
      'x-request-id': expect.stringMatching(/^backscroll-[\da-f-]{36}$/),
      'user-agent': 'backscroll/9.9.9',
    });
    expect(request?.rawHeaders.filter((part) => part.includes(TOKEN))).toHaveLength(1);
  });

  it('uses the token of the account, and knows no account without one', async () => {
    const { upstream, requests } = await house(answer(200, PAGE), { tokenFor: (id) => (id === 3 ? 'three' : undefined) });
    await upstream.read(CONVERSATION, LATEST);
    expect(requests[0]?.headers['api-access-token']).toBe('three');
    expect(await failure(upstream.read({ accountId: 4, conversationId: 4 }, LATEST))).toMatchObject({
      code: 'not_found',
      status: 404,
    });
    expect(requests).toHaveLength(1);
  });

  it('keeps connections open and uses them again', async () => {
    const { upstream, requests, connections } = await house(answer(200, PAGE));
    for (let count = 0; count < 20; count++) await upstream.read(CONVERSATION, LATEST);
    expect(requests).toHaveLength(20);
    // Two: undici counts a connection as busy for a moment after its answer has been read.
    expect(connections()).toBeLessThanOrEqual(2);
  });

  it('keeps the connection after answers that are errors', async () => {
    const { upstream, connections } = await house(answer(500, '{"status":500,"error":"Internal Server Error"}'));
    for (let count = 0; count < 20; count++) await failure(upstream.read(CONVERSATION, LATEST));
    expect(connections()).toBeLessThanOrEqual(2);
  });

  it('opens no more than `connections`', async () => {
    const waiting: ServerResponse[] = [];
    const { upstream, connections } = await house(
      (_request, response) => {
        waiting.push(response);
        if (waiting.length === 2) for (const each of waiting.splice(0)) each.writeHead(200, JSON_TYPE).end(PAGE);
      },
      { connections: 2 },
    );
    await Promise.all(Array.from({ length: 10 }, () => upstream.read(CONVERSATION, LATEST)));
    expect(connections()).toBe(2);
  });

  it('shows but does not learn what cannot be learnt', async () => {
    const { upstream } = await house(answer(200, PAGE));
    const kindOf = async (query: Parameters<Upstream['read']>[1]): Promise<string> =>
      (await upstream.read(CONVERSATION, query)).kind;
    expect(await kindOf({ mode: 'before_timestamp', beforeTimestamp: 99, publicOnly: false })).toBe('unlearnable');
    expect(await kindOf({ mode: 'before', before: 10, publicOnly: false })).toBe('reading');
  });
});

describe('a base URL with a path', () => {
  it.each(['/desk', '/desk/'])('%s stands before the route', async (path) => {
    const { port, server } = await startServer(answer(200, PAGE));
    const asked = new Promise((resolve) => {
      server.once('request', (request: IncomingMessage) => resolve(request.url));
    });
    const { upstream } = client(port, { baseUrl: new URL(path, `http://127.0.0.1:${port}`) });
    await upstream.read(CONVERSATION, LATEST);
    expect(await asked).toBe('/desk/api/v1/accounts/3/conversations/4/messages');
  });
});

describe('the body of a page goes along', () => {
  const pageOf = (rows: number, contentBytes: number): string => {
    const row = (_: unknown, n: number): string =>
      `{"id":${n + 1},"created_at":10,"message_type":0,"private":false,"content":"${'x'.repeat(contentBytes)}"}`;
    return `{"meta":{},"payload":[${Array.from({ length: rows }, row).join(',')}]}`;
  };

  it('where it is all that it would keep alive', async () => {
    const page = pageOf(20, 500);
    const { upstream } = await house(answer(200, page));
    expect((await upstream.read(CONVERSATION, LATEST)).body?.toString()).toBe(page);
  });

  it('not where it is large: it is shown in turns, and waits for them', async () => {
    const { upstream } = await house(answer(200, pageOf(20, 4000)));
    expect((await upstream.read(CONVERSATION, LATEST)).body).toBeUndefined();
  });

  it('not where it came with more than a sixteenth of it', async () => {
    const { upstream } = await house(answer(200, pageOf(2, 10)));
    expect((await upstream.read(CONVERSATION, LATEST)).body).toBeUndefined();
  });
});
