// Composes what operators see and do, where ADMIN_KEYS names any: the status page, explanations, the purge. Without, none of it runs.

import type { FastifyInstance } from 'fastify';
import type { ReadThrough } from './cache/read-through.ts';
import { clientRegistry } from './clients/registry.ts';
import type { Config } from './config/load-config.ts';
import { admin } from './http/admin.ts';
import { forAdmins } from './http/admin-authentication.ts';
import { nameOfLimitKey, type AuthenticationOptions } from './http/authentication.ts';
import { hasGone } from './http/connections.ts';
import { errorReply } from './http/error-replies.ts';
import type { Edge } from './http/edge-metrics.ts';
import type { EventLoop } from './http/event-loop.ts';
import type { Metrics } from './http/metrics.ts';
import type { Readiness } from './http/readiness.ts';
import type { Answered } from './http/request-log.ts';
import { explanation } from './status/explanation.ts';
import { feedPanel } from './status/feed-panel.ts';
import { sharedPanel } from './status/shared-panel.ts';
import { passThroughPanel } from './status/pass-through-panel.ts';
import { edgePanel, memoryPanel, readinessPanel, upstreamPanel } from './status/panels.ts';
import { Status, type StatusOptions } from './status/status.ts';
import { statusRoutes } from './status/status-routes.ts';
import type { ProtectedUpstream } from './upstream/protected-upstream.ts';
import type { ConversationId } from './upstream/upstream.ts';
import { VERSION } from './version.ts';

export interface OpenStatusOptions {
  readonly http: FastifyInstance;
  readonly config: Pick<
    Config,
    'adminKeys' | 'cacheMemoryBytes' | 'feed' | 'history' | 'passThrough' | 'redisUrls' | 'upstreamRate'
  >;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly addressOf: AuthenticationOptions['addressOf'];
  readonly metrics: Metrics;
  readonly readThrough: ReadThrough;
  readonly readiness: Readiness;
  readonly upstream: Pick<ProtectedUpstream, 'stats'>;
  readonly edge: Pick<Edge, 'connections' | 'unread' | 'logLinesDropped'> & { readonly eventLoop: EventLoop };
  /** What other parts of the program show of themselves, in order. */
  readonly panels?: StatusOptions['panels'];
  /** Between two moments that the plots show, ms. */
  readonly everyMs?: number | undefined;
}

/** What the rest of the program tells it. */
export interface OpenStatus {
  readonly answered: (answered: Answered) => void;
  /** @param reader as `limitKey` has it; undefined for a read behind an answer. */
  called(conversation: ConversationId, reader: string | undefined): void;
  /** Has it hear of errors that a scope answers with. */
  readonly hearErrors: (scope: FastifyInstance) => void;
  close(): void;
}

export function openStatus(options: OpenStatusOptions): OpenStatus {
  const { http, config, addressOf, metrics, readThrough, everyMs } = options;
  const panels = [...ownPanels(options), ...(options.panels ?? [])];
  const status = new Status({ registry: metrics.registry, version: VERSION, panels, everyMs });
  const admins = clientRegistry(config.adminKeys, { allowAnonymous: false });
  forAdmins(http, admins, addressOf, (scope) => {
    admin(scope, {
      purge: (extent) => readThrough.purgeEverywhere(extent),
      explain: (conversation, query) => explanation(conversation, query, readThrough.outlook(conversation, query)),
    });
    statusRoutes(scope, status);
  });
  status.start();
  return {
    answered: ({ reader, conversation, outcome, status: code }) =>
      status.answered({ client: reader?.clientName ?? null, conversation, outcome, status: code }),
    called: (conversation, reader) => status.called(reader === undefined ? null : nameOfLimitKey(reader), conversation),
    hearErrors(scope) {
      scope.addHook('onError', (request, _reply, error, done) => {
        if (hasGone(request)) return done();
        const { body } = errorReply(error);
        const { reader, conversation, id } = request;
        const client = reader?.clientName ?? null;
        status.errors.met({ code: body.code, sentence: body.error, requestId: id, client, conversation });
        done();
      });
    },
    close: () => status.stop(),
  };
}

function ownPanels({ config, now, metrics, readiness, upstream, edge }: OpenStatusOptions): StatusOptions['panels'] {
  const { connections, unread, eventLoop, logLinesDropped } = edge;
  return [
    () => readinessPanel(readiness.problem, metrics.hasFallenBack ? 'fallen' : config.history),
    () => upstreamPanel(upstream.stats(), config.upstreamRate, now()),
    () => memoryPanel({ ...metrics.size, bytesMax: config.cacheMemoryBytes, rssBytes: process.memoryUsage.rss() }),
    () => edgePanel({ connections: connections.open, unreadBytes: unread.bytes, logLinesDropped: logLinesDropped(), eventLoop }),
    ...(config.feed.size > 0 ? [() => feedPanel(metrics.registry, Date.now())] : []),
    ...(config.redisUrls.length > 0 ? [() => sharedPanel(metrics.registry)] : []),
    ...(config.passThrough === 'off' ? [] : [() => passThroughPanel(metrics.registry)]),
  ];
}
