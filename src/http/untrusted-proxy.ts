// Tells the log that requests come through a proxy which TRUST_PROXY does not name: limits then take all who come through it for
// one caller.

import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { seldom } from './seldom.ts';

/** The header may come from any caller, so it cannot fill the log. */
const TOLD_EVERY_MS = 60 * 60_000;

/** A hook for where TRUST_PROXY is off. */
export function noticeProxies(
  log: Pick<FastifyBaseLogger, 'warn'>,
  now: () => number = Date.now,
): (request: FastifyRequest) => void {
  const tell = seldom({ everyMs: TOLD_EVERY_MS, now });
  const warn = (): void =>
    log.warn(
      'a request came with X-Forwarded-For, and TRUST_PROXY is off: if a proxy stands before this server, set TRUST_PROXY to its address; until then, limits by address take all who come through it for one caller',
    );
  return ({ raw }) => {
    if (raw.headers['x-forwarded-for'] !== undefined) tell(warn);
  };
}
