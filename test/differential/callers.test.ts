// What callers tell the judge of an answer is what they sent and got.

import type { Pool } from 'undici';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { CANARY } from '../support/canary.ts';
import { Caller, personas, type Asked, type Persona } from './callers.ts';
import { Chance } from './chance.ts';
import { ACCOUNT, World } from './world.ts';

const NOW = 1_800_000_000_000;
const PAGE = '{"meta":{},"payload":[{"id":1000,"content":"one"}]}';
const ETAG = `"${createHash('sha256').update(PAGE).digest('base64url')}"`;

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What comes of 400 questions of this persona, each answered so. */
async function askedBy(persona: Persona, answer: (sent: Sent) => Answer): Promise<readonly (readonly [Asked, Sent])[]> {
  const world = new World({ now: () => NOW, ties: (tied) => tied, firstId: 1_000 });
  for (const id of [1, 2, 3, 4]) {
    world.addConversation(id);
    for (let n = 0; n < 5; n++) world.insert({ accountId: ACCOUNT, conversationId: id, content: `row ${n}` });
  }
  let sent: Sent | undefined;
  const pool = {
    request: async (request: Sent) => {
      sent = request;
      const { body, ...head } = answer(request);
      return { ...head, body: { arrayBuffer: async () => Buffer.from(request.method === 'HEAD' ? '' : body) } };
    },
  };
  const caller = new Caller({ world, pool: pool as unknown as Pool, persona, chance: new Chance(1, 0), now: () => NOW });
  const all: (readonly [Asked, Sent])[] = [];
  for (let nth = 0; nth < 400; nth++) all.push([await caller.ask(), sent!]); // oxlint-disable-line no-await-in-loop
  return all;
}

const page = ({ headers }: Sent): Answer =>
  headers['if-none-match'] === ETAG
    ? { statusCode: 304, headers: { etag: ETAG }, body: '' }
    : { statusCode: 200, headers: { etag: ETAG, age: '3', 'cache-status': 'backscroll; hit' }, body: PAGE };

test('who asked, for what, and what it may', async () => {
  for (const persona of await personas()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const all = await askedBy(persona, page);
    const demands = new Set<string>();
    for (const [{ observation, conversation, target, flaw }, sent] of all) {
      const search = new URL(`http://x${sent.path}`).searchParams;
      const [before, after] = ['before', 'after'].map((name) => search.get(name) ?? undefined);
      const isFresh = sent.headers['cache-control'] !== undefined;
      const publicOnly = persona.view === 'customer' || search.has('filter_internal_messages');
      expect([target, sent.headers]).toMatchObject([sent.path, persona.headers]);
      expect(target).toContain(`/conversations/${conversation}/`);
      expect(observation.view).toBe(persona.view);
      expect(observation.inScope).toBe(persona.conversations === '*' || persona.conversations.includes(conversation));
      expect(observation.demand).toBe(!isFresh ? 'whatever is fresh' : persona.mayBypass ? 'bypass' : 'as of now');
      expect([observation.query.before, observation.query.after].map(String)).toEqual([before, after].map(String));
      expect(observation.query.publicOnly ?? false).toBe(publicOnly);
      expect(flaw).toBeUndefined();
      if (sent.method === 'GET' && observation.status === 200) expect(observation.ageS).toBe(3);
      // Also of a page that was had before.
      expect(observation.page).toEqual(observation.page && { meta: '{}', rows: ['{"id":1000,"content":"one"}'] });
      if (sent.method === 'GET') expect(observation.page).toBeDefined();
      demands.add(observation.demand);
    }
    expect(demands.size).toBe(2);
    expect(new Set(all.map(([{ observation }]) => observation.inScope)).size).toBe(persona.conversations === '*' ? 1 : 2);
    expect(new Set(all.map(([{ observation }]) => observation.status))).toEqual(new Set([200, 304]));
  }
});

test('what is stale, an error, and flawed', async () => {
  const [persona] = await personas();
  const answers: readonly (readonly [Answer, Partial<Asked['observation']>, boolean])[] = [
    [
      { ...page({ method: 'GET', path: '', headers: {} }), headers: { etag: ETAG, 'cache-status': 'backscroll; fwd=stale' } },
      { isStale: true },
      false,
    ],
    [
      { statusCode: 502, headers: {}, body: '{"error":"it fails","code":"upstream_error"}' },
      { status: 502, code: 'upstream_error' },
      false,
    ],
    [{ statusCode: 200, headers: { etag: '"another"' }, body: PAGE }, {}, true],
    [{ statusCode: 404, headers: {}, body: `{"code":"not_found","error":"${CANARY}"}` }, { code: 'not_found' }, true],
  ];
  for (const [answer, seen, isFlawed] of answers) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    for (const [{ observation, flaw }, { method, headers }] of await askedBy(persona!, () => answer)) {
      if (method === 'HEAD' || headers['if-none-match'] !== undefined) continue;
      expect(observation).toMatchObject(seen);
      expect(flaw !== undefined).toBe(isFlawed);
    }
  }
});
