// The end of the server's life: callers under way are answered, new ones are told to come back, and no connection stays open.

import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BackscrollError } from '../errors.ts';

interface Connection {
  /** Answers under way: callers may ask again before they have an answer (RFC 9112 9.3.2). */
  answers: number;
  readonly onAnswered: () => void;
}

export class Draining {
  /** Connections on which something was asked. */
  readonly #connections = new Map<Socket, Connection>();
  /** Answers under way on all of them. */
  #underWay = 0;
  #begun = false;
  #answered: (() => void) | undefined;

  constructor(http: FastifyInstance) {
    // Else a connection would stay open behind its last answer, and closing would wait for its caller to let go.
    http.addHook('onSend', (request, reply, payload, done) => {
      if (this.#begun && (this.#connections.get(request.raw.socket)?.answers ?? 0) <= 1) void reply.header('connection', 'close');
      done(null, payload);
    });
  }

  /** A hook for the requests that are to be answered before the end. It must come after what makes a refusal readable in a browser (CORS). */
  readonly admit: onRequestHookHandler = (request, reply, done) => {
    if (this.#begun) return done(new BackscrollError('draining', 'This server is shutting down; try again', { retryAfter: 1 }));
    this.watch(request.raw.socket, reply.raw);
    done();
  };

  get hasBegun(): boolean {
    return this.#begun;
  }

  /** From now on new requests for messages are refused with `draining`. Resolves when those under way are over. */
  begin(): Promise<void> {
    this.#begun = true;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#answered = resolve));
  }

  /** Waits at the end for this answer. */
  watch(socket: Socket, response: ServerResponse): void {
    if (socket.destroyed) return;
    const connection = this.#connections.get(socket) ?? this.#connect(socket);
    connection.answers++;
    this.#underWay++;
    response.on('close', connection.onAnswered);
  }

  #connect(socket: Socket): Connection {
    const connection = { answers: 0, onAnswered: () => this.#over(connection, 1) };
    this.#connections.set(socket, connection);
    // An answer that waits behind another on a connection that is lost never closes.
    socket.once('close', () => {
      this.#connections.delete(socket);
      this.#over(connection, connection.answers);
    });
    return connection;
  }

  #over(connection: Connection, answers: number): void {
    if (connection.answers < answers) return;
    connection.answers -= answers;
    this.#underWay -= answers;
    if (this.#underWay === 0) this.#answered?.();
  }
}
