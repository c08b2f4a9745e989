// Listens at every address of the host. `localhost` mostly has two: 127.0.0.1 and ::1.
//
// There is one HTTP server, which knows all connections and has every bound. It listens at the first address; at any other, what
// accepts connections hands them over to it. (Of the servers that Fastify adds for `localhost` nothing else would know.)

import type { FastifyInstance } from 'fastify';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Why nothing can be listened at, in words for whoever starts it. */
export class CannotListen extends Error {}

const REASONS: ReadonlyMap<unknown, string> = new Map([
  ['EADDRINUSE', 'something else listens there: end that, or set PORT to another, or to 0 for a free one'],
  ['EACCES', 'this user may not: set PORT to one from 1024 on'],
  ['EADDRNOTAVAIL', 'this machine has no such address: set HOST to one that it has'],
  ['ENOTFOUND', 'no such name is known: set HOST to an address of this machine'],
]);

/** @returns the address it answers at, as a URL: the first of them. @throws CannotListen where it cannot listen at that */
export async function listen(http: FastifyInstance, { host, port }: ListenOptions): Promise<string> {
  const [first = host, ...others] = await addressesOf(host);
  const doors = others.map((address) => ({ address, server: doorOf(http) }));
  const closed: Promise<unknown>[] = [];
  http.addHook('preClose', async () => {
    for (const { server } of doors) if (server.listening) closed.push(once(server.close(), 'close'));
  });
  http.addHook('onClose', async () => void (await Promise.all(closed)));

  const url = await http.listen({ host: first, port }).catch((error: NodeJS.ErrnoException) => {
    const reason = REASONS.get(error.code);
    throw reason === undefined ? error : new CannotListen(`Cannot listen at ${host}, port ${port} (${error.code}): ${reason}`);
  });
  const taken = Number(new URL(url).port);
  await Promise.all(
    doors.map(async ({ address, server }) => {
      try {
        await once(server.listen({ host: address, port: taken }), 'listening');
        server.on('error', (error) => http.server.emit('error', error));
        http.log.info({ address }, 'Server listening at another address of HOST');
      } catch (error) {
        // A system may name an address that it does not have.
        http.log.warn({ address, reason: String(error) }, 'not listening at another address of HOST');
      }
    }),
  );
  return url;
}

/** Accepts connections for the server, with the options of a server for HTTP. */
function doorOf({ server }: FastifyInstance): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void server.emit('connection', socket));
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (host !== 'localhost') return [host];
  return [...new Set((await lookup(host, { all: true })).map(({ address }) => address))];
}
