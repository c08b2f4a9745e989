// The door of this room: everything that callers with a Chatwoot token of their own are served by.

import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Registry } from 'prom-client';
import type { ReadThrough } from '../cache/read-through.ts';
import type { Client } from '../clients/client.ts';
import { clientRegistry, type ClientRegistry } from '../clients/registry.ts';
import type { AnswerOwn } from '../http/messages-route.ts';
import type { UnauthenticatedLimit } from '../http/unauthenticated-limit.ts';
import type { UnreadAnswers } from '../http/unread.ts';
import type { Budget } from '../upstream/budget.ts';
import type { Proxies } from '../upstream/proxies.ts';
import { OwnCallers } from './own-callers.ts';
import { OwnMessages } from './own-messages.ts';
import { Passage } from './passage.ts';
import { passThrough } from './pass-through.ts';
import { PassThroughMetrics } from './pass-through-metrics.ts';
import { Permissions } from './permissions.ts';

export interface RoomOptions {
  readonly baseUrl: URL;
  readonly connections: number;
  readonly proxies: Proxies;
  readonly timeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly bodyMaxBytes: number;
  readonly budget: Budget;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly registry: Registry;
  readonly readThrough: ReadThrough;
  readonly unread: UnreadAnswers;
  readonly clients: () => ClientRegistry;
  readonly adminKeys: readonly Client[];
  readonly limit: UnauthenticatedLimit;
  readonly addressOf: (request: FastifyRequest) => string;
  readonly limitKey: (request: FastifyRequest) => string;
  /** Recognizes keys and tokens of this server's, or refuses. */
  readonly authenticate: onRequestHookHandler;
}

export interface Room {
  /** In place of `authenticate` where messages are served: recognizes who brings a token of its own, too. */
  readonly authenticate: onRequestHookHandler;
  readonly answerOwn: AnswerOwn;
  /** Adds the routes. */
  register(app: FastifyInstance): void;
  close(): Promise<void>;
}

export function openPassThrough(options: RoomOptions): Room {
  const { readThrough, now, answerTimeoutMs, authenticate } = options;
  const admins = clientRegistry(options.adminKeys, { allowAnonymous: false });
  const callers = new OwnCallers({ ...options, registries: () => [options.clients(), admins] });
  const passage = new Passage(options);
  const metrics = new PassThroughMetrics(options.registry, () => passage.running);
  const permissions = new Permissions({ now });
  const onPermitted = metrics.permitted.bind(metrics);
  const messages = new OwnMessages({ readThrough, permissions, callers, now, answerTimeoutMs, onPermitted });
  return {
    authenticate(request, reply, done) {
      const reader = callers.readerOf(request);
      if (reader?.ownToken === undefined) return authenticate.call(this, request, reply, done);
      request.reader = reader;
      done(callers.refusal(request, reader.ownToken));
    },
    answerOwn: (request, own, asked) => messages.answer(request, own, asked),
    register: (app) =>
      passThrough(app, { ...options, callers, passage, metrics, apply: (change) => readThrough.announceWritten(change) }),
    close: () => passage.close(),
  };
}
