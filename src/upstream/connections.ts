// The connections to Chatwoot, and which of them an answer came over. A connection that is off by one answers every question
// with the answer to another, so the very one must not be asked again; one whose peer is gone says nothing. A pool of undici
// does not name it.

import type { Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';
import { passOverContinue } from './interim-answers.ts';
import { proxyFor, type Proxies } from './proxies.ts';

/** Goes along with a request as its `opaque`, and learns which connection took it. */
export class Carriage {
  readonly #onTaken: () => void;
  #connection: Connection | undefined;
  /** Over which an answer came before. */
  #socket: Socket | undefined;
  #bytesBefore = 0;

  /** `onTaken` is told when a connection takes the request. */
  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  taken(connection: Connection): void {
    this.#connection = connection;
    this.#socket = connection.hasAnswered ? connection.socket : undefined;
    this.#bytesBefore = this.#socket?.bytesRead ?? 0;
    this.#onTaken();
  }

  answered(): void {
    if (this.#connection !== undefined) this.#connection.hasAnswered = true;
  }

  /** Whether it went over a connection that answered before and has said nothing since. */
  get isSilent(): boolean {
    return this.#socket?.destroyed === false && this.#socket.bytesRead === this.#bytesBefore;
  }

  /** Ends the connection, and with it whatever was sent over it since. */
  close(): void {
    this.#connection?.socket?.destroy();
  }

  /** Ends the connection, and those that wait for a request: whatever made its peer go has most likely made theirs go. */
  closeWithIdle(): void {
    this.close();
    for (const other of this.#connection?.all ?? []) if (other.stats.size === 0) other.socket?.destroy();
  }
}

/** One connection at a time, opened anew when it was lost. */
class Connection extends Client {
  /** All of its pool. */
  readonly all: Set<Connection>;
  socket: Socket | undefined;
  hasAnswered = false;

  constructor(to: URL, options: Client.Options, all: Set<Connection>) {
    super(to, options);
    this.all = all;
    all.add(this);
    // The pool takes another in its place.
    this.on('connectionError', () => all.delete(this));
  }

  override dispatch(
    options: Dispatcher.DispatchOptions & { readonly opaque?: unknown },
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    if (options.opaque instanceof Carriage) options.opaque.taken(this);
    return super.dispatch(options, handler);
  }
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
    const all = new Set<Connection>();
    const factory = (url: URL, inherited: object): Connection => openOne(url, inherited, connect, all);
    return new Pool(to, { connections, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, factory });
  };
  const proxy = proxyFor(origin, proxies, poolOf);
  return (
    proxy?.compose((dispatch) => (options, handler) => dispatch({ ...options, origin: origin.origin }, handler)) ??
    poolOf(origin.origin)
  );
}

function isConnector(connect: unknown): connect is buildConnector.connector {
  return typeof connect === 'function';
}

function openOne(to: URL, options: object, connect: buildConnector.connector, all: Set<Connection>): Connection {
  const connection: Connection = new Connection(
    to,
    {
      ...options,
      connect: (target, done) =>
        connect(target, (...result) => {
          connection.socket = result[1] ?? undefined;
          if (connection.socket !== undefined) passOverContinue(connection.socket);
          connection.hasAnswered = false;
          done(...result);
        }),
    },
    all,
  );
  return connection;
}
