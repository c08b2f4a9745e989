// Which proxy leads to an origin, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY name it, and ways through it.

import type { Duplex } from 'node:stream';
import { type Agent, Client, ProxyAgent } from 'undici';
import { BackscrollError } from '../errors.ts';
import { codeOf } from './map-broken-exchange.ts';

/** As HTTP_PROXY, HTTPS_PROXY and NO_PROXY name them; undefined where there is none. */
export interface Proxies {
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** Hosts that are reached without one. */
  readonly except: string | undefined;
}

/** The address of the proxy for an origin; undefined where none is named for it. Loopback addresses are never behind one. */
function proxyOf(origin: URL, { http, https, except = '' }: Proxies): string | undefined {
  const named = origin.protocol === 'https:' ? https : http;
  return named === undefined || LOOPBACK.test(origin.hostname) || isExcepted(origin, except) ? undefined : named;
}

const LOOPBACK = /^(?:localhost|.*\.localhost|127\..*|\[::1\])$/;

/** NO_PROXY names hosts, each with those below it and with or without a port, or `*` for all. */
function isExcepted(origin: URL, except: string): boolean {
  const entries = except.split(/[,\s]+/).filter((entry) => entry !== '');
  return entries.some((entry) => {
    const [, host = '', port] = /^(.+?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    const name = host.replace(/^\*?\./, '');
    if (port !== undefined && Number(port) !== portOf(origin)) return false;
    return name === '*' || origin.hostname === name || origin.hostname.endsWith(`.${name}`);
  });
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/** What sends requests to an origin through its proxy; undefined where it has none. */
export function proxyFor(origin: URL, proxies: Proxies, factory?: Agent.Options['factory']): ProxyAgent | undefined {
  const uri = proxyOf(origin, proxies);
  if (uri === undefined) return undefined;
  // For http: many proxies open tunnels for https only.
  return new ProxyAgent({ uri, proxyTunnel: false, ...(factory === undefined ? {} : { factory }) });
}

/** A connection through a proxy that carries anything. @throws BackscrollError where there is none, or in time */
export type Tunnel = (signal: AbortSignal) => Promise<Duplex>;

/** What opens tunnels to an origin; undefined where it has no proxy. */
export function tunnelTo(origin: URL, proxies: Proxies): Tunnel | undefined {
  const uri = proxyOf(origin, proxies);
  return uri === undefined ? undefined : (signal) => openTunnel(new URL(uri), origin, signal);
}

async function openTunnel(proxy: URL, to: URL, signal: AbortSignal): Promise<Duplex> {
  const client = new Client(proxy.origin);
  const path = `${to.hostname}:${portOf(to)}`;
  const user = [proxy.username, proxy.password].map(decodeURIComponent).join(':');
  const authorization = user === ':' ? {} : { 'Proxy-Authorization': `Basic ${Buffer.from(user).toString('base64')}` };
  try {
    const { statusCode, socket } = await client.connect({ path, headers: { Host: path, ...authorization }, signal });
    if (statusCode === 200) return socket;
    socket.on('error', () => undefined).destroy();
    throw noTunnel(`status ${statusCode}`);
  } catch (error) {
    throw error instanceof BackscrollError ? error : noTunnel(signal.aborted ? 'not in time' : (codeOf(error) ?? 'unknown'));
  } finally {
    void client.destroy();
  }
}

function noTunnel(why: string): BackscrollError {
  return new BackscrollError('upstream_unreachable', `the proxy opens no tunnel to Chatwoot (${why})`);
}
