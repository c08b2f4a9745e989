// Which pages may read answers in a browser: origin by method by path, with and without CORS_ORIGINS.

import { describe, expect, test } from 'vitest';
import { KEY, messagesOf, readsOf, startHouse, type Backscroll, type Received } from '../support/backscroll.ts';

const APP = 'https://app.example.com';
const HELP = 'http://localhost:5173';
const env = { CORS_ORIGINS: `${APP}, ${HELP}` };
const FOREIGN = [
  'https://evil.example.com',
  'https://app.example.com.evil.example',
  'https://app.example.com:8443',
  'http://app.example.com',
  'https://APP.example.com',
  'https://app.example.com/',
  'null',
  '*',
];

const preflight = async (backscroll: Backscroll, origin: string, target = messagesOf(2)): Promise<Received> =>
  backscroll.send({
    method: 'OPTIONS',
    target,
    headers: [
      ['origin', origin],
      ['access-control-request-method', 'GET'],
      ['access-control-request-headers', 'authorization'],
    ],
  });

const corsHeaders = ({ headers }: Received): string[] => Object.keys(headers).filter((name) => name.startsWith('access-control'));

describe('an origin of CORS_ORIGINS', () => {
  test.each([APP, HELP])('%s: gets its preflight answered without a credential, without asking Chatwoot', async (origin) => {
    const { backscroll, chatwoot } = await startHouse({ env });
    const answer = await preflight(backscroll, origin);
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-max-age': '7200',
    });
    const allowed = answer.headers['access-control-allow-headers']!.split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'api_access_token', 'api-access-token', 'if-none-match']));
    expect(answer.headers['vary']!.toLowerCase()).toContain('origin');
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    expect(answer.body).toHaveLength(0);
    expect(readsOf(chatwoot)).toEqual([]);
  });

  test('may read every answer, errors too, and the headers that tell of the cache', async () => {
    const { backscroll } = await startHouse({ env: { ...env, RATE_LIMIT: '3/1m' } });
    const from = [['origin', APP]] as const;
    const key = [['api_access_token', KEY], ...from] as const;
    const answers = [
      await backscroll.send({ target: messagesOf(2), headers: key }),
      await backscroll.send({ method: 'HEAD', target: messagesOf(2), headers: key }),
      await backscroll.send({ target: messagesOf(99), headers: key }),
      await backscroll.send({ target: messagesOf(2), headers: key }),
      await backscroll.send({ target: messagesOf(2), headers: from }),
      await backscroll.send({ method: 'POST', target: messagesOf(2), headers: key }),
      await backscroll.send({ target: '/api/v1/profile', headers: key }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 429, 401, 405, 421]);
    for (const answer of answers) {
      expect(answer.headers['access-control-allow-origin']).toBe(APP);
      const exposed = answer.headers['access-control-expose-headers']!.split(', ');
      expect(exposed.toSorted()).toEqual([
        'age',
        'cache-status',
        'etag',
        'retry-after',
        'x-ratelimit-limit',
        'x-ratelimit-remaining',
        'x-ratelimit-reset',
        'x-request-id',
      ]);
      expect(
        answer.headers['vary']!.toLowerCase()
          .split(', ')
          .filter((name) => name === 'origin'),
      ).toHaveLength(1);
    }
    expect(answers[0]!.headers['vary']).toBe('accept-encoding, origin');
  });

  test('may read that nothing changed', async () => {
    const { backscroll } = await startHouse({ env });
    const { headers } = await backscroll.get(messagesOf(2), { origin: APP });
    const answer = await backscroll.get(messagesOf(2), { origin: APP, 'if-none-match': headers['etag']! });
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([304, APP]);
  });

  test('does not use up a limit with preflights, and is not refused for what others guessed', async () => {
    const { backscroll } = await startHouse({ env: { ...env, RATE_LIMIT: '1/1m', ALLOW_ANONYMOUS: 'true', CLIENT_KEYS: '' } });
    for (let n = 0; n < 70; n++) expect((await preflight(backscroll, APP)).status).toBe(204);
    expect((await backscroll.send({ target: messagesOf(2) })).status).toBe(200);
    for (let n = 0; n < 62; n++) await backscroll.send({ target: messagesOf(2), headers: [['api_access_token', `guess-${n}`]] });
    expect((await preflight(backscroll, APP)).status).toBe(204);
  });

  test('learns nothing of operations, and an OPTIONS that is no preflight is refused', async () => {
    const { backscroll } = await startHouse({ env });
    for (const target of ['/metrics', '/healthz', '/readyz']) {
      expect(corsHeaders(await backscroll.send({ target, headers: [['origin', APP]] }))).toEqual([]);
      expect((await preflight(backscroll, APP, target)).status).not.toBe(204);
    }
    const answer = await backscroll.send({ method: 'OPTIONS', target: messagesOf(2), headers: [['origin', APP]] });
    expect([answer.status, answer.code]).toEqual([405, 'not_served']);
  });
});

test.each(FOREIGN)('a page of %s gets no leave, with whatever credential', async (origin) => {
  const { backscroll } = await startHouse({ env });
  const refused = await preflight(backscroll, origin);
  expect([refused.status, refused.code]).toEqual([405, 'not_served']);
  const answer = await backscroll.get(messagesOf(2), { origin });
  expect(answer.status).toBe(200);
  for (const one of [refused, answer]) {
    expect(corsHeaders(one)).toEqual([]);
    // A cache between must not give this answer to a page that has leave.
    expect(one.headers['vary']!.toLowerCase()).toContain('origin');
  }
});

test('a caller that is no browser gets no leave either, and the same answer as ever', async () => {
  const { backscroll } = await startHouse({ env });
  const answer = await backscroll.get(messagesOf(2));
  expect([answer.status, corsHeaders(answer)]).toEqual([200, []]);
});

test('without CORS_ORIGINS nothing is said of it, and OPTIONS is not served', async () => {
  const { backscroll } = await startHouse();
  const refused = await preflight(backscroll, APP);
  expect([refused.status, refused.code, refused.headers['allow']]).toEqual([405, 'not_served', 'GET, HEAD']);
  const answer = await backscroll.get(messagesOf(2), { origin: APP });
  expect(answer.headers['vary']).toBe('accept-encoding');
  for (const one of [refused, answer]) expect(corsHeaders(one)).toEqual([]);
});
