// Where Chatwoot's webhooks arrive: `POST /feed/webhooks/{account_id}`, and for a Chatwoot that signs nothing the same with a secret
// behind it. Answered as soon as what they say is due; nothing of them is kept, and their paths are in no log.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Rate } from '../rate.ts';
import { BackscrollError, type ErrorCode } from '../errors.ts';
import { membersOf } from '../feed/json-members.ts';
import type { WebhookRefusal } from '../feed/observer.ts';
import type { WebhookHead, Webhooks } from '../feed/webhooks.ts';
import { UnauthenticatedLimit } from './unauthenticated-limit.ts';
import { WindowCounters } from './window-counters.ts';

export interface WebhookRouteOptions {
  readonly webhooks: Webhooks;
  readonly addressOf: (request: FastifyRequest) => string;
  readonly onRefused: (because: WebhookRefusal) => void;
  /** How many of one account are taken. Default 2,000 a second. */
  readonly rate?: Rate;
  /** Within which a body has come, ms. Default 10 s. */
  readonly bodyTimeoutMs?: number;
}

const BODY_BYTES_MAX = 1024 * 1024;
/** What all bodies that are being received may have together. */
const BODIES_BYTES_MAX = 64 * BODY_BYTES_MAX;
const RATE: Rate = { max: 2_000, windowMs: 1_000 };
/** Chatwoot itself gives up after five seconds. */
const BODY_TIMEOUT_MS = 10_000;

interface Refusal {
  readonly status: number;
  readonly sentence: string;
}

/** The first three look alike: which accounts have secrets is nobody's business. */
const NOT_OURS: Refusal = {
  status: 401,
  sentence: 'This webhook has no signature that is valid here: put the secret that Chatwoot shows for it into WEBHOOK_SECRETS',
};
const REFUSALS: Readonly<Record<WebhookRefusal, Refusal>> = {
  unknown: NOT_OURS,
  unsigned: NOT_OURS,
  forged: NOT_OURS,
  late: {
    status: 401,
    sentence: 'The timestamp of this webhook is more than five minutes off: set the clocks of both sides by NTP',
  },
  repeated: { status: 409, sentence: 'This delivery has been taken before' },
  'too-large': { status: 413, sentence: `A webhook has at most ${BODY_BYTES_MAX} bytes` },
  garbage: { status: 400, sentence: 'The body of this webhook is not JSON' },
  foreign: { status: 422, sentence: 'This webhook is of another account than its path says' },
  rate: { status: 429, sentence: 'Too many webhooks; wait as long as Retry-After says' },
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes that are held for its body; 0 where it is no webhook. */
    webhookBytes: number;
  }
}

export async function webhookRoute(
  app: FastifyInstance,
  { webhooks, addressOf, onRefused, rate = RATE, bodyTimeoutMs = BODY_TIMEOUT_MS }: WebhookRouteOptions,
): Promise<void> {
  const failures = new UnauthenticatedLimit();
  const counters = new WindowCounters();
  let bytesHeld = 0;
  const refusal = (because: WebhookRefusal, retryAfter?: number): BackscrollError => {
    onRefused(because);
    const { status, sentence } = REFUSALS[because];
    const code: ErrorCode = because === 'rate' ? 'rate_limited' : 'webhook_refused';
    return new BackscrollError(code, sentence, { status, retryAfter });
  };
  /** Of those whose sender is nobody, past a limit with a word about waiting. */
  const judged = (request: FastifyRequest, because: WebhookRefusal): BackscrollError => {
    const now = Date.now();
    const address = addressOf(request);
    const waitMs = failures.waitMs(address, now);
    if (waitMs > 0) return refusal('rate', waitMs / 1000);
    failures.failed(address, now);
    return refusal(because);
  };

  await app.register(async (scope) => {
    scope.decorateRequest('webhookBytes', 0);
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.addHook('onRequest', (request, reply, done) => {
      const because = webhooks.judgeHead(headOf(request));
      if (because !== null) return done(judged(request, because));
      const announced = Number(request.headers['content-length'] ?? BODY_BYTES_MAX);
      if (announced > BODY_BYTES_MAX) return done(refusal('too-large'));
      if (bytesHeld + announced > BODIES_BYTES_MAX) return done(refusal('rate', 1));
      request.webhookBytes = announced;
      bytesHeld += announced;
      const tooSlow = setTimeout(() => request.raw.destroy(), bodyTimeoutMs);
      reply.raw.once('close', () => {
        clearTimeout(tooSlow);
        bytesHeld -= announced;
      });
      done();
    });
    scope.setErrorHandler((error) => {
      // What Fastify itself finds of a body that did not announce its length.
      throw isTooLarge(error) ? refusal('too-large') : error;
    });
    const options = { bodyLimit: BODY_BYTES_MAX };
    for (const path of ['/feed/webhooks/:account', '/feed/webhooks/:account/:secret']) {
      scope.post(path, options, async (request, reply) => {
        const head = headOf(request);
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const forged = webhooks.judgeBody(head, body);
        if (forged !== null) throw judged(request, forged);
        // Only what has proved to be Chatwoot's counts: others cannot use it up.
        const { count, leftMs } = counters.count(String(head.accountId), rate, Date.now());
        if (count > rate.max) throw refusal('rate', leftMs / 1000);
        const because = webhooks.take(head, body);
        if (because !== null) throw refusal(because);
        return reply.code(204).send();
      });
    }
  });
}

function headOf({ params, headers }: FastifyRequest): WebhookHead {
  const { account, secret } = membersOf(params);
  const header = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  return {
    accountId: typeof account === 'string' && /^[1-9]\d{0,14}$/.test(account) ? Number(account) : 0,
    pathSecret: typeof secret === 'string' ? secret : null,
    timestamp: header('x-chatwoot-timestamp'),
    signature: header('x-chatwoot-signature'),
    delivery: header('x-chatwoot-delivery'),
  };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';
}
