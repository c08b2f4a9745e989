// A door before the fake that can be shut: then nothing listens at its address, and what was connected is cut.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../support/free-port.ts';

export class Front {
  readonly url: string;
  readonly #port: number;
  readonly #target: number;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, target: number) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the front does not listen');
    this.#server = server;
    this.#port = address.port;
    this.#target = target;
    this.url = `http://127.0.0.1:${address.port}`;
    server.on('connection', (socket) => this.#join(socket));
  }

  static async open(target: number): Promise<Front> {
    const server = createServer().listen(await freePort(), '127.0.0.1');
    await once(server, 'listening');
    return new Front(server, target);
  }

  /** Nobody gets in, and who was in is thrown out. */
  shut(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Listens again at the same address. */
  async reopen(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => this.#join(socket)).listen(this.#port, '127.0.0.1');
    this.#server = server;
    await once(server, 'listening');
  }

  #join(caller: Socket): void {
    const onward = connect(this.#target, '127.0.0.1');
    for (const socket of [caller, onward]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        caller.destroy();
        onward.destroy();
      });
    }
    caller.pipe(onward).pipe(caller);
  }
}
