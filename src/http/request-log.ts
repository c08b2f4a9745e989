// The log of one request. Most requests write no line of their own but the one that says how they were answered, so what puts their
// id on other lines is made when there is one.

import type { FastifyBaseLogger } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Outcome } from '../cache/outcome.ts';
import type { Reader } from '../clients/client.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { answeredLines } from './answered-line.ts';
import { traceparentOf } from './traceparent.ts';
import type { Metrics } from './metrics.ts';

/** Makes the log of a request, as Fastify asks for it. */
export function requestLog(
  logger: FastifyBaseLogger,
  bindings: Record<string, unknown>,
  _options: object,
  { headers }: IncomingMessage,
): FastifyBaseLogger {
  const traceparent = traceparentOf(headers);
  return new RequestLog(logger, traceparent === undefined ? bindings : { ...bindings, traceparent });
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

/** A request that was answered. */
export interface Answered {
  readonly id: string;
  /** The trace that it is part of. */
  readonly traceparent?: string | undefined;
  /** Null where nobody was recognized. */
  readonly reader: Reader | null;
  readonly conversation: ConversationId | null;
  readonly status: number;
  readonly outcome: Outcome | null;
  readonly durationMs: number;
}

/**
 * Counts an answered request and writes its line.
 * @param write takes a line; null where LOG_LEVEL wants none.
 * @param onAnswered hears of each besides.
 */
export function answeredNote(
  metrics: Metrics,
  write: ((line: string) => void) | null,
  onAnswered?: (answered: Answered) => void,
): (answered: Answered) => void {
  const lineOf = answeredLines();
  return (answered) => {
    metrics.answered(answered.outcome, answered.status, answered.durationMs);
    onAnswered?.(answered);
    write?.(lineOf(answered, Date.now()));
  };
}
