// rack-attack's limit per IP and minute, and how Rails finds that IP (contract 2.3).

import { isIP } from 'node:net';

/** Counts requests of each IP in fixed minutes of the given clock. */
export class Throttle {
  readonly #perMinute: number;
  #minute = -1;
  readonly #counts = new Map<string, number>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts one request; true when it is over the limit. Loopback is safelisted and never counted. */
  exceeds(ip: string, nowMs: number): boolean {
    if (ip === '127.0.0.1' || ip === '::1') return false;
    const minute = Math.floor(nowMs / 60_000);
    if (minute !== this.#minute) this.#counts.clear();
    this.#minute = minute;
    const count = (this.#counts.get(ip) ?? 0) + 1;
    this.#counts.set(ip, count);
    return count > this.#perMinute;
  }
}

const TRUSTED_PROXY = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|::1$|f[cd])/i;

/** Rails' remote_ip: the last address of X-Forwarded-For that is not a private one, else the peer (contract 2.3). */
export function remoteIp(peer: string, forwardedFor: string | undefined): string {
  const address = peer.replace(/^::ffff:/, '');
  const forwarded = (forwardedFor ?? '').split(/[,\s]+/).filter((part) => isIP(part) !== 0);
  const chain = [...forwarded.toReversed(), address];
  return chain.find((ip) => !TRUSTED_PROXY.test(ip)) ?? forwarded[0] ?? address;
}
