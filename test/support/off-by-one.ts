// A front before the fake as a faulty balancer is: a connection may hold a leftover answer, and then answers every question with the
// answer to the one before.

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { request } from 'undici';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What passes on: as Chatwoot has it, or without the ids of requests, as many a front does. */
export type Passes = 'ids' | 'no ids';

export class OffByOneFront {
  readonly #server: Server;
  readonly #passes: Passes;
  readonly #leftovers = new Map<Socket, Answer[]>();
  #last: Answer | undefined;
  #next: Answer | undefined;
  /** The connection that was put out of step, once it is. */
  poisoned: Socket | undefined;
  /** Over which connection each request came. */
  readonly over: Socket[] = [];

  private constructor(target: string, passes: Passes) {
    this.#passes = passes;
    this.#server = createServer((incoming, response) => {
      void (async () => {
        this.over.push(incoming.socket);
        const answer = await ask(`${target}${incoming.url}`, incoming.headers);
        const { status, headers, body } = this.#inTurn(incoming.socket, answer);
        const { 'x-request-id': _id, ...others } = headers;
        response.writeHead(status, this.#passes === 'ids' ? headers : others).end(body);
      })();
    });
  }

  static async open(target: string, passes: Passes): Promise<OffByOneFront> {
    const front = new OffByOneFront(target, passes);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Puts the connection of the next request out of step, by the answer that was given last. */
  leaveOver(): void {
    this.#next = this.#last;
  }

  #inTurn(socket: Socket, answer: Answer): Answer {
    const queue = this.#leftovers.get(socket) ?? [];
    this.#leftovers.set(socket, queue);
    if (this.#next !== undefined) {
      queue.push(this.#next);
      this.#next = undefined;
      this.poisoned = socket;
    }
    queue.push(answer);
    this.#last = answer;
    return queue.shift()!;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function ask(url: string, { host: _host, connection: _connection, ...headers }: IncomingHttpHeaders): Promise<Answer> {
  const { statusCode: status, headers: all, body } = await request(url, { headers });
  const kept = ['content-type', 'cache-control', 'etag', 'x-request-id', 'x-runtime'].flatMap((name) => {
    const value = all[name];
    return typeof value === 'string' ? [[name, value]] : [];
  });
  return { status, headers: Object.fromEntries(kept), body: Buffer.from(await body.arrayBuffer()) };
}
