// The connections to Chatwoot, and which of them an answer came over. A connection that is off by one answers every question
// with the answer to another, so the very one must not be asked again. A pool of undici does not name it.

import type { Socket } from 'node:net';
import { buildConnector, Client, type Dispatcher, Pool } from 'undici';

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

export interface PoolOptions {
  readonly connections: number;
  readonly timeoutMs: number;
}

/** A pool whose connections a `Carriage` learns of. Nothing is connected before the first request. */
export function openPool(origin: string, { connections, timeoutMs }: PoolOptions): Pool {
  const connect = buildConnector({ timeout: timeoutMs });
  const factory = (to: URL, options: object): Connection => {
    const connection: Connection = new Connection(to, {
      ...options,
      connect: (target, done) =>
        connect(target, (...result) => {
          connection.socket = result[1] ?? undefined;
          done(...result);
        }),
    });
    return connection;
  };
  return new Pool(origin, { connections, pipelining: 1, headersTimeout: timeoutMs, bodyTimeout: timeoutMs, factory });
}
