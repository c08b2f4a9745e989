// What operators and their machines ask: alive, able, numbers. None of it needs a key and none of it tells content.

import type { FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface OperationsOptions {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** The OpenAPI document as JSON. */
  readonly openapi: string;
}

export function operations(app: FastifyInstance, { metrics, readiness, openapi }: OperationsOptions): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const { problem } = readiness;
    if (problem === null) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', error: problem });
  });
  app.get('/openapi.json', (_request, reply) =>
    reply.headers({ 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-cache' }).send(openapi),
  );
  app.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
