// What operators and their machines ask: alive, able, numbers. None of it needs a key and none of it tells content.

import type { FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

export interface OperationsOptions {
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

export function operations(app: FastifyInstance, { metrics, readiness }: OperationsOptions): void {
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const { problem } = readiness;
    if (problem === null) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', error: problem });
  });
  app.get('/metrics', async (_request, reply) => {
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
