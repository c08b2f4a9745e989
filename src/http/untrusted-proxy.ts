// Tells the log that requests come through a proxy which TRUST_PROXY does not name: limits then take all who come through it for
// one caller.

import type { FastifyBaseLogger, FastifyRequest } from 'fastify';

/** The header may come from any caller, so it cannot fill the log. */
const TOLD_EVERY_MS = 60 * 60_000;

/** A hook for where TRUST_PROXY is off. */
export function noticeProxies(
  log: Pick<FastifyBaseLogger, 'warn'>,
  now: () => number = Date.now,
): (request: FastifyRequest) => void {
  let toldAt = -Infinity;
  return ({ raw }) => {
    if (raw.headers['x-forwarded-for'] === undefined || Math.abs(now() - toldAt) < TOLD_EVERY_MS) return;
    toldAt = now();
    log.warn(
      'a request came with X-Forwarded-For, and TRUST_PROXY is off: if a proxy stands before this server, set TRUST_PROXY to its address; until then, limits by address take all who come through it for one caller',
    );
  };
}
