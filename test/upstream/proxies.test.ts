// Through a proxy, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY name it.

import { describe, expect, it } from 'vitest';
import { proxyFor, type Proxies } from '../../src/upstream/proxies.ts';
import { startProxy } from '../support/proxy.ts';
import { client, CONVERSATION, failure, JSON_TYPE, LATEST, PAGE, startServer, TOKEN } from './house.ts';

async function startChatwoot(): Promise<{ port: number; tokens: unknown[] }> {
  const tokens: unknown[] = [];
  const { port } = await startServer(({ headers }, response) => {
    tokens.push(headers['api-access-token']);
    response.writeHead(200, JSON_TYPE).end(PAGE);
  });
  return { port, tokens };
}

const through = (proxies: Partial<Proxies>, baseUrl: string, port: number) =>
  client(port, {
    baseUrl: new URL(baseUrl),
    proxies: { http: undefined, https: undefined, except: undefined, ...proxies },
    timeoutMs: 2000,
  }).upstream;

describe('a proxy', () => {
  it('is asked for a Chatwoot of http by its whole address', async () => {
    const { port, tokens } = await startChatwoot();
    const proxy = await startProxy(port);
    const upstream = through({ http: proxy.url }, 'http://chatwoot.test/base', port);
    for (let n = 0; n < 2; n++) expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
    const asked = 'GET http://chatwoot.test/base/api/v1/accounts/3/conversations/4/messages';
    expect(proxy.asked).toEqual([asked, asked]);
    expect(tokens).toEqual([TOKEN, TOKEN]);
  });

  it('is asked for a tunnel to a Chatwoot of https, and its refusal is told', async () => {
    const { port, tokens } = await startChatwoot();
    const proxy = await startProxy(port);
    const upstream = through({ https: proxy.url }, 'https://chatwoot.test', port);
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(proxy.asked).toEqual(['CONNECT chatwoot.test:443']);
    expect(error).toMatchObject({ code: 'upstream_unreachable', message: expect.stringContaining('the proxy where one is set') });
    expect(tokens).toEqual([]);
  });

  it.each([
    ['the host is excepted', { except: 'elsewhere.test,chatwoot.test' }, 'http://chatwoot.test'],
    ['all hosts are', { except: '*' }, 'http://chatwoot.test'],
  ])('is not asked where %s', async (_why, proxies, baseUrl) => {
    const { port } = await startChatwoot();
    const proxy = await startProxy(port);
    const upstream = through({ http: proxy.url, ...proxies }, baseUrl, port);
    expect(await failure(upstream.read(CONVERSATION, LATEST))).toMatchObject({ code: 'upstream_unreachable' }); // There is no such name.
    expect(proxy.asked).toEqual([]);
  });

  it.each([['127.0.0.1'], ['localhost']])('is not asked for %s', async (host) => {
    const { port } = await startChatwoot();
    const proxy = await startProxy(port);
    const upstream = through({ http: proxy.url }, `http://${host}:${port}`, port);
    expect(await upstream.read(CONVERSATION, LATEST)).toMatchObject({ kind: 'reading' });
    expect(proxy.asked).toEqual([]);
  });

  it('that is not there is told of', async () => {
    const upstream = through({ http: 'http://127.0.0.1:9' }, 'http://chatwoot.test', 9);
    const error = await failure(upstream.read(CONVERSATION, LATEST));
    expect(error).toMatchObject({ code: 'upstream_unreachable', message: expect.stringContaining('proxy') });
  });

  it.each([
    ['elsewhere.test,  chatwoot.test', false],
    ['.chatwoot.test', false],
    ['*.test', false],
    ['test', false],
    ['CHATWOOT.test:8443', false],
    ['chatwoot.test:443', true],
    ['elsewhere.test *', false],
    ['woot.test', true],
    ['sub.chatwoot.test', true],
    ['', true],
  ])('with NO_PROXY=%j is asked: %j', async (except, isAsked) => {
    const proxy = proxyFor(new URL('https://chatwoot.test:8443'), { http: undefined, https: 'http://127.0.0.1:9', except });
    expect(proxy !== undefined).toBe(isAsked);
    await proxy?.close();
  });
});
