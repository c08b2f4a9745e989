// `/status`, the page, and `/status/data`, its numbers. Whoever registers them sees to it that only operators come this far.

import type { FastifyInstance } from 'fastify';
import { invalidParameter } from '../errors.ts';
import { readPageFiles } from './page-files.ts';
import type { Status } from './status.ts';

/** Nothing from elsewhere, nothing inline, in nobody's frame, kept nowhere. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

export function statusRoutes(app: FastifyInstance, status: Status): void {
  for (const { path, type, content } of readPageFiles()) {
    app.get(path, (_request, reply) => reply.headers({ ...HEADERS, 'content-type': type }).send(content));
  }
  app.get('/status/data', async (request, reply) => {
    const after = afterOf(request.raw.url ?? '');
    return reply.headers({ ...HEADERS, 'content-type': 'application/json; charset=utf-8' }).send(await status.json(after));
  });
}

/** The moment after which history is wanted, unix seconds. */
function afterOf(url: string): number {
  const [, search = ''] = url.split('?');
  const text = new URLSearchParams(search).get('after') ?? '0';
  if (!/^\d{1,12}$/.test(text)) throw invalidParameter('after', 'must be a moment in unix seconds');
  return Number(text);
}
