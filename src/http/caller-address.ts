// The address that limits count a caller by: one form for one caller, however proxies spell it.

import { compile } from '@fastify/proxy-addr';
import { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import { isIP, isIPv4 } from 'node:net';
import { LRUCache } from 'lru-cache';

/** Reading an IPv6 address is slow, so what came of the last ones is kept. */
const NETWORKS_KEPT = 10_000;

/** What callers share whose address is not known: their connections have gone. */
const UNKNOWN = 'unknown';

/** Whether an address in the chain of proxies is believed; `hop` counts from this process outwards. */
export type Trust = boolean | ((address: string, hop: number) => boolean);

/**
 * TRUST_PROXY as Fastify takes it. Proxies may be known by their addresses although they are written with a port: Azure's
 * gateway and load balancers that keep the client's port write them so.
 */
export function trustOf(trustProxy: boolean | number | string): Trust {
  if (typeof trustProxy === 'boolean') return trustProxy;
  if (typeof trustProxy === 'number') return (_address, hop) => hop < trustProxy;
  const isTrusted = compile(trustProxy.split(','));
  return (address, hop) => {
    // As it is first: TRUST_PROXY may name a zone.
    if (isTrusted(address, hop)) return true;
    const bare = bareAddress(address);
    return bare !== null && bare !== address && isTrusted(bare, hop);
  };
}

/**
 * What gives a request's address to limits.
 * @param ipv6PrefixBits how much of an IPv6 address is one caller: it has all addresses of its network.
 */
export function callerAddress(ipv6PrefixBits: number): (request: Pick<FastifyRequest, 'ip' | 'ips'>) => string {
  const networks = new LRUCache<string, string>({ max: NETWORKS_KEPT });
  const networkOf = (address: string): string => {
    if (isIPv4(address)) return address;
    const known = networks.get(address);
    if (known !== undefined) return known;
    const network = normalizeIP(address, ipv6PrefixBits);
    networks.set(address, network);
    return network;
  };
  return ({ ip, ips = [ip] }) => {
    // From the caller inwards: where a proxy passes on what is no address, who sent it counts by the address of that proxy.
    const address = ips
      .toReversed()
      .map(bareAddress)
      .find((bare) => bare !== null);
    return address === undefined || address === null ? UNKNOWN : networkOf(address);
  };
}

/** An address without port, brackets, quotes and zone; null for what is none. */
export function bareAddress(text: string | undefined): string | null {
  if (text === undefined) return null;
  const unquoted = text.replace(/^"(.*)"$/, '$1');
  const [, inBrackets, beforePort] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(unquoted) ?? [];
  const [address = ''] = (inBrackets ?? beforePort ?? unquoted).split('%', 1);
  return isIP(address) === 0 ? null : address;
}
