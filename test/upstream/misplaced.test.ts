// An answer belongs to its question: what another question was asked for is refused, and its connection is not used again.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { UpstreamNotice } from '../../src/upstream/chatwoot.ts';
import { answer, CONVERSATION, errorJson, failure, house, JSON_TYPE, LATEST, PAGE } from './house.ts';

function pageOf(conversation: unknown): string {
  const rows = [7, 9].map((id) => ({ id, conversation_id: conversation, created_at: id, message_type: 0, private: false }));
  return JSON.stringify({ meta: {}, payload: rows });
}

/** Answers with `make` and keeps whom it answered over which connection. */
async function counted(
  make: (request: IncomingMessage, number: number) => { body: string; headers?: Record<string, string>; status?: number },
) {
  const over: Socket[] = [];
  const notices: UpstreamNotice[] = [];
  const made = await house(
    (request: IncomingMessage, response: ServerResponse) => {
      over.push(request.socket);
      const { body, headers = {}, status = 200 } = make(request, over.length);
      response.writeHead(status, { ...JSON_TYPE, 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body);
    },
    { connections: 1, onNotice: (notice) => notices.push(notice) },
  );
  return { ...made, over, notices };
}

describe('rows that name another conversation', () => {
  it('are refused, and nothing is sent over that connection any more', async () => {
    const { upstream, over, connections, events, notices } = await counted((_request, number) => ({
      body: pageOf(number === 1 ? 5 : CONVERSATION.conversationId),
    }));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid', status: 502 });
    for (let n = 0; n < 3; n++) expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
    expect(connections()).toBe(2);
    expect(over.slice(1)).not.toContain(over[0]);
    expect(over[0]!.destroyed).toBe(true);
    expect(events.map(({ status }) => status)).toEqual(['misplaced', 200, 200, 200]);
    expect(notices).toEqual([{ kind: 'misplaced', conversation: CONVERSATION }]);
  });

  it('take a read with them that was sent over the same connection since', async () => {
    let bodies = 0;
    const { upstream, over } = await counted(() => ({ body: pageOf(++bodies === 1 ? 5 : CONVERSATION.conversationId) }));
    const [first, second] = await Promise.allSettled([upstream.read(CONVERSATION, LATEST), upstream.read(CONVERSATION, LATEST)]);
    expect(first.status).toBe('rejected');
    if (second.status === 'fulfilled') expect(over[1]).not.toBe(over[0]);
    else expect(second.reason).toMatchObject({ code: 'upstream_unreachable' });
  });

  it('are refused where only one of them does', async () => {
    const mixed = `${pageOf(4).slice(0, -2)},{"id":8,"conversation_id":5,"created_at":9,"message_type":0,"private":false}]}`;
    const { upstream } = await counted(() => ({ body: mixed }));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_invalid' });
  });

  it.each([
    ['none', undefined],
    ['null', null],
    ['a word', 'four'],
  ])('are not known where a fork writes %s', async (_what, value) => {
    const { upstream, connections } = await counted(() => ({ body: pageOf(value) }));
    for (let n = 0; n < 5; n++) expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
    expect(connections()).toBe(1);
  });
});

describe('the id that Chatwoot echoes', () => {
  const idOf = (request: IncomingMessage): string => String(request.headers['x-request-id']);

  it.each([
    ['a page', { body: PAGE, status: 200 }],
    ['an empty page', { body: '{"meta":{},"payload":[]}', status: 200 }],
    ['a refusal', { body: errorJson('You are not authorized to do this action'), status: 401 }],
    ['a missing conversation', { body: errorJson('Resource could not be found'), status: 404 }],
  ])('tells %s of another question, where nothing else does', async (_what, made) => {
    const ids: string[] = [];
    const { upstream, over, connections } = await counted((request) => {
      ids.push(idOf(request));
      // The second answer of a connection is the first one over again.
      return { ...made, headers: { 'x-request-id': ids.length === 2 ? ids[0]! : ids.at(-1)! } };
    });
    const read = async () =>
      upstream.read(CONVERSATION, LATEST).then(
        () => 'a page',
        ({ code }) => code,
      );
    const first = await read();
    expect(await read()).toBe('upstream_invalid');
    expect(await read()).toBe(first);
    expect(first).not.toBe('upstream_invalid');
    expect(new Set(ids).size).toBe(3);
    expect(connections()).toBe(2);
    expect(over[2]).not.toBe(over[1]);
  });

  it.each([['none'], ['a3f0c2d1-0000-4000-8000-000000000000'], ['']])(
    'says nothing where somebody on the way set %j',
    async (id) => {
      const { upstream, connections } = await counted(() => ({
        body: PAGE,
        headers: id === 'none' ? {} : { 'x-request-id': id },
      }));
      for (let n = 0; n < 3; n++) expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
      expect(connections()).toBe(1);
    },
  );

  it('is that of an earlier question where a cache answers, which says so', async () => {
    const ids: string[] = [];
    const { upstream } = await counted((request) => {
      ids.push(idOf(request));
      return { body: PAGE, headers: { 'x-request-id': ids[0]!, age: String(ids.length - 1) } };
    });
    for (let n = 0; n < 3; n++) expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
  });

  it('counts in a check of the token as well', async () => {
    const { upstream } = await house((request, response) => {
      answer(404, errorJson('Resource could not be found'), { ...JSON_TYPE, 'x-request-id': 'backscroll-another' })(
        request,
        response,
      );
    });
    expect(await upstream.check()).toMatch(/another question/);
  });
});
