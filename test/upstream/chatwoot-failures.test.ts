import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { answer, BODY_SECRET, CONVERSATION, errorJson, failure, house, JSON_TYPE, LATEST, PAGE } from './house.ts';

describe('answers that are errors', () => {
  const html = { 'content-type': 'text/html; charset=UTF-8' };
  const OF_RAILS = { ...JSON_TYPE, 'x-request-id': 'a-request', 'x-runtime': '0.012345' };
  const cases: [name: string, status: number, body: string, headers: Record<string, string>, code: ErrorCode, says: RegExp][] = [
    ['an unknown token', 401, errorJson('Invalid Access Token'), JSON_TYPE, 'upstream_credentials', /rejects the token/],
    [
      'a bot',
      401,
      errorJson('Access to this endpoint is not authorized for bots'),
      JSON_TYPE,
      'upstream_credentials',
      /agent bot/,
    ],
    ['no credentials', 401, '{"errors":["Faça login"]}', OF_RAILS, 'upstream_credentials', /Api-Access-Token/],
    ['a 401 page', 401, `<html>${BODY_SECRET}</html>`, html, 'upstream_error', /status 401, text\/html.*CHATWOOT_URL/],
    ['no credentials, as a gateway has it', 401, '{"errors":["Faça login"]}', JSON_TYPE, 'upstream_error', /status 401/],
    [
      'no access to the conversation',
      401,
      errorJson('You are not authorized to do this action'),
      JSON_TYPE,
      'upstream_forbidden',
      /administrator/,
    ],
    [
      'no access to the account',
      401,
      errorJson('You are not authorized to access this account'),
      JSON_TYPE,
      'upstream_forbidden',
      /administrator/,
    ],
    ['a suspended account', 401, errorJson('Account is suspended'), JSON_TYPE, 'upstream_forbidden', /./],
    ['API access not enabled', 403, errorJson(`Pas d'accès ${BODY_SECRET}`), OF_RAILS, 'upstream_credentials', /account 3\./],
    ['a 403 of something else', 403, errorJson(`Blocked ${BODY_SECRET}`), JSON_TYPE, 'upstream_error', /status 403/],
    [
      'a statement time-out',
      422,
      errorJson(`Trop lent ${BODY_SECRET}`),
      OF_RAILS,
      'upstream_timeout',
      /took too long; try again later$/,
    ],
    ['a 422 of something else', 422, errorJson(`Odd ${BODY_SECRET}`), JSON_TYPE, 'upstream_error', /status 422.*CHATWOOT_URL/],
    ['a 404 in another language', 404, errorJson('Introuvable'), OF_RAILS, 'not_found', /^Resource could not be found$/],
    [
      'no such conversation',
      404,
      errorJson('Resource could not be found'),
      JSON_TYPE,
      'not_found',
      /^Resource could not be found$/,
    ],
    ['a 404 page', 404, `<html>${BODY_SECRET}</html>`, html, 'upstream_error', /CHATWOOT_URL/],
    ['a 404 of Rails', 404, '{"status":404,"error":"Not Found"}', JSON_TYPE, 'upstream_error', /CHATWOOT_URL/],
    ['a 404 page larger than 64 kB', 404, 'x'.repeat(70_000), html, 'upstream_error', /CHATWOOT_URL/],
    ['400', 400, '', html, 'upstream_error', /status 400/],
    ['406', 406, '', html, 'upstream_error', /status 406/],
    ['429', 429, 'Retry later\n', { 'content-type': 'text/plain' }, 'upstream_busy', /too many/],
    ['500', 500, '{"status":500,"error":"Internal Server Error"}', JSON_TYPE, 'upstream_error', /status 500/],
    ['502 of a proxy', 502, `<html>${BODY_SECRET}</html>`, html, 'upstream_error', /status 502/],
    [
      'a redirect to https',
      301,
      '',
      { location: `https://user:${BODY_SECRET}@chat.test/api` },
      'upstream_redirect',
      /https:\/\//,
    ],
    ['a redirect elsewhere', 302, '', { location: `/login?${BODY_SECRET}` }, 'upstream_redirect', /host name and path/],
    ['a redirect without location', 308, '', {}, 'upstream_redirect', /host name and path/],
    ['304', 304, '', {}, 'upstream_redirect', /./],
    ['204', 204, '', {}, 'upstream_invalid', /status 204/],
    ['206', 206, PAGE, JSON_TYPE, 'upstream_invalid', /status 206/],
    ['HTML', 200, PAGE, html, 'upstream_invalid', /not JSON/],
    ['no content type', 200, PAGE, {}, 'upstream_invalid', /not JSON/],
    ['another JSON type', 200, PAGE, { 'content-type': 'application/jsonl' }, 'upstream_invalid', /not JSON/],
    ['a body that is no gzip', 200, PAGE, { ...JSON_TYPE, 'content-encoding': 'gzip' }, 'upstream_invalid', /not the gzip/],
    ['a body that is no page', 200, `{"secret":"${BODY_SECRET}"}`, JSON_TYPE, 'upstream_invalid', /page of messages/],
    ['half a page', 200, PAGE.slice(0, -9), JSON_TYPE, 'upstream_invalid', /page of messages/],
  ];
  it.each(cases)('maps %s', async (_name, status, body, headers, code, says) => {
    const { upstream, requests, events } = await house(answer(status, body, headers));
    const thrown = await failure(upstream.read(CONVERSATION, LATEST));
    expect(thrown.code).toBe(code);
    expect(thrown.message).toMatch(says);
    expect(requests).toHaveLength(1);
    expect(events.map((event) => event.status)).toEqual([code === 'upstream_invalid' ? 'invalid' : status]);
  });

  it.each([
    [undefined, 10],
    ['25', 25],
    ['0', 1],
    ['999999', 3600],
    ['soon', 10],
    ['Wed, 01 Jan 2020 00:00:00 GMT', 1],
  ])('takes Retry-After "%s" of a 429 for %d s', async (retryAfter, seconds) => {
    const { upstream } = await house(answer(429, 'Retry later\n', retryAfter === undefined ? {} : { 'retry-after': retryAfter }));
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_busy', retryAfter: seconds });
  });

  it('takes a Retry-After that is a date', async () => {
    const { upstream } = await house((request, response) => {
      const inAMinute = new Date(Date.now() + 60_000).toUTCString();
      answer(429, '', { 'retry-after': inAMinute })(request, response);
    });
    const { retryAfter } = await failure(upstream.read(CONVERSATION, LATEST));
    expect(retryAfter).toBeGreaterThan(50);
    expect(retryAfter).toBeLessThanOrEqual(60);
  });
});
