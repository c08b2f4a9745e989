// The connections to Chatwoot, and which of them an answer came over. A connection that is off by one answers every question
// with the answer to another, so the very one must not be asked again. A pool of undici does not name it.

import type { Socket } from 'node:net';
import { type Agent, buildConnector, Client, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { passOverContinue } from './interim-answers.ts';

/** Goes along with a request as its `opaque`, and learns which connection took it. */
export class Carriage {
  connection: Connection | undefined;
}

/** One connection at a time, opened anew when it was lost. */
class Connection extends Client {
  socket: Socket | undefined;

  override dispatch(
    options: Dispatcher.DispatchOptions & { readonly opaque?: unknown },
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    if (options.opaque instanceof Carriage) options.opaque.connection = this;
    return super.dispatch(options, handler);
  }
}

/** As HTTP_PROXY, HTTPS_PROXY and NO_PROXY name them; undefined where there is none. */
export interface Proxies {
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** Hosts that are reached without one. */
  readonly except: string | undefined;
}

const DIRECT: Proxies = { http: undefined, https: undefined, except: undefined };

export interface ConnectionsOptions {
  readonly connections: number;
  readonly timeoutMs: number;
  readonly proxies?: Proxies;
}

/**
 * Connections to one origin, of which a `Carriage` learns, directly or through a proxy. Nothing is connected before the first
 * request.
 */
export function openConnections(origin: URL, { connections, timeoutMs, proxies = DIRECT }: ConnectionsOptions): Dispatcher {
  const poolOf = (to: string | URL, options: { readonly connect?: unknown } = {}): Pool => {
    // Through a proxy, `connect` is a tunnel that it opens.
    const connect = isConnector(options.connect) ? options.connect : buildConnector({ timeout: timeoutMs });
    const factory = (url: URL, inherited: object): Connection => openOne(url, inherited, connect);
    return new Pool(to, { connections, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, factory });
  };
  const proxy = proxyFor(origin, proxies, poolOf);
  return (
    proxy?.compose((dispatch) => (options, handler) => dispatch({ ...options, origin: origin.origin }, handler)) ??
    poolOf(origin.origin)
  );
}

/** What reaches an origin through a proxy; undefined where none is named for it. Loopback addresses are never behind one. */
export function proxyFor(
  origin: URL,
  { http, https, except }: Proxies,
  factory?: Agent.Options['factory'],
): EnvHttpProxyAgent | undefined {
  const named = origin.protocol === 'https:' ? https : http;
  if (named === undefined || LOOPBACK.test(origin.hostname)) return undefined;
  return new EnvHttpProxyAgent({
    httpProxy: http ?? '',
    httpsProxy: https ?? '',
    noProxy: except ?? '',
    proxyTunnel: false, // For http: many proxies open tunnels for https only.
    ...(factory === undefined ? {} : { factory }),
  });
}

const LOOPBACK = /^(?:localhost|.*\.localhost|127\..*|\[::1\])$/;

function isConnector(connect: unknown): connect is buildConnector.connector {
  return typeof connect === 'function';
}

function openOne(to: URL, options: object, connect: buildConnector.connector): Connection {
  const connection: Connection = new Connection(to, {
    ...options,
    connect: (target, done) =>
      connect(target, (...result) => {
        connection.socket = result[1] ?? undefined;
        if (connection.socket !== undefined) passOverContinue(connection.socket);
        done(...result);
      }),
  });
  return connection;
}
