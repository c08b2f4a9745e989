// The log of one request. Most requests write no line of their own but the one that says how they were answered, so what puts their
// id on other lines is made when there is one.

import type { FastifyBaseLogger, onResponseHookHandler } from 'fastify';
import type { Metrics } from './metrics.ts';

/** Makes the log of a request, as Fastify asks for it. */
export function requestLog(logger: FastifyBaseLogger, bindings: Record<string, unknown>): FastifyBaseLogger {
  return new RequestLog(logger, bindings);
}

class RequestLog implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger;
  readonly #bindings: Record<string, unknown>;
  #own: FastifyBaseLogger | undefined;

  constructor(parent: FastifyBaseLogger, bindings: Record<string, unknown>) {
    this.#parent = parent;
    this.#bindings = bindings;
  }

  get #log(): FastifyBaseLogger {
    return (this.#own ??= this.#parent.child(this.#bindings));
  }

  get level(): string {
    return this.#log.level;
  }

  // Fastify looks for these seven; the functions of pino know where to write by what they are called on.
  fatal(...line: unknown[]): void {
    Reflect.apply(this.#log.fatal, this.#log, line);
  }

  error(...line: unknown[]): void {
    Reflect.apply(this.#log.error, this.#log, line);
  }

  warn(...line: unknown[]): void {
    Reflect.apply(this.#log.warn, this.#log, line);
  }

  info(...line: unknown[]): void {
    Reflect.apply(this.#log.info, this.#log, line);
  }

  debug(...line: unknown[]): void {
    Reflect.apply(this.#log.debug, this.#log, line);
  }

  trace(...line: unknown[]): void {
    Reflect.apply(this.#log.trace, this.#log, line);
  }

  silent(): void {}

  child(bindings: Record<string, unknown>): FastifyBaseLogger {
    return this.#log.child(bindings);
  }
}

/** A hook that counts an answered request and writes its line. */
export function noteAnswers(metrics: Metrics, logger: FastifyBaseLogger): onResponseHookHandler {
  return (request, reply, done) => {
    const { id, outcome, reader, conversation } = request;
    const { statusCode: status, elapsedTime } = reply;
    metrics.answered(outcome, status, elapsedTime);
    const ms = Math.round(elapsedTime * 10) / 10;
    logger.info({ reqId: id, client: reader?.clientName, ...conversation, status, outcome, ms }, 'answered');
    done();
  };
}
