// Settings come from the environment, are checked once at start, and are told about all at once where they are wrong.
// One table holds each setting's name, default, meaning and parser. No problem ever shows a value: tokens land in wrong variables.

import { isIP } from 'node:net';
import bytes from 'bytes';
import ms from 'ms';
import { parseClientKeys } from './clients/client-keys.ts';
import { parseDuration, parseRate, type Rate } from './clients/rate.ts';
import type { Proxies } from './upstream/connections.ts';
import { errorCode, loadRegistry, type ClientRegistry, type ReadFile } from './clients/registry.ts';
import { settingText, Unacceptable, unquoted } from './setting-text.ts';
import { readTextFileSync } from './text-file.ts';

/** Everything that is wrong with the settings, each problem naming its variable. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Anything else would break or split the header that carries the token. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
/** HS256 wants a secret no shorter than its hash (RFC 7518 3.2). */
const JWT_SECRET_BYTES_MIN = 32;
const TOKEN_PROBLEM = 'is not 1 to 4096 visible ASCII characters without spaces';

interface Setting<T> {
  readonly name: string;
  /** As an operator would write it; blank where there is none. A blank variable counts as not set. */
  readonly default: string;
  /** A right value for problems to show; the default where this is left out. */
  readonly example?: string;
  readonly meaning: string;
  /** Secrets may also stand in a file that `NAME_FILE` names. */
  readonly secret?: true;
  /** The name in small letters counts too, as it does elsewhere. */
  readonly lowerCase?: true;
  /** Reads the value or the default. @throws Unacceptable */
  readonly parse: (text: string) => T;
}

const SETTINGS = {
  chatwootUrl: {
    name: 'CHATWOOT_URL',
    default: '',
    example: 'https://chatwoot.example.com',
    meaning: 'Where Chatwoot answers: its origin, with a path where it lives below one. Required',
    parse: baseUrl,
  },
  chatwootApiToken: {
    name: 'CHATWOOT_API_TOKEN',
    default: '',
    example: '<access token of an administrator>',
    meaning: "Chatwoot's access token for all accounts that have none of their own. This or CHATWOOT_ACCOUNT_TOKENS is required",
    secret: true,
    parse: optional(token),
  },
  chatwootAccountTokens: {
    name: 'CHATWOOT_ACCOUNT_TOKENS',
    default: '',
    example: '{"1":"<token>","2":"<token>"}',
    meaning: 'Access tokens of single accounts: a JSON object from account id to token',
    secret: true,
    parse: accountTokens,
  },
  host: { name: 'HOST', default: '127.0.0.1', example: '0.0.0.0', meaning: 'Address to listen on', parse: hostName },
  port: {
    name: 'PORT',
    default: '8080',
    meaning: 'Port to listen on; 0 takes a free one',
    parse: integer(0, 65_535),
  },
  clientsFile: {
    name: 'CLIENTS_FILE',
    default: '',
    example: '/etc/backscroll/clients.json',
    meaning: 'Path of the clients file (JSON): who may read what, by hashes of keys',
    parse: optional((path) => path),
  },
  clientKeys: {
    name: 'CLIENT_KEYS',
    default: '',
    example: 'crm=<key>,reports=<key>',
    meaning: 'Clients that may read everything, as `name=key,name=key`; keys of at least 16 characters',
    secret: true,
    parse: clientKeys,
  },
  adminKeys: {
    name: 'ADMIN_KEYS',
    default: '',
    example: 'ops=<key>',
    meaning: 'Who may `DELETE /admin/cache`, as `name=key,name=key`. Without any, that route does not exist',
    secret: true,
    parse: clientKeys,
  },
  allowAnonymous: {
    name: 'ALLOW_ANONYMOUS',
    default: 'false',
    example: 'true',
    meaning: '`true` lets callers without a key read everything. Without clients nothing starts unless this says so',
    parse: boolean,
  },
  jwtSecrets: {
    name: 'JWT_SECRET',
    default: '',
    example: '<at least 32 random bytes>',
    meaning:
      'Secret that signed tokens (JWT, HS256) are checked with, at least 32 bytes. Several, separated by commas or spaces, are all accepted; the first is the current one',
    secret: true,
    parse: jwtSecrets,
  },
  jwksUrl: {
    name: 'JWKS_URL',
    default: '',
    example: 'https://login.example.com/.well-known/jwks.json',
    meaning: 'Where the public keys are that signed tokens (JWT; RS256, ES256, EdDSA) are checked with',
    parse: optional(jwksUrl),
  },
  jwtIssuer: {
    name: 'JWT_ISSUER',
    default: '',
    example: 'https://login.example.com/',
    meaning: 'What signed tokens must have as `iss`; without it that is not looked at',
    parse: optional((text) => text),
  },
  jwtAudience: {
    name: 'JWT_AUDIENCE',
    default: '',
    example: 'backscroll',
    meaning: 'What signed tokens must have as, or in, `aud`; without it that is not looked at',
    parse: optional((text) => text),
  },
  corsOrigins: {
    name: 'CORS_ORIGINS',
    default: '',
    example: 'https://app.example.com,https://help.example.com',
    meaning: 'Origins whose pages may call from a browser, exactly as browsers send them',
    parse: corsOrigins,
  },
  trustProxy: {
    name: 'TRUST_PROXY',
    default: 'false',
    example: '10.0.0.0/8,127.0.0.1',
    meaning:
      'Whose `X-Forwarded-For` to believe: addresses and networks (also `loopback`, `linklocal`, `uniquelocal`), a number of hops, or `true` for everyone',
    parse: trustedProxies,
  },
  ipv6PrefixBits: {
    name: 'IPV6_PREFIX',
    default: '64',
    meaning: 'Bits of an IPv6 address that limits by address take for one caller',
    parse: integer(16, 128),
  },
  rateLimit: {
    name: 'RATE_LIMIT',
    default: '3000/1m',
    meaning: 'Requests that each client may send, where the clients file says nothing else; Chatwoot itself allows as many',
    parse: rate,
  },
  cacheMemoryBytes: {
    name: 'CACHE_MEMORY',
    default: '256mb',
    meaning: 'Memory that cached messages may take',
    parse: size('1mb', '64gb'),
  },
  tailMaxAgeMs: {
    name: 'TAIL_MAX_AGE',
    default: '0s',
    meaning: 'Age that the newest messages may reach',
    parse: duration('0s', '1m'),
  },
  metaMaxAgeMs: {
    name: 'META_MAX_AGE',
    default: '10s',
    meaning: 'Age that `meta` (contact, assignee, labels) may reach',
    parse: duration('0s', '1h'),
  },
  historyMaxAgeMs: {
    name: 'HISTORY_MAX_AGE',
    default: '15m',
    meaning: 'Age that the content of old messages may reach',
    parse: duration('0s', '7d'),
  },
  staleIfErrorMs: {
    name: 'STALE_IF_ERROR',
    default: '1h',
    meaning: 'How much older answers may be while Chatwoot fails',
    parse: duration('0s', '7d'),
  },
  settleMs: {
    name: 'SETTLE',
    default: '2m',
    meaning: 'Time after which Chatwoot has surely committed an id that it handed out',
    parse: duration('1s', '1h'),
  },
  unreadMemoryBytes: {
    name: 'UNREAD_MEMORY',
    default: '128mb',
    meaning: 'Memory that answers may take while their callers do not take them; a quarter of it for each client',
    parse: size('1mb', '16gb'),
  },
  unreadTimeoutMs: {
    name: 'UNREAD_TIMEOUT',
    default: '30s',
    meaning: 'Time after which a connection is cut whose caller takes nothing of an answer',
    parse: duration('1s', '10m'),
  },
  httpProxy: {
    name: 'HTTP_PROXY',
    lowerCase: true,
    default: '',
    example: 'http://proxy.example.com:3128',
    meaning:
      'Proxy through which a `CHATWOOT_URL` or `JWKS_URL` of http is asked, unless it is a loopback address; also `http_proxy`',
    secret: true,
    parse: optional(proxyUrl),
  },
  httpsProxy: {
    name: 'HTTPS_PROXY',
    lowerCase: true,
    default: '',
    example: 'http://proxy.example.com:3128',
    meaning: 'The same for https, by way of a tunnel; also `https_proxy`',
    secret: true,
    parse: optional(proxyUrl),
  },
  noProxy: {
    name: 'NO_PROXY',
    lowerCase: true,
    default: '',
    example: 'chatwoot.internal,.example.com',
    meaning: 'Hosts, with those below them, that are asked without a proxy, separated by commas; `*` for all; also `no_proxy`',
    parse: optional((text) => text),
  },
  upstreamConnections: {
    name: 'UPSTREAM_CONNECTIONS',
    default: '16',
    meaning: 'Connections to Chatwoot at most',
    parse: integer(1, 256),
  },
  upstreamTimeoutMs: {
    name: 'UPSTREAM_TIMEOUT',
    default: '10s',
    meaning: 'Time that one read from Chatwoot may take',
    parse: duration('100ms', '2m'),
  },
  upstreamRate: {
    name: 'UPSTREAM_RATE',
    default: '2400/1m',
    meaning: 'Reads from Chatwoot at most; Chatwoot itself refuses more than 3000 a minute from one address',
    parse: rate,
  },
  upstreamBodyMaxBytes: {
    name: 'UPSTREAM_BODY_MAX',
    default: '32mb',
    meaning: 'Size that one answer of Chatwoot may have, as it comes and, where it comes in gzip, decoded',
    parse: size('64kb', '256mb'),
  },
  shutdownTimeoutMs: {
    name: 'SHUTDOWN_TIMEOUT',
    default: '10s',
    meaning: 'Time that running requests get to end when the program is told to stop',
    parse: duration('0s', '5m'),
  },
  drainDelayMs: {
    name: 'DRAIN_DELAY',
    default: '0s',
    example: '5s',
    meaning: 'Time for which the program, told to stop, is not ready and serves on: as long as a load balancer takes to notice',
    parse: duration('0s', '5m'),
  },
  history: {
    name: 'HISTORY',
    default: 'proved',
    meaning: '`proved` answers what follows from earlier reads; `exact` only what was asked in the same form before',
    parse: oneOf('proved', 'exact'),
  },
  shadowRate: {
    name: 'SHADOW_RATE',
    default: '0.001',
    meaning: 'Share of the cached answers that are compared with Chatwoot afterwards, 0 to 1',
    parse: share,
  },
  logLevel: {
    name: 'LOG_LEVEL',
    default: 'info',
    meaning: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`',
    parse: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  },
} satisfies Readonly<Record<string, Setting<unknown>>>;

const FIELDS = Object.keys(SETTINGS).filter((field): field is keyof typeof SETTINGS => field in SETTINGS);
const NAMES: ReadonlySet<string> = new Set(
  Object.values<Setting<unknown>>(SETTINGS).flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : name)),
);

type Settings = { readonly [Field in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Field]['parse']> };

export interface Config extends Settings {
  /** All clients as they were at start. A reload asks `loadRegistry` for another and leaves this one alone. */
  readonly clients: ClientRegistry;
  readonly proxies: Proxies;
}

/**
 * Reads the settings and the files that they name.
 * @throws ConfigError with every problem there is.
 */
export function loadConfig(env: NodeJS.ProcessEnv, readFile: ReadFile = readTextFileSync): Config {
  const { settings, problems, given } = readSettings(env, FIELDS, readFile);
  problems.push(...missing(given, settings));

  const sources = { clientKeys: settings.clientKeys ?? [], clientsFile: settings.clientsFile };
  const read = loadRegistry({ ...sources, allowAnonymous: settings.allowAnonymous ?? false }, readFile);
  if (read.kind === 'problems') problems.push(...read.problems.map((problem) => `CLIENTS_FILE: ${problem}`));
  if (problems.length > 0 || read.kind === 'problems' || !hasAll(settings, FIELDS)) throw new ConfigError(problems);
  const proxies = { http: settings.httpProxy, https: settings.httpsProxy, except: settings.noProxy };
  return Object.freeze({ ...settings, clients: read.registry, proxies });
}

interface SettingsRead {
  /** Those that are right. */
  readonly settings: Partial<Settings>;
  readonly problems: string[];
  /** Names of those that were set, rightly or not. */
  readonly given: ReadonlySet<string>;
}

function readSettings(env: NodeJS.ProcessEnv, fields: readonly (keyof Settings)[], readFile: ReadFile): SettingsRead {
  const problems: string[] = [];
  const given = new Set<string>();
  const settings: Partial<Settings> = {};
  for (const field of fields) {
    const setting: Setting<unknown> = SETTINGS[field];
    try {
      const text = textOf(setting, env, readFile);
      if (text !== '') given.add(setting.name);
      Object.assign(settings, { [field]: setting.parse(text === '' ? setting.default : text) });
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error;
      // What was set and is wrong must not be reported as missing too.
      given.add(setting.name);
      problems.push(...error.problems.map((problem) => `${setting.name} ${problem}, for example ${exampleOf(setting)}`));
    }
  }
  return { settings, problems, given };
}

/**
 * Reads some of the settings and nothing else, for commands that need no more.
 * @throws ConfigError with every problem of these.
 */
export function loadSettings<Field extends keyof Settings>(
  env: NodeJS.ProcessEnv,
  fields: readonly Field[],
  readFile: ReadFile = readTextFileSync,
): Pick<Settings, Field> {
  const { settings, problems } = readSettings(env, fields, readFile);
  if (problems.length > 0 || !hasAll(settings, fields)) throw new ConfigError(problems);
  return settings;
}

/** The settings as a Markdown table for people. */
export function settingsTable(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map((setting) => {
    const file = setting.secret ? `. Also as \`${setting.name}_FILE\`, the path of a file that holds it` : '';
    const preset = setting.default === '' ? '' : `\`${setting.default}\``;
    return ['', `\`${setting.name}\``, preset, `${setting.meaning}${file}`, ''].join(' | ').trim();
  });
  return ['| name | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function exampleOf(setting: Setting<unknown>): string {
  return `${setting.name}=${setting.example ?? setting.default}`;
}

/** The text of a setting from its variable or its file; blank where it is not set. @throws Unacceptable */
function textOf(setting: Setting<unknown>, env: NodeJS.ProcessEnv, readFile: ReadFile): string {
  const valueOf = (name: string): string => settingText(name, env[name] ?? '', NAMES);
  const text = valueOf(setting.name) || (setting.lowerCase === true ? valueOf(setting.name.toLowerCase()) : '');
  const path = setting.secret ? valueOf(`${setting.name}_FILE`) : '';
  if (path === '') return text;
  if (text !== '') throw new Unacceptable(`and ${setting.name}_FILE are both set: keep one`);
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    throw new Unacceptable(`is in a file, ${setting.name}_FILE, that cannot be read (${errorCode(error)})`);
  }
  const value = settingText(setting.name, content, NAMES);
  if (value === '') throw new Unacceptable(`is in a file, ${setting.name}_FILE, that is empty`);
  return value;
}

function hasAll<Field extends keyof Settings>(
  settings: Partial<Settings>,
  fields: readonly Field[],
): settings is Pick<Settings, Field> & Partial<Settings> {
  return fields.every((field) => field in settings);
}

/** What is missing although no single setting is wrong. */
function missing(given: ReadonlySet<string>, settings: Partial<Settings>): string[] {
  const problems: string[] = [];
  if (!given.has('CHATWOOT_API_TOKEN') && !given.has('CHATWOOT_ACCOUNT_TOKENS')) {
    problems.push(
      `CHATWOOT_API_TOKEN or CHATWOOT_ACCOUNT_TOKENS is required, for example ${exampleOf(SETTINGS.chatwootApiToken)} ` +
        `or ${exampleOf(SETTINGS.chatwootAccountTokens)}`,
    );
  }
  const verifiers = ['JWT_SECRET', 'JWKS_URL'];
  const readers = ['CLIENTS_FILE', 'CLIENT_KEYS', ...verifiers];
  if (!readers.some((name) => given.has(name)) && settings.allowAnonymous === false) {
    problems.push(
      `CLIENTS_FILE, CLIENT_KEYS, JWT_SECRET or JWKS_URL is required, for example ${exampleOf(SETTINGS.clientKeys)}: ` +
        'without clients anybody could read everything, which only ALLOW_ANONYMOUS=true permits',
    );
  }
  for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE']) {
    if (given.has(name) && !verifiers.some((verifier) => given.has(verifier))) {
      problems.push(`${name} is set, but neither JWT_SECRET nor JWKS_URL, so that no token is accepted`);
    }
  }
  return problems;
}

function optional<T>(parse: (text: string) => T): (text: string) => T | undefined {
  return (text) => (text === '' ? undefined : parse(text));
}

function baseUrl(text: string): string {
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

function token(text: string): string {
  const problem = tokenProblem(text);
  if (problem !== null) throw new Unacceptable(problem);
  return text;
}

function tokenProblem(text: string): string | null {
  if (!TOKEN.test(text)) return TOKEN_PROBLEM;
  return /["']/.test(text) ? 'has a quote in it' : null;
}

function accountTokens(text: string): ReadonlyMap<number, string> {
  if (text === '') return new Map();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text around the fault.
    throw new Unacceptable('is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Unacceptable('must be a JSON object');
  const entries = Object.entries(json);
  const problems = entries.flatMap(([account, value]: [string, unknown]) => {
    // The key is not shown: a map the wrong way round has its tokens here.
    if (!/^[1-9]\d{0,14}$/.test(account)) return 'must have account ids, whole numbers from 1 up, as its keys';
    const problem = tokenProblem(typeof value === 'string' ? value : '');
    return problem === null ? [] : `has a token for account ${account} that ${problem}`;
  });
  if (entries.length === 0) problems.push('must hold at least one account');
  if (problems.length > 0) throw new Unacceptable(...new Set(problems));
  return new Map(entries.map(([account, value]) => [Number(account), String(value)]));
}

function clientKeys(text: string) {
  if (text === '') return [];
  const read = parseClientKeys(text);
  if (read.kind === 'problems') throw new Unacceptable(...read.problems);
  return read.clients;
}

function jwtSecrets(text: string): readonly string[] {
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

function proxyUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw new Unacceptable('is not a URL that begins with http:// or https://');
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new Unacceptable('has a % in its user or password that is not written as %25');
  }
  return url.href;
}

function jwksUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:\/\//i.test(text)) throw new Unacceptable('is not a URL that begins with http:// or https://');
  if (url.username !== '' || url.password !== '') throw new Unacceptable('must not hold credentials');
  return url.href;
}

function corsOrigins(text: string): readonly string[] {
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

function hostName(text: string): string {
  if (isIP(text) === 0 && !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text)) {
    throw new Unacceptable('must be an address or a host name, without a port');
  }
  return text;
}

function boolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Unacceptable('must be true or false');
  return text === 'true';
}

/** In the form that fastify's `trustProxy` takes. */
function trustedProxies(text: string): boolean | number | string {
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

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new Unacceptable(`must be a whole number from ${min} to ${max}`);
    return value;
  };
}

function share(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value <= 1)) throw new Unacceptable('must be a number from 0 to 1');
  return value;
}

function duration(min: ms.StringValue, max: ms.StringValue): (text: string) => number {
  const [minMs, maxMs] = [ms(min), ms(max)];
  return (text) => {
    const value = parseDuration(text);
    if (value === null) throw new Unacceptable('must be a duration with its unit (ms, s, m, h, d)');
    if (value < minMs || value > maxMs) throw new Unacceptable(`must be from ${min} to ${max}`);
    return value;
  };
}

function size(min: string, max: string): (text: string) => number {
  const [minBytes, maxBytes] = [bytes.parse(min) ?? NaN, bytes.parse(max) ?? NaN];
  return (text) => {
    // The library reads the leading digits of anything.
    const value = /^\d+(\.\d+)? ?(b|kb|mb|gb)$/i.test(text) ? bytes.parse(text) : null;
    if (value === null) throw new Unacceptable('must be a size with its unit (b, kb, mb, gb)');
    if (!(value >= minBytes && value <= maxBytes)) throw new Unacceptable(`must be from ${min} to ${max}`);
    return value;
  };
}

function rate(text: string): Rate {
  const value = parseRate(text);
  if (value === null) throw new Unacceptable('must be a count of 1 to 1000000 in 1s to 1d');
  return value;
}

function oneOf<const Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new Unacceptable(`must be one of ${words.join(', ')}`);
    return found;
  };
}
