// The end of the server's life: callers under way are answered, new ones are told to come back, and no connection stays open.

import type { FastifyInstance } from 'fastify';
import { BackscrollError } from '../errors.ts';
import { isForMessages } from './server.ts';

export class Draining {
  #underWay = 0;
  #begun = false;
  #answered: (() => void) | undefined;

  /** Adds hooks to the server; must come after what makes a refusal readable in a browser (CORS). */
  constructor(http: FastifyInstance) {
    http.addHook('onRequest', (request, reply, done) => {
      if (!isForMessages(request)) return done();
      if (this.#begun) {
        return done(new BackscrollError('draining', 'This server is shutting down; try again', { retryAfter: 1 }));
      }
      this.#underWay++;
      // Also where the caller goes away before its answer.
      reply.raw.once('close', () => {
        this.#underWay--;
        if (this.#underWay === 0) this.#answered?.();
      });
      done();
    });
    // Else a connection would stay open behind its last answer, and closing would wait for its caller to let go.
    http.addHook('onSend', (_request, reply, payload, done) => {
      if (this.#begun) void reply.header('connection', 'close');
      done(null, payload);
    });
  }

  /** From now on new requests for messages are refused with `draining`. Resolves when those under way are over. */
  begin(): Promise<void> {
    this.#begun = true;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#answered = resolve));
  }
}
