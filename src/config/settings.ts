// Every setting: its name, default, meaning and parser.

import {
  accountTokens,
  baseUrl,
  boolean,
  clientKeys,
  corsOrigins,
  duration,
  feedSources,
  hostName,
  integer,
  jwksUrl,
  jwtSecrets,
  oneOf,
  optional,
  proxyUrl,
  rate,
  redisPrefix,
  redisUrls,
  share,
  size,
  token,
  trustedProxies,
  webhookSecrets,
} from './parsers.ts';

export interface Setting<T> {
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

export const SETTINGS = {
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
    meaning:
      'Who may see `/status`, ask `/admin/explain` and `DELETE /admin/cache`, as `name=key,name=key`. Without any, none of these exist',
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
    meaning:
      'Memory that cached messages may take; the process takes more. By default less where V8 or the container allows no more; what does not fit is refused',
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
  feed: {
    name: 'FEED',
    default: 'off',
    example: 'cable',
    meaning:
      'What to hear of changes from: `cable`, `webhook`, both as `cable,webhook`, or `off`. With `cable` pages of a quiet conversation cost no reads',
    parse: feedSources,
  },
  feedMaxAgeMs: {
    name: 'FEED_MAX_AGE',
    default: '1m',
    meaning: 'Age that the newest messages and `meta` may reach while the feed is trusted and tells of no change',
    parse: duration('0s', '1h'),
  },
  feedLagMaxMs: {
    name: 'FEED_LAG_MAX',
    default: '5s',
    meaning: 'How late events of the feed may be for it to be trusted',
    parse: duration('100ms', '5m'),
  },
  webhookSecrets: {
    name: 'WEBHOOK_SECRETS',
    default: '',
    example: '{"1":"<secret of the webhook>"}',
    meaning:
      'Secrets of webhooks, for `FEED=webhook`: a JSON object from account id to secret or list of secrets, of 22 to 100 characters each',
    secret: true,
    parse: webhookSecrets,
  },
  unreadMemoryBytes: {
    name: 'UNREAD_MEMORY',
    default: '128mb',
    meaning:
      'Memory that answers may take while their callers do not take them, and parts of large pages that wait to be made; each client may have a third of what is free of it, so a quarter where no other has any',
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
      'Proxy through which a `CHATWOOT_URL` or `JWKS_URL` of http is asked, unless it is a loopback address; the live feed takes a tunnel through it; also `http_proxy`',
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
  passThrough: {
    name: 'PASS_THROUGH',
    default: 'off',
    example: 'own-token',
    meaning:
      "`own-token` serves the rest of Chatwoot's API, and messages, to callers with a Chatwoot token of their own; `off` answers 421 there",
    parse: oneOf('off', 'own-token'),
  },
  passedBodyMaxBytes: {
    name: 'PASSED_BODY_MAX',
    default: '32mb',
    meaning: 'Size that the body of a passed request may have',
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
  redisUrls: {
    name: 'REDIS_URL',
    default: '',
    example: 'redis://redis:6379',
    meaning:
      'Redis or Valkey in which processes share what they know, see [More than one machine](more-than-one-machine.md): `redis://` or, with TLS, `rediss://`. With `REDIS_CLUSTER=true` several nodes may be named, separated by commas',
    secret: true,
    parse: redisUrls,
  },
  redisCluster: {
    name: 'REDIS_CLUSTER',
    default: 'false',
    example: 'true',
    meaning: '`true` where `REDIS_URL` names nodes of a cluster',
    parse: boolean,
  },
  redisPrefix: {
    name: 'REDIS_PREFIX',
    default: 'backscroll',
    meaning: 'What names in Redis begin with: letters, digits, `.`, `_` and `-`',
    parse: redisPrefix,
  },
  rateLimitShared: {
    name: 'RATE_LIMIT_SHARED',
    default: 'true',
    example: 'false',
    meaning: '`false` has each process count the requests of its clients by itself, although it has a `REDIS_URL`',
    parse: boolean,
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

/** What the settings come to. */
export type Settings = { readonly [Field in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Field]['parse']> };

/** The settings as a Markdown table for people. */
export function settingsTable(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map((setting) => {
    const file = setting.secret ? `. Also as \`${setting.name}_FILE\`, the path of a file that holds it` : '';
    const preset = setting.default === '' ? '' : `\`${setting.default}\``;
    return ['', `\`${setting.name}\``, preset, `${setting.meaning}${file}`, ''].join(' | ').trim();
  });
  return ['| name | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A setting as it might be written, for problems to show. */
export function exampleOf(setting: Setting<unknown>): string {
  return `${setting.name}=${setting.example ?? setting.default}`;
}
