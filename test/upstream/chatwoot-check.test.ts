import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { answer, CONVERSATION, errorJson, house, JSON_TYPE, LATEST, PAGE, signalled, TOKEN } from './house.ts';

const missing = answer(404, errorJson('Resource could not be found'));

/** Takes every token but `bot`. */
function answerByToken(request: IncomingMessage, response: ServerResponse): void {
  const isBot = request.headers['api-access-token'] === 'bot';
  (isBot ? answer(401, errorJson('Access to this endpoint is not authorized for bots')) : missing)(request, response);
}

describe('checking the token', () => {
  it('finds nothing wrong when Chatwoot only misses the account', async () => {
    const { upstream, requests, events } = await house(missing, {});
    expect(await upstream.check()).toBeNull();
    expect(requests.map(({ url }) => url)).toEqual(['/api/v1/accounts/0/conversations/0/messages', '/api/v1/profile']);
    expect(events).toMatchObject([
      { purpose: 'check', status: 404 },
      { purpose: 'check', status: 404 },
    ]);
  });

  it('asks with each distinct token and names the setting of the one that is rejected', async () => {
    const tokens = [
      { setting: 'CHATWOOT_API_TOKEN', token: TOKEN },
      { setting: 'CHATWOOT_ACCOUNT_TOKENS (account 2)', token: TOKEN },
      { setting: 'CHATWOOT_ACCOUNT_TOKENS (account 5)', token: 'bot' },
    ];
    const { upstream, requests } = await house(answerByToken, { tokens });
    expect(await upstream.check()).toMatch(/^CHATWOOT_ACCOUNT_TOKENS \(account 5\): Chatwoot rejects the token .*agent bot/);
    expect(requests.map(({ headers }) => headers['api-access-token'])).toEqual([TOKEN, TOKEN, 'bot']);
  });

  it.each([
    ['a rejected token', answer(401, '{"error":"Invalid Access Token"}'), /^CHATWOOT_API_TOKEN: Chatwoot rejects/],
    ['a page of something else', answer(404, '<html>', { 'content-type': 'text/html' }), /no Chatwoot API/],
    ['a 200', answer(200, PAGE), /CHATWOOT_URL leads to Chatwoot/],
    ['a redirect', answer(301, '', { location: 'https://chat.test' }), /https:\/\//],
    ['a failure', answer(500, ''), /status 500/],
    ['a cut connection', ((_request, response) => response.socket?.end()) satisfies RequestListener, /cannot be reached/],
  ])('says what stands in the way: %s', async (_name, listener, sentence) => {
    const { upstream } = await house(listener);
    const problem = await upstream.check();
    expect(problem).toMatch(sentence);
    expect(problem).not.toContain(TOKEN);
  });

  it('ends with its caller', async () => {
    const { upstream } = await house(missing);
    await expect(upstream.check(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });
});

it('a read that waits for what the token is worth ends with its caller', async () => {
  const [asked, probed] = signalled();
  const { upstream } = await house((request, response) => {
    if (request.url?.includes('/accounts/0/') === true) probed();
    else answer(401, errorJson('Sem acesso'), { ...JSON_TYPE, 'x-request-id': 'r', 'x-runtime': '0.01' })(request, response);
  });
  const caller = new AbortController();
  const read = upstream.read(CONVERSATION, LATEST, caller.signal);
  await asked;
  caller.abort(new Error('gone'));
  await expect(read).rejects.toThrow('gone');
}, 3000);
