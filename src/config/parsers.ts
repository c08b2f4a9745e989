// What a setting's text comes to: a parser for each kind of value, which says what is wrong and never shows the text.

import { isIP } from 'node:net';
import bytes from 'bytes';
import ms from 'ms';
import { parseClientKeys } from '../clients/client-keys.ts';
import { parseDuration, parseRate, type Rate } from '../rate.ts';
import { Unacceptable, unquoted } from './setting-text.ts';

/** Anything else would break or split the header that carries the token. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
/** HS256 wants a secret no shorter than its hash (RFC 7518 3.2). */
const JWT_SECRET_BYTES_MIN = 32;
const TOKEN_PROBLEM = 'is not 1 to 4096 visible ASCII characters without spaces';

export function optional<T>(parse: (text: string) => T): (text: string) => T | undefined {
  return (text) => (text === '' ? undefined : parse(text));
}

export function baseUrl(text: string): string {
  if (text === '') throw new Unacceptable('is required');
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw new Unacceptable('is not a URL that begins with http:// or https://');
  const problems: string[] = [];
  if (url.username !== '' || url.password !== '') problems.push('must not hold credentials');
  // An empty query or fragment leaves no trace in the parsed URL.
  if (text.includes('?')) problems.push('must not have a query');
  if (text.includes('#')) problems.push('must not have a fragment');
  if (problems.length > 0) throw new Unacceptable(...problems);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

export function token(text: string): string {
  const problem = tokenProblem(text);
  if (problem !== null) throw new Unacceptable(problem);
  return text;
}

function tokenProblem(text: string): string | null {
  if (!TOKEN.test(text)) return TOKEN_PROBLEM;
  return /["']/.test(text) ? 'has a quote in it' : null;
}

export function accountTokens(text: string): ReadonlyMap<number, string> {
  return byAccount(text, (value, account) => {
    const problem = tokenProblem(typeof value === 'string' ? value : '');
    if (problem !== null) throw new Unacceptable(`has a token for account ${account} that ${problem}`);
    return String(value);
  });
}

/** 128 bits in the densest spelling that paths and headers take. */
const WEBHOOK_SECRET = /^[\x21-\x7e]{22,100}$/;

export function webhookSecrets(text: string): ReadonlyMap<number, readonly string[]> {
  return byAccount(text, (value, account) => {
    const secrets: readonly unknown[] = Array.isArray(value) ? value : [value];
    const areSecrets = secrets.length > 0 && secrets.every((secret) => typeof secret === 'string' && WEBHOOK_SECRET.test(secret));
    if (!areSecrets) throw new Unacceptable(`has no secret of 22 to 100 visible ASCII characters for account ${account}`);
    return secrets.map(String);
  });
}

/** A JSON object from account id to something. */
function byAccount<T>(text: string, read: (value: unknown, account: string) => T): ReadonlyMap<number, T> {
  if (text === '') return new Map();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text around the fault.
    throw new Unacceptable('is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Unacceptable('must be a JSON object');
  const found = new Map<number, T>();
  const problems: string[] = [];
  for (const [account, value] of Object.entries<unknown>({ ...json })) {
    try {
      // The key is not shown: a map the wrong way round has its secrets here.
      if (!/^[1-9]\d{0,14}$/.test(account)) throw new Unacceptable('must have account ids, whole numbers from 1 up, as its keys');
      found.set(Number(account), read(value, account));
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error;
      problems.push(...error.problems);
    }
  }
  if (found.size === 0 && problems.length === 0) problems.push('must hold at least one account');
  if (problems.length > 0) throw new Unacceptable(...new Set(problems));
  return found;
}

export function feedSources(text: string): ReadonlySet<'cable' | 'webhook'> {
  const words = text.split(',').map((word) => word.trim());
  const sources = new Set<'cable' | 'webhook'>();
  for (const word of words) {
    if (word === 'cable' || word === 'webhook') sources.add(word);
    else if (word !== 'off' || words.length > 1) throw new Unacceptable('must be off, cable, webhook, or cable,webhook');
  }
  return sources;
}

export function clientKeys(text: string) {
  if (text === '') return [];
  const read = parseClientKeys(text);
  if (read.kind === 'problems') throw new Unacceptable(...read.problems);
  return read.clients;
}

export function jwtSecrets(text: string): readonly string[] {
  if (text === '') return [];
  const secrets = text
    .split(/[\s,]+/)
    .map(unquoted)
    .filter((secret) => secret !== '');
  const problems = secrets.flatMap((secret, at) =>
    Buffer.byteLength(secret) < JWT_SECRET_BYTES_MIN ? `has fewer than ${JWT_SECRET_BYTES_MIN} bytes in secret ${at + 1}` : [],
  );
  if (secrets.length === 0) problems.push('holds no secret');
  if (problems.length > 0) throw new Unacceptable(...problems);
  return secrets;
}

export function proxyUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw new Unacceptable('is not a URL that begins with http:// or https://');
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new Unacceptable('has a % in its user or password that is not written as %25');
  }
  return url.href;
}

export function redisUrls(text: string): readonly string[] {
  if (text === '') return [];
  return text.split(',').map((part) => {
    const url = URL.canParse(part.trim()) ? new URL(part.trim()) : null;
    if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '')
      throw new Unacceptable('is not a URL that begins with redis:// or rediss://');
    if (url.search !== '' || url.hash !== '') throw new Unacceptable('must not have a query or a fragment');
    if (!/^\/?\d*$/.test(url.pathname)) throw new Unacceptable('must have nothing but the number of a database as its path');
    return url.href;
  });
}

export function redisPrefix(text: string): string {
  if (!/^[\w.-]{1,64}$/.test(text)) throw new Unacceptable('must be 1 to 64 letters, digits, ".", "_" or "-"');
  return text;
}

export function jwksUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw new Unacceptable('is not a URL that begins with http:// or https://');
  if (url.username !== '' || url.password !== '') throw new Unacceptable('must not hold credentials');
  return url.href;
}

export function corsOrigins(text: string): readonly string[] {
  if (text === '') return [];
  const origins = text.split(',').map((origin) => origin.trim());
  const problems = origins.flatMap((origin, at) => {
    if (origin === '*') return 'must not be *, which would let every page of the web call with a key that it got hold of';
    // A URL may have a host with a star in it, which would be taken for a pattern and is none.
    const isOrigin = /^https?:\/\/[^*]+$/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
    return isOrigin
      ? []
      : `has no origin at place ${at + 1}: scheme, host, and port where it is not the usual one, nothing behind`;
  });
  if (problems.length > 0) throw new Unacceptable(...new Set(problems));
  return [...new Set(origins)];
}

export function hostName(text: string): string {
  if (isIP(text) === 0 && !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)) {
    throw new Unacceptable('must be an address or a host name, without a port');
  }
  return text;
}

export function boolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Unacceptable('must be true or false');
  return text === 'true';
}

/** In the form that fastify's `trustProxy` takes. */
export function trustedProxies(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const networks = text.split(',').map((network) => network.trim());
  if (!networks.every(isNetwork)) throw new Unacceptable('must be true, false, a number of hops, or addresses and networks');
  return networks.join(',');
}

function isNetwork(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128));
}

export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new Unacceptable(`must be a whole number from ${min} to ${max}`);
    return value;
  };
}

export function share(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value <= 1)) throw new Unacceptable('must be a number from 0 to 1');
  return value;
}

export function duration(min: ms.StringValue, max: ms.StringValue): (text: string) => number {
  const [minMs, maxMs] = [ms(min), ms(max)];
  return (text) => {
    const value = parseDuration(text);
    if (value === null) throw new Unacceptable('must be a duration with its unit (ms, s, m, h, d)');
    if (value < minMs || value > maxMs) throw new Unacceptable(`must be from ${min} to ${max}`);
    return value;
  };
}

export function size(min: string, max: string): (text: string) => number {
  const [minBytes, maxBytes] = [bytes.parse(min) ?? NaN, bytes.parse(max) ?? NaN];
  return (text) => {
    // The library reads the leading digits of anything.
    const value = /^\d+(\.\d+)? ?(b|kb|mb|gb)$/i.test(text) ? bytes.parse(text) : null;
    if (value === null) throw new Unacceptable('must be a size with its unit (b, kb, mb, gb)');
    if (!(value >= minBytes && value <= maxBytes)) throw new Unacceptable(`must be from ${min} to ${max}`);
    return value;
  };
}

export function rate(text: string): Rate {
  const value = parseRate(text);
  if (value === null) throw new Unacceptable('must be a count of 1 to 1000000 in 1s to 1d');
  return value;
}

export function oneOf<const Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new Unacceptable(`must be one of ${words.join(', ')}`);
    return found;
  };
}
