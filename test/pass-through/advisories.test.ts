// Holes that proxies for Fastify, and what they are made of, had: each was tried on this one.

import { expect, test } from 'vitest';
import { JSON_TYPE, startPassingHouse } from './house.ts';

interface Tried {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** Of the request that arrives. */
interface Arrives {
  readonly path?: string;
  readonly body?: string;
  readonly has?: string;
  readonly lacks?: string;
}

const ROUTE = '/api/v1/accounts/1/conversations/1/labels';

const HOLES: readonly (readonly [what: string, whose: string, tried: Tried, arrives: Arrives | null])[] = [
  ['dot segments leave the prefix', 'CVE-2021-21321, CVE-2021-21322', { target: '/api/v1/../../super_admin' }, null],
  ['encoded ones do', 'the same', { target: '/api/v1/%2e%2e/%2e%2e/super_admin' }, null],
  ['a doubled slash is taken for a host', 'CVE-2021-21321', { target: '//evil.example/api/v1/profile' }, null],
  [
    'an absolute target is taken for the origin',
    'proxies that build a URL',
    { target: `http://evil.example${ROUTE}` },
    { path: ROUTE },
  ],
  ['encoded letters pass a rule for plain ones', 'CVE-2026-22037', { target: '/%61pi/v1/profile' }, null],
  ['a semicolon ends a segment for some', 'CVE-2026-33808', { target: '/api/v1/profile;/../../x' }, null],
  [
    'a body is parsed and written again when its type is spelt oddly',
    'CVE-2023-51701',
    {
      method: 'POST',
      target: ROUTE,
      headers: [['Content-Type', 'application/vnd.own+json ; charset=utf-8']],
      body: '{"a":1.0,"a":2 }',
    },
    { body: '{"a":1.0,"a":2 }' },
  ],
  [
    'one whose type is no type is taken for another',
    'CVE-2023-51701',
    { method: 'POST', target: ROUTE, headers: [['Content-Type', 'application/ json']], body: '{}' },
    null,
  ],
  [
    'Connection takes away what the proxy adds',
    '@fastify/reply-from before 12.6.2',
    { target: ROUTE, headers: [['Connection', 'api-access-token, x-request-id']] },
    { has: 'api-access-token' },
  ],
  [
    'what Connection names is passed',
    '@fastify/reply-from before 12.5',
    {
      target: ROUTE,
      headers: [
        ['Connection', 'x-hop'],
        ['X-Hop', 'of this connection'],
      ],
    },
    { lacks: 'x-hop' },
  ],
  [
    'forwarded host and scheme are believed',
    'GHSA-444r-cwp2-x5xf',
    {
      target: ROUTE,
      headers: [
        ['X-Forwarded-Host', 'evil.example'],
        ['X-Forwarded-Proto', 'https'],
      ],
    },
    { lacks: 'x-forwarded-host' },
  ],
];

test.each(HOLES)('%s (%s)', async (_what, _whose, { target, ...request }, arrives) => {
  const { chatwoot, ask } = await startPassingHouse();
  const { status } = await ask(target, request);
  if (arrives === null) {
    expect(chatwoot.log.requests).toEqual([]);
    expect([400, 404, 421]).toContain(status);
    return;
  }
  const { has = 'host', lacks = 'nothing', ...parts } = arrives;
  expect(chatwoot.log.requests).toEqual([expect.objectContaining(parts)]);
  expect(chatwoot.log.requests[0]!.headers).not.toHaveProperty(lacks);
  expect(chatwoot.log.requests[0]!.headers).toHaveProperty(has);
});

test('a failure is not tried again, and a redirect not followed with the token (@fastify/reply-from by default, CVE-2024-24758)', async () => {
  const { chatwoot, ask } = await startPassingHouse();
  for (const method of ['GET', 'POST']) {
    chatwoot.clearLog();
    chatwoot.fault = () => ({ kind: 'status', status: 503, headers: { 'retry-after': '1' } });
    const failed = await ask(ROUTE, { method, headers: [JSON_TYPE] });
    expect([failed.status, failed.headers['retry-after'], chatwoot.log.requests.length]).toEqual([503, '1', 1]);
    chatwoot.fault = () => ({ kind: 'redirect', location: 'http://evil.example/' });
    const redirected = await ask(ROUTE, { method, headers: [JSON_TYPE] });
    expect([redirected.status, redirected.headers['location'], chatwoot.log.requests.length]).toEqual([
      302,
      'http://evil.example/',
      2,
    ]);
  }
});
