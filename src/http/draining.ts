// The end of the server's life: callers under way are answered, new ones are told to come back, and no connection stays open.

import type { FastifyInstance } from 'fastify';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BackscrollError } from '../errors.ts';
import { isForMessages } from './server.ts';

export class Draining {
  /** Answers under way, by connection: callers may ask again before they have an answer (RFC 9112 9.3.2). */
  readonly #underWay = new Map<Socket, Set<ServerResponse>>();
  readonly #watched = new WeakSet<Socket>();
  #begun = false;
  #answered: (() => void) | undefined;

  /** Adds hooks to the server; must come after what makes a refusal readable in a browser (CORS). */
  constructor(http: FastifyInstance) {
    http.addHook('onRequest', (request, reply, done) => {
      if (!isForMessages(request)) return done();
      if (this.#begun) {
        return done(new BackscrollError('draining', 'This server is shutting down; try again', { retryAfter: 1 }));
      }
      this.#add(request.raw.socket, reply.raw);
      done();
    });
    // Else a connection would stay open behind its last answer, and closing would wait for its caller to let go.
    http.addHook('onSend', (request, reply, payload, done) => {
      const answers = this.#underWay.get(request.raw.socket)?.size ?? 0;
      if (this.#begun && answers <= 1) void reply.header('connection', 'close');
      done(null, payload);
    });
  }

  /** From now on new requests for messages are refused with `draining`. Resolves when those under way are over. */
  begin(): Promise<void> {
    this.#begun = true;
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#answered = resolve));
  }

  #add(socket: Socket, response: ServerResponse): void {
    if (socket.destroyed) return;
    const answers = this.#underWay.get(socket) ?? new Set();
    this.#underWay.set(socket, answers.add(response));
    response.once('close', () => {
      answers.delete(response);
      if (answers.size === 0) this.#over(socket);
    });
    // An answer that waits behind another on a connection that is lost never closes.
    if (this.#watched.has(socket)) return;
    this.#watched.add(socket);
    socket.once('close', () => this.#over(socket));
  }

  #over(socket: Socket): void {
    this.#underWay.delete(socket);
    if (this.#underWay.size === 0) this.#answered?.();
  }
}
