// The door of this room: everything that callers with a Chatwoot token of their own are served by.

import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { Registry } from 'prom-client';
import type { ReadThrough } from '../cache/read-through.ts';
import type { Client } from '../clients/client.ts';
import { clientRegistry, type ClientRegistry } from '../clients/registry.ts';
import type { AnswerOwn } from '../http/messages-route.ts';
import type { OpenHttp } from '../http/open.ts';
import type { ReadBudget } from '../upstream/budget.ts';
import type { Proxies } from '../upstream/proxies.ts';
import { OwnCallers } from './own-callers.ts';
import { OwnMessages } from './own-messages.ts';
import { Passage } from './passage.ts';
import { passThrough } from './pass-through.ts';
import { PassThroughMetrics } from './pass-through-metrics.ts';
import { Permissions } from './permissions.ts';

/** As settings have them. */
export interface PassThroughSettings {
  readonly chatwootUrl: string;
  readonly adminKeys: readonly Client[];
  readonly upstreamConnections: number;
  readonly upstreamTimeoutMs: number;
  readonly passedBodyMaxBytes: number;
  readonly proxies: Proxies;
}

export interface RoomOptions {
  readonly settings: PassThroughSettings;
  readonly edge: Pick<OpenHttp, 'addressOf' | 'countedAs' | 'limit' | 'unread'>;
  readonly answerTimeoutMs: number;
  readonly budget: ReadBudget;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly registry: Registry;
  readonly readThrough: ReadThrough;
  readonly clients: () => ClientRegistry;
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

export function openPassThrough(room: RoomOptions): Room {
  const { settings, edge, clients, budget, now, registry, readThrough, authenticate, answerTimeoutMs } = room;
  const { upstreamConnections: connections, upstreamTimeoutMs: timeoutMs, passedBodyMaxBytes: bodyMaxBytes, proxies } = settings;
  const { addressOf, countedAs: limitKey, limit, unread } = edge;
  const admins = clientRegistry(settings.adminKeys, { allowAnonymous: false });
  const callers = new OwnCallers({ limit, addressOf, now, registries: () => [clients(), admins] });
  const passage = new Passage({ baseUrl: new URL(settings.chatwootUrl), connections, proxies, timeoutMs, budget, now });
  const metrics = new PassThroughMetrics(registry, () => passage.running);
  const permissions = new Permissions({ now });
  const onPermitted = metrics.permitted.bind(metrics);
  const messages = new OwnMessages({ readThrough, permissions, callers, now, answerTimeoutMs, onPermitted });
  const options = { unread, addressOf, limitKey, authenticate, bodyMaxBytes, timeoutMs };
  return {
    authenticate(request, reply, done) {
      const reader = callers.readerOf(request);
      if (reader?.ownToken === undefined) return authenticate.call(this, request, reply, done);
      request.reader = reader;
      done(callers.refusal(request, reply, reader.ownToken));
    },
    answerOwn: (request, own, asked) => messages.answer(request, own, asked),
    register: (app) =>
      passThrough(app, { ...options, callers, passage, metrics, apply: (change) => readThrough.announceWritten(change) }),
    close: () => passage.close(),
  };
}
