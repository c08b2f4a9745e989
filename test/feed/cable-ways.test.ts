// The ways to a cable: TLS that is not to be trusted, and through proxies.

import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Cable } from '../../src/feed/cable.ts';
import { cableUrl } from '../../src/feed/feed.ts';
import { type Tunnel, tunnelTo } from '../../src/upstream/proxies.ts';
import { startBackscroll } from '../support/backscroll.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { startProxy } from '../support/proxy.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { listen } from '../upstream/house.ts';
import { SHORT } from './house.ts';

const NAMED = new URL('http://chatwoot.test');

async function startChatwoot(): Promise<FakeChatwoot> {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  return chatwoot;
}

/** What becomes of a cable at first: that it is confirmed, or why it ended. */
async function fateOf(url: URL, tunnel?: Tunnel): Promise<string> {
  return new Promise((resolve) => {
    const cable = new Cable({
      url,
      version: '0',
      profile: async () => ({ userId: 1, pubsubToken: 'sample-pubsub-1', accounts: [{ id: 1, isAdministrator: true }] }),
      serves: () => true,
      listener: {
        confirmed: () => resolve('confirmed'),
        ended: (_account, { why, text }) => resolve(`${why}: ${text}`),
        passedOver: () => undefined,
        pinged: () => undefined,
        event: () => undefined,
        garbage: () => undefined,
      },
      tunnel,
      bounds: SHORT.cable,
    });
    cable.start();
    onTestFinished(() => cable.close());
  });
}

/** TLS before a Chatwoot, with a certificate that nobody vouches for. @returns its port */
async function startTls({ port }: FakeChatwoot, heard: string[]): Promise<number> {
  const server = createServer(SELF_SIGNED);
  server.on('upgrade', ({ url = '' }, socket) => {
    heard.push(url);
    socket.pipe(connect(port, '127.0.0.1')).pipe(socket);
  });
  onTestFinished(() => void server.close());
  return listen(server);
}

test('What speaks no TLS where TLS is asked for is told in words', async () => {
  const { port } = await startChatwoot();
  expect(await fateOf(new URL(`wss://127.0.0.1:${port}/cable`))).toMatch(
    /^unreachable: the connection failed \([A-Z_]*(SSL|EPROTO)[A-Z_]*\)$/,
  );
});

test('A certificate that nobody vouches for is not trusted: nothing is asked there', async () => {
  const heard: string[] = [];
  const port = await startTls(await startChatwoot(), heard);
  const told = 'unreachable: its TLS certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)';
  expect(await fateOf(new URL(`wss://localhost:${port}/cable`))).toBe(told);
  const { url } = await startProxy(port, 'open');
  const tunnel = tunnelTo(new URL('https://chatwoot.test'), { http: undefined, https: url, except: undefined });
  expect(await fateOf(new URL('wss://chatwoot.test/cable'), tunnel)).toBe(told);
  expect(heard).toEqual([]);
});

test('Where a redirect leads, nothing is asked: the subscription is a secret', async () => {
  const chatwoot = await startChatwoot();
  const server = createHttpServer().on('upgrade', (_request, socket) => {
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${chatwoot.port}/cable\r\nContent-Length: 0\r\n\r\n`);
  });
  onTestFinished(() => void server.close());
  expect(await fateOf(new URL(`ws://127.0.0.1:${await listen(server)}/cable`))).toMatch(
    /^no-cable: the upgrade was answered with status 302/,
  );
  expect(chatwoot.cable.upgrades).toEqual([]);
});

test('Where a proxy leads to Chatwoot, the cable goes through a tunnel of it, with its password', async () => {
  const { port } = await startChatwoot();
  const proxy = await startProxy(port, 'open');
  const http = proxy.url.replace('//', '//us%40er:pass@');
  expect(await fateOf(cableUrl(NAMED), tunnelTo(NAMED, { http, https: undefined, except: undefined }))).toBe('confirmed');
  expect(proxy.asked).toEqual(['CONNECT chatwoot.test:80']);
  expect(proxy.users).toEqual([`Basic ${Buffer.from('us@er:pass').toString('base64')}`]);
});

test.each([
  ['refuse', 'unreachable: the proxy opens no tunnel to Chatwoot (status 403)'],
  ['hang', 'unreachable: the proxy opens no tunnel to Chatwoot (not in time)'],
] as const)('Where the fate of tunnels is "%s", that is told, and no connection is left', async (fate, told) => {
  const { port } = await startChatwoot();
  const proxy = await startProxy(port, fate);
  expect(await fateOf(cableUrl(NAMED), tunnelTo(NAMED, { http: proxy.url, https: undefined, except: undefined }))).toBe(told);
  const first = [...proxy.callers][0];
  await expect.poll(() => first === undefined || !proxy.callers.has(first)).toBe(true);
});

test('A proxy that is not there is told', async () => {
  const proxies = { http: 'http://127.0.0.1:9', https: undefined, except: undefined };
  expect(await fateOf(cableUrl(NAMED), tunnelTo(NAMED, proxies))).toBe(
    'unreachable: the proxy opens no tunnel to Chatwoot (ECONNREFUSED)',
  );
});

test('The program reads and listens through the proxy that HTTP_PROXY names', async () => {
  const chatwoot = await startChatwoot();
  const proxy = await startProxy(chatwoot.port, 'open');
  const env = { CHATWOOT_URL: NAMED.href, HTTP_PROXY: proxy.url, FEED: 'cable' };
  const backscroll = await startBackscroll({ chatwoot, env });
  onTestFinished(() => backscroll.close());
  await expect.poll(() => backscroll.metrics()).toContain('backscroll_feed_fed{account="1"} 1');
  expect(proxy.asked).toContain('GET http://chatwoot.test/api/v1/profile');
  expect(proxy.asked).toContain('CONNECT chatwoot.test:80');
});
