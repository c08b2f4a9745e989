import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, loadSettings } from '../../src/config/load-config.ts';
import { settingsTable } from '../../src/config/settings.ts';
import { readTextFile, readTextFileSync } from '../../src/text-file.ts';

const NAMES = [
  'CHATWOOT_URL',
  'CHATWOOT_API_TOKEN',
  'CHATWOOT_ACCOUNT_TOKENS',
  'HOST',
  'PORT',
  'CLIENTS_FILE',
  'CLIENT_KEYS',
  'ADMIN_KEYS',
  'ALLOW_ANONYMOUS',
  'JWT_SECRET',
  'JWKS_URL',
  'JWT_ISSUER',
  'JWT_AUDIENCE',
  'CORS_ORIGINS',
  'TRUST_PROXY',
  'IPV6_PREFIX',
  'RATE_LIMIT',
  'CACHE_MEMORY',
  'TAIL_MAX_AGE',
  'META_MAX_AGE',
  'HISTORY_MAX_AGE',
  'STALE_IF_ERROR',
  'SETTLE',
  'FEED',
  'FEED_MAX_AGE',
  'FEED_LAG_MAX',
  'WEBHOOK_SECRETS',
  'UNREAD_MEMORY',
  'UNREAD_TIMEOUT',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'UPSTREAM_CONNECTIONS',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_RATE',
  'UPSTREAM_BODY_MAX',
  'PASS_THROUGH',
  'PASSED_BODY_MAX',
  'SHUTDOWN_TIMEOUT',
  'DRAIN_DELAY',
  'REDIS_URL',
  'REDIS_CLUSTER',
  'REDIS_PREFIX',
  'RATE_LIMIT_SHARED',
  'HISTORY',
  'SHADOW_RATE',
  'LOG_LEVEL',
];
const TOKEN = 'planted-token-0001';
const KEY = 'planted-key-of-crm';
const SECRET = 'planted-secret-of-32-characters!';
const base = { CHATWOOT_URL: 'https://chat.example.com', CHATWOOT_API_TOKEN: TOKEN, CLIENT_KEYS: `crm=${KEY}` };
const noFiles = (path: string): string => {
  throw Object.assign(new Error(`ENOENT: '${path}'`), { code: 'ENOENT' });
};

const files = (contents: Record<string, string>) => (path: string) => contents[path] ?? noFiles(path);

/** Stands in for files whose names are their contents. */
const echo = (path: string) => (path.includes('=') ? path : noFiles(path));

function problemsOf(env: NodeJS.ProcessEnv, readFile: (path: string) => string = noFiles): readonly string[] {
  try {
    loadConfig(env, readFile);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('proxies', () => {
  test('are named in capitals or, where those are not set, in small letters', () => {
    const env = {
      ...base,
      https_proxy: 'http://small.example.com:3128',
      http_proxy: 'http://a:b@small.example.com',
      NO_PROXY: 'x',
      no_proxy: 'y',
    };
    expect(loadConfig({ ...env, HTTPS_PROXY: 'http://large.example.com:3128' }, noFiles).proxies).toEqual({
      http: 'http://a:b@small.example.com/',
      https: 'http://large.example.com:3128/',
      except: 'x',
    });
  });

  test('are refused where their password cannot be read', () => {
    expect(() => loadConfig({ ...base, HTTP_PROXY: 'http://user:se%cret@proxy.example.com' }, noFiles)).toThrow(
      /^ +HTTP_PROXY has a %/m,
    );
  });

  test.each(['proxy.example.com:3128', 'socks5://proxy.example.com', 'http://'])('are refused by name: %s', (https_proxy) => {
    expect(() => loadConfig({ ...base, https_proxy }, noFiles)).toThrow(/^ +HTTPS_PROXY is not a URL that begins with/m);
  });
});

describe('settings', () => {
  test('have their defaults', () => {
    const { clients, clientKeys, ...config } = loadConfig(base, noFiles, {
      oldBytes: 2 ** 32,
      processBytes: null,
      besideBytes: 0,
    });
    expect(clients.clients.map(({ name }) => name)).toEqual(['crm']);
    expect(clientKeys).toEqual(clients.clients);
    expect(config).toEqual({
      chatwootUrl: 'https://chat.example.com',
      chatwootApiToken: TOKEN,
      chatwootAccountTokens: new Map(),
      host: '127.0.0.1',
      port: 8080,
      clientsFile: undefined,
      adminKeys: [],
      allowAnonymous: false,
      jwtSecrets: [],
      jwksUrl: undefined,
      jwtIssuer: undefined,
      jwtAudience: undefined,
      corsOrigins: [],
      trustProxy: false,
      ipv6PrefixBits: 64,
      rateLimit: { max: 3000, windowMs: 60_000 },
      cacheMemoryBytes: 256 * 1024 * 1024,
      tailMaxAgeMs: 0,
      metaMaxAgeMs: 10_000,
      historyMaxAgeMs: 900_000,
      staleIfErrorMs: 3_600_000,
      settleMs: 120_000,
      feed: new Set(),
      feedMaxAgeMs: 60_000,
      feedLagMaxMs: 5_000,
      webhookSecrets: new Map(),
      unreadMemoryBytes: 128 * 1024 * 1024,
      unreadTimeoutMs: 30_000,
      httpProxy: undefined,
      httpsProxy: undefined,
      noProxy: undefined,
      proxies: { http: undefined, https: undefined, except: undefined },
      upstreamConnections: 16,
      upstreamTimeoutMs: 10_000,
      upstreamRate: { max: 2_400, windowMs: 60_000 },
      upstreamBodyMaxBytes: 32 * 1024 * 1024,
      passThrough: 'off',
      passedBodyMaxBytes: 32 * 1024 * 1024,
      shutdownTimeoutMs: 10_000,
      drainDelayMs: 0,
      redisUrls: [],
      redisCluster: false,
      redisPrefix: 'backscroll',
      rateLimitShared: true,
      history: 'proved',
      shadowRate: 0.001,
      logLevel: 'info',
      isCacheCut: false,
    });
  });

  test('are not affected by blank or unknown variables', () => {
    expect(
      loadConfig({ ...base, PORT: ' ', HOST: '', CLIENTS_FILE: '', CHATWOOT_API_TOKEN_FILE: '', PORTS: 'x' }, noFiles).port,
    ).toBe(8080);
  });

  test.each<[string, string, string, unknown]>([
    ['CHATWOOT_URL', 'http://10.0.0.1:3000', 'chatwootUrl', 'http://10.0.0.1:3000'],
    ['CHATWOOT_URL', 'HTTPS://Chat.Example.com:443/', 'chatwootUrl', 'https://chat.example.com'],
    ['CHATWOOT_URL', 'https://chat.example.com/support//', 'chatwootUrl', 'https://chat.example.com/support'],
    ['CHATWOOT_API_TOKEN', ' abc ', 'chatwootApiToken', 'abc'],
    ['FEED', 'off', 'feed', new Set()],
    ['FEED', 'cable', 'feed', new Set(['cable'])],
    ['FEED_MAX_AGE', '30s', 'feedMaxAgeMs', 30_000],
    ['FEED_LAG_MAX', '500ms', 'feedLagMaxMs', 500],
    [
      'WEBHOOK_SECRETS',
      '{"1":"one-of-22-characters-00","23":["one-of-22-characters-00","two-of-22-characters-00"]}',
      'webhookSecrets',
      new Map([
        [1, ['one-of-22-characters-00']],
        [23, ['one-of-22-characters-00', 'two-of-22-characters-00']],
      ]),
    ],
    [
      'CHATWOOT_ACCOUNT_TOKENS',
      '{"1":"a","23":"b"}',
      'chatwootAccountTokens',
      new Map([
        [1, 'a'],
        [23, 'b'],
      ]),
    ],
    ['HOST', '::', 'host', '::'],
    ['HOST', 'proxy.internal', 'host', 'proxy.internal'],
    ['PORT', '0', 'port', 0],
    ['PORT', '65535', 'port', 65_535],
    ['ALLOW_ANONYMOUS', 'true', 'allowAnonymous', true],
    ['JWT_SECRET', SECRET, 'jwtSecrets', [SECRET]],
    ['JWT_SECRET', ` ${SECRET},${SECRET}2 ,\n ${SECRET}3\t`, 'jwtSecrets', [SECRET, `${SECRET}2`, `${SECRET}3`]],
    ['JWT_SECRET', 'ä'.repeat(16), 'jwtSecrets', ['ä'.repeat(16)]],
    ['JWKS_URL', 'https://login.example.com/keys?v=1', 'jwksUrl', 'https://login.example.com/keys?v=1'],
    ['JWKS_URL', 'http://keycloak:8080/certs', 'jwksUrl', 'http://keycloak:8080/certs'],
    ['CORS_ORIGINS', 'https://app.example.com', 'corsOrigins', ['https://app.example.com']],
    [
      'CORS_ORIGINS',
      'http://localhost:5173 , https://a.example,https://a.example',
      'corsOrigins',
      ['http://localhost:5173', 'https://a.example'],
    ],
    ['TRUST_PROXY', 'true', 'trustProxy', true],
    ['TRUST_PROXY', '2', 'trustProxy', 2],
    ['TRUST_PROXY', 'loopback, 10.0.0.0/8 ,::1,fd00::/8', 'trustProxy', 'loopback,10.0.0.0/8,::1,fd00::/8'],
    ['IPV6_PREFIX', '48', 'ipv6PrefixBits', 48],
    ['RATE_LIMIT', '5/1s', 'rateLimit', { max: 5, windowMs: 1_000 }],
    ['CACHE_MEMORY', '1mb', 'cacheMemoryBytes', 1_048_576],
    ['CACHE_MEMORY', '1.5 GB', 'cacheMemoryBytes', 1_610_612_736],
    ['TAIL_MAX_AGE', '0s', 'tailMaxAgeMs', 0],
    ['TAIL_MAX_AGE', '60s', 'tailMaxAgeMs', 60_000],
    ['META_MAX_AGE', '1h', 'metaMaxAgeMs', 3_600_000],
    ['HISTORY_MAX_AGE', '7d', 'historyMaxAgeMs', 604_800_000],
    ['STALE_IF_ERROR', '7d', 'staleIfErrorMs', 604_800_000],
    ['SETTLE', '1s', 'settleMs', 1_000],
    ['UPSTREAM_CONNECTIONS', '1', 'upstreamConnections', 1],
    ['UPSTREAM_TIMEOUT', '100ms', 'upstreamTimeoutMs', 100],
    ['UPSTREAM_RATE', '1/1s', 'upstreamRate', { max: 1, windowMs: 1_000 }],
    ['UPSTREAM_BODY_MAX', '64kb', 'upstreamBodyMaxBytes', 65_536],
    ['PASS_THROUGH', 'own-token', 'passThrough', 'own-token'],
    ['PASSED_BODY_MAX', '5mb', 'passedBodyMaxBytes', 5 * 1024 * 1024],
    ['SHUTDOWN_TIMEOUT', '0s', 'shutdownTimeoutMs', 0],
    ['REDIS_URL', 'rediss://me:planted@redis:6380/2', 'redisUrls', ['rediss://me:planted@redis:6380/2']],
    ['REDIS_CLUSTER', 'true', 'redisCluster', true],
    ['REDIS_PREFIX', 'chat-1.b', 'redisPrefix', 'chat-1.b'],
    ['HISTORY', 'exact', 'history', 'exact'],
    ['SHADOW_RATE', '1', 'shadowRate', 1],
    ['SHADOW_RATE', '0', 'shadowRate', 0],
    ['LOG_LEVEL', 'silent', 'logLevel', 'silent'],
  ])('%s=%s gives %s', (name, text, field, value) => {
    const limits = { oldBytes: 2 ** 32, processBytes: null, besideBytes: 0 };
    expect(loadConfig({ ...base, [name]: text }, noFiles, limits)).toHaveProperty(field, value);
  });

  const URL_SHAPE = 'is not a URL that begins with http:// or https://';
  const DURATION = 'must be a duration with its unit (ms, s, m, h, d)';
  const SIZE = 'must be a size with its unit (b, kb, mb, gb)';
  const RATE = 'must be a count of 1 to 1000000 in 1s to 1d';
  const ANY = 'must not be *, which would let every page of the web call with a key that it got hold of';
  const ORIGIN = 'scheme, host, and port where it is not the usual one, nothing behind';
  const PROXIES = 'must be true, false, a number of hops, or addresses and networks';

  test.each<[string, string, string]>([
    ['CHATWOOT_URL', '', 'is required'],
    ['CHATWOOT_URL', 'chat.example.com', URL_SHAPE],
    ['CHATWOOT_URL', 'https:chat.example.com', URL_SHAPE],
    ['CHATWOOT_URL', 'https://', URL_SHAPE],
    ['CHATWOOT_URL', 'ftp://chat.example.com', URL_SHAPE],
    ['CHATWOOT_URL', 'https://u:planted@chat.example.com', 'must not hold credentials'],
    ['CHATWOOT_URL', 'https://chat.example.com?', 'must not have a query'],
    ['CHATWOOT_URL', 'https://chat.example.com/?token=planted', 'must not have a query'],
    ['CHATWOOT_URL', 'https://chat.example.com/#', 'must not have a fragment'],
    ['CHATWOOT_API_TOKEN', 'planted token', 'is not 1 to 4096 visible ASCII characters without spaces'],
    ['CHATWOOT_API_TOKEN', 'planted\r\nx: y', 'is not 1 to 4096 visible ASCII characters without spaces'],
    ['FEED', 'cables', 'must be off, cable, webhook, or cable,webhook'],
    ['FEED', 'off,cable', 'must be off, cable, webhook, or cable,webhook'],
    ['FEED_LAG_MAX', '0s', 'must be from 100ms to 5m'],
    ['WEBHOOK_SECRETS', '{"1":"planted"}', 'has no secret of 22 to 100 visible ASCII characters for account 1'],
    ['WEBHOOK_SECRETS', '{"1":[]}', 'has no secret of 22 to 100 visible ASCII characters for account 1'],
    ['WEBHOOK_SECRETS', '{"planted":"1"}', 'must have account ids, whole numbers from 1 up, as its keys'],
    ['CHATWOOT_ACCOUNT_TOKENS', 'planted', 'is not JSON'],
    ['CHATWOOT_ACCOUNT_TOKENS', '["planted"]', 'must be a JSON object'],
    ['CHATWOOT_ACCOUNT_TOKENS', 'null', 'must be a JSON object'],
    ['CHATWOOT_ACCOUNT_TOKENS', '{}', 'must hold at least one account'],
    ['CHATWOOT_ACCOUNT_TOKENS', '{"planted":"1"}', 'must have account ids, whole numbers from 1 up, as its keys'],
    ['CHATWOOT_ACCOUNT_TOKENS', '{"01":"planted"}', 'must have account ids, whole numbers from 1 up, as its keys'],
    [
      'CHATWOOT_ACCOUNT_TOKENS',
      '{"1":2}',
      'has a token for account 1 that is not 1 to 4096 visible ASCII characters without spaces',
    ],
    [
      'CHATWOOT_ACCOUNT_TOKENS',
      '{"1":""}',
      'has a token for account 1 that is not 1 to 4096 visible ASCII characters without spaces',
    ],
    ['HOST', 'http://0.0.0.0', 'must be an address or a host name, without a port'],
    ['HOST', '0.0.0.0:80', 'must be an address or a host name, without a port'],
    ['PORT', '-1', 'must be a whole number from 0 to 65535'],
    ['PORT', '65536', 'must be a whole number from 0 to 65535'],
    ['PORT', '80.5', 'must be a whole number from 0 to 65535'],
    ['PORT', '0x50', 'must be a whole number from 0 to 65535'],
    ['CLIENT_KEYS', 'crm=planted', 'entry 1 has a key of fewer than 16 characters'],
    ['ALLOW_ANONYMOUS', 'yes', 'must be true or false'],
    ['JWT_SECRET', SECRET.slice(0, 31), 'has fewer than 32 bytes in secret 1'],
    ['JWT_SECRET', `${SECRET},planted`, 'has fewer than 32 bytes in secret 2'],
    ['JWT_SECRET', ',', 'holds no secret'],
    ['JWKS_URL', 'login.example.com/planted', URL_SHAPE],
    ['JWKS_URL', 'file:///planted', URL_SHAPE],
    ['JWKS_URL', 'https://u:planted@login.example.com/keys', 'must not hold credentials'],
    ['CORS_ORIGINS', '*', ANY],
    ['CORS_ORIGINS', 'https://a.example,*', ANY],
    ['CORS_ORIGINS', 'https://a.example/', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'https://a.example,https://b.example/planted', `has no origin at place 2: ${ORIGIN}`],
    ['CORS_ORIGINS', 'a.example', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'https://A.example', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'https://a.example:443', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'https://*.a.example', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'null', `has no origin at place 1: ${ORIGIN}`],
    ['CORS_ORIGINS', 'https://a.example,', `has no origin at place 2: ${ORIGIN}`],
    ['TRUST_PROXY', 'nginx', PROXIES],
    ['TRUST_PROXY', '10.0.0.0/33', PROXIES],
    ['TRUST_PROXY', '10.0.0.0/0', PROXIES],
    ['TRUST_PROXY', '10.0.0.0/8/8', PROXIES],
    ['TRUST_PROXY', '10.0.0.0/', PROXIES],
    ['TRUST_PROXY', '10.0.0.1,', PROXIES],
    ['IPV6_PREFIX', '/64', 'must be a whole number from 16 to 128'],
    ['IPV6_PREFIX', '129', 'must be a whole number from 16 to 128'],
    ['RATE_LIMIT', '600', RATE],
    ['RATE_LIMIT', '0/1m', RATE],
    ['CACHE_MEMORY', '256', SIZE],
    ['CACHE_MEMORY', '-1mb', SIZE],
    ['CACHE_MEMORY', '10 elephants', SIZE],
    ['CACHE_MEMORY', '1kb', 'must be from 1mb to 64gb'],
    ['CACHE_MEMORY', '65gb', 'must be from 1mb to 64gb'],
    ['TAIL_MAX_AGE', '1', DURATION],
    ['TAIL_MAX_AGE', '-1s', DURATION],
    ['TAIL_MAX_AGE', 'soon', DURATION],
    ['TAIL_MAX_AGE', '61s', 'must be from 0s to 1m'],
    ['META_MAX_AGE', '61m', 'must be from 0s to 1h'],
    ['HISTORY_MAX_AGE', '8d', 'must be from 0s to 7d'],
    ['STALE_IF_ERROR', '8d', 'must be from 0s to 7d'],
    ['SETTLE', '0s', 'must be from 1s to 1h'],
    ['UPSTREAM_CONNECTIONS', '0', 'must be a whole number from 1 to 256'],
    ['UPSTREAM_CONNECTIONS', '257', 'must be a whole number from 1 to 256'],
    ['UPSTREAM_TIMEOUT', '99ms', 'must be from 100ms to 2m'],
    ['UPSTREAM_RATE', '2400 per minute', RATE],
    ['PASS_THROUGH', 'on', 'must be one of off, own-token'],
    ['PASSED_BODY_MAX', '63kb', 'must be from 64kb to 256mb'],
    ['UPSTREAM_BODY_MAX', '63kb', 'must be from 64kb to 256mb'],
    ['UPSTREAM_BODY_MAX', '257mb', 'must be from 64kb to 256mb'],
    ['SHUTDOWN_TIMEOUT', '6m', 'must be from 0s to 5m'],
    ['REDIS_URL', 'planted:6379', 'is not a URL that begins with redis:// or rediss://'],
    ['REDIS_URL', 'redis://', 'is not a URL that begins with redis:// or rediss://'],
    ['REDIS_URL', 'redis://planted?db=1', 'must not have a query or a fragment'],
    ['REDIS_URL', 'redis://planted/first', 'must have nothing but the number of a database as its path'],
    ['REDIS_PREFIX', 'planted:', 'must be 1 to 64 letters, digits, ".", "_" or "-"'],
    ['HISTORY', 'all', 'must be one of proved, exact'],
    ['SHADOW_RATE', '1.1', 'must be a number from 0 to 1'],
    ['SHADOW_RATE', '-0.1', 'must be a number from 0 to 1'],
    ['LOG_LEVEL', 'INFO', 'must be one of fatal, error, warn, info, debug, trace, silent'],
  ])('%s=%s: %s', (name, text, problem) => {
    const problems = problemsOf({ ...base, [name]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`, for example ${name}=.+`));
    expect(problems[0]?.startsWith(`${name} ${problem}, for example `)).toBe(true);
  });
});

describe('what must be set', () => {
  test('is told all at once', () => {
    const problems = problemsOf({ PORT: 'x', HISTORY: 'y' });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'CHATWOOT_URL',
      'PORT',
      'HISTORY',
      'CHATWOOT_API_TOKEN',
      'CLIENTS_FILE,',
    ]);
    expect(problems[3]).toMatch(/^CHATWOOT_API_TOKEN or CHATWOOT_ACCOUNT_TOKENS is required, for example CHATWOOT_API_TOKEN=/);
    expect(problems[4]).toMatch(
      /^CLIENTS_FILE, CLIENT_KEYS, JWT_SECRET or JWKS_URL is required, for example CLIENT_KEYS=.*ALLOW_ANONYMOUS=true permits$/,
    );
  });

  test('is in the message of the error, a line each', () => {
    expect(() => loadConfig({ ...base, PORT: 'x', HISTORY: 'y' }, noFiles)).toThrow(/\n {2}PORT .*\n {2}HISTORY /);
  });

  test('one of the two kinds of tokens is enough', () => {
    const { CHATWOOT_API_TOKEN: _, ...rest } = base;
    expect(loadConfig({ ...rest, CHATWOOT_ACCOUNT_TOKENS: '{"1":"a"}' }, noFiles).chatwootApiToken).toBeUndefined();
  });

  test('is not reported as missing where it is there and wrong', () => {
    expect(problemsOf({ ...base, CHATWOOT_API_TOKEN: 'a b', CLIENT_KEYS: 'x' })).toHaveLength(2);
    expect(problemsOf({ ...base, CLIENT_KEYS: '', ALLOW_ANONYMOUS: 'maybe' })).toHaveLength(1);
  });

  test('are clients, unless ALLOW_ANONYMOUS says that anybody may read', () => {
    const { CLIENT_KEYS: _, ...rest } = base;
    expect(problemsOf(rest)).toHaveLength(1);
    expect(problemsOf({ ...rest, ALLOW_ANONYMOUS: 'false' })).toHaveLength(1);
    const { clients } = loadConfig({ ...rest, ALLOW_ANONYMOUS: 'true' }, noFiles);
    expect(clients.clients).toEqual([]);
    expect(clients.anonymous?.clientName).toBe('anonymous');
    expect(loadConfig(base, noFiles).clients.anonymous).toBeNull();
  });
});

describe('the feed', () => {
  test('needs secrets for webhooks, and hears both where it says so', () => {
    expect(problemsOf({ ...base, FEED: 'webhook' })).toEqual([
      'WEBHOOK_SECRETS is required with FEED=webhook, for example WEBHOOK_SECRETS={"1":"<secret of the webhook>"}',
    ]);
    const config = loadConfig({ ...base, FEED: 'cable, webhook', WEBHOOK_SECRETS: '{"1":"one-of-22-characters-00"}' }, noFiles);
    expect(config.feed).toEqual(new Set(['cable', 'webhook']));
  });
});

describe('signed tokens', () => {
  const { CLIENT_KEYS: _, ...alone } = base;

  test('are enough to start with', () => {
    expect(loadConfig({ ...alone, JWT_SECRET: SECRET }, noFiles).clients.clients).toEqual([]);
    expect(loadConfig({ ...alone, JWKS_URL: 'https://login.example.com/keys' }, noFiles).clients.anonymous).toBeNull();
    expect(problemsOf({ ...alone, JWT_SECRET: 'short' })).toHaveLength(1);
  });

  test('that must be somebody’s need something to check them with', () => {
    expect(problemsOf({ ...base, JWT_ISSUER: 'x', JWT_AUDIENCE: 'y' })).toEqual([
      'JWT_ISSUER is set, but neither JWT_SECRET nor JWKS_URL, so that no token is accepted',
      'JWT_AUDIENCE is set, but neither JWT_SECRET nor JWKS_URL, so that no token is accepted',
    ]);
    const config = loadConfig({ ...alone, JWT_SECRET: SECRET, JWT_ISSUER: 'x', JWT_AUDIENCE: ' y ' }, noFiles);
    expect([config.jwtIssuer, config.jwtAudience]).toEqual(['x', 'y']);
  });

  test('have secrets that may stand in a file, one a line', () => {
    const env = { ...alone, JWT_SECRET_FILE: '/secrets' };
    const config = loadConfig(env, files({ '/secrets': `${SECRET}\n${SECRET}2\n` }));
    expect(config.jwtSecrets).toEqual([SECRET, `${SECRET}2`]);
  });
});

describe('loadSettings', () => {
  test('reads what it is asked for and minds nothing else', () => {
    expect(loadSettings({ JWT_SECRET: SECRET, PORT: 'x' }, ['jwtSecrets', 'jwtIssuer'], noFiles)).toEqual({
      jwtSecrets: [SECRET],
      jwtIssuer: undefined,
    });
    expect(() => loadSettings({ JWT_SECRET: 'short', PORT: 'x' }, ['jwtSecrets', 'port'], noFiles)).toThrow(
      /\n {2}JWT_SECRET .*\n {2}PORT /,
    );
  });
});

describe('secrets', () => {
  test('may stand in files, whose last newline does not count', () => {
    const config = loadConfig(
      {
        CHATWOOT_URL: base.CHATWOOT_URL,
        CHATWOOT_API_TOKEN_FILE: '/token',
        CHATWOOT_ACCOUNT_TOKENS_FILE: '/tokens',
        CLIENT_KEYS_FILE: '/keys',
      },
      files({ '/token': `${TOKEN}\r\n`, '/tokens': '{"1":"a"}\n', '/keys': `crm=${KEY}\n` }),
    );
    expect(config.chatwootApiToken).toBe(TOKEN);
    expect(config.chatwootAccountTokens).toEqual(new Map([[1, 'a']]));
    expect(config.clients.find(KEY, 0)?.name).toBe('crm');
  });

  test.each(['CHATWOOT_API_TOKEN', 'CHATWOOT_ACCOUNT_TOKENS', 'CLIENT_KEYS', 'JWT_SECRET', 'WEBHOOK_SECRETS'])(
    '%s in both places, nowhere, or empty is a problem',
    (name) => {
      const WEBHOOK_SECRETS = '{"1":"one-of-22-characters-00"}';
      const rest = { ...base, CHATWOOT_ACCOUNT_TOKENS: '{"1":"a"}', JWT_SECRET: SECRET, WEBHOOK_SECRETS };
      const path = { ...rest, [name]: '', [`${name}_FILE`]: '/planted' };
      expect(problemsOf({ ...rest, [`${name}_FILE`]: '/planted' })[0]).toMatch(`${name} and ${name}_FILE are both set: keep one`);
      expect(problemsOf(path)).toEqual([
        expect.stringMatching(`^${name} is in a file, ${name}_FILE, that cannot be read \\(ENOENT\\), for example `),
      ]);
      expect(problemsOf(path, files({ '/planted': ' \n' }))).toEqual([
        expect.stringMatching(`^${name} is in a file, ${name}_FILE, that is empty, for example `),
      ]);
    },
  );

  test('are shown in no problem, wherever they were put', () => {
    const spelled = fc.constantFrom(
      TOKEN,
      `${TOKEN} `,
      `${TOKEN} x`,
      `a=${TOKEN}`,
      `${TOKEN}=a`,
      `{"1":"${TOKEN} "}`,
      `{"${TOKEN}":1}`,
      `{${TOKEN}`,
    );
    const url = fc.constantFrom(`https://${TOKEN}@host`, `https://host?${TOKEN}`, TOKEN);
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...NAMES, ...NAMES.map((name) => `${name}_FILE`)), fc.oneof(spelled, url)),
        (env) => {
          expect(problemsOf({ ...env, PORT: 'x' }, echo).join('\n')).not.toContain('planted');
        },
      ),
    );
  });
});

describe('files and variables as people write them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'backscroll-written-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'written');
  const text = (spelled: string, encoding: BufferEncoding = 'utf8') => Buffer.from(spelled, encoding);
  const utf16be = (spelled: string) => text(`\uFEFF${spelled}`, 'utf16le').swap16();
  const { CHATWOOT_API_TOKEN: _, ...rest } = base;

  const spellings: [string, (name: string, value: string) => string][] = [
    ['double quotes', (_name, value) => `"${value}"`],
    ['single quotes', (_name, value) => `'${value}'`],
    ['blanks around it', (_name, value) => ` \t${value} \r\n`],
    ['blanks within the quotes', (_name, value) => `" ${value} "`],
    ['its name', (name, value) => `${name}=${value}`],
    ['its name and quotes', (name, value) => `${name}="${value}"\r\n`],
    ['its name, as a shell has it', (name, value) => `export ${name}='${value}'\n`],
    ['quotes around all of it', (name, value) => `"${name}=${value}"`],
  ];

  test.each(spellings)('%s: understood in variables and files alike', (_what, spell) => {
    const values = {
      CHATWOOT_API_TOKEN: TOKEN,
      CLIENT_KEYS: `crm=${KEY}`,
      ADMIN_KEYS: `ops=${KEY}`,
      JWT_SECRET: `${SECRET},${SECRET}2`,
      JWT_ISSUER: 'https://login.example/',
      TAIL_MAX_AGE: '3s',
      PORT: '81',
    };
    const spelled = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, spell(name, value)]));
    const plain = loadConfig({ ...rest, ...values }, noFiles);
    const { clients: _clients, ...settings } = loadConfig({ ...rest, ...spelled }, noFiles);
    expect(plain).toMatchObject(settings);
    for (const name of ['CHATWOOT_API_TOKEN', 'CLIENT_KEYS', 'ADMIN_KEYS', 'JWT_SECRET'] as const) {
      const env = { ...rest, ...values, [name]: '', [`${name}_FILE`]: spell(`${name}_FILE`, '/file') };
      const { clients: _read, ...read } = loadConfig(env, files({ '/file': spelled[name]! }));
      expect(plain).toMatchObject(read);
    }
  });

  test('JSON in quotes is JSON, and each secret of several may have its own', () => {
    const config = loadConfig(
      { ...rest, CHATWOOT_ACCOUNT_TOKENS: `'{"1":"a"}'`, JWT_SECRET: `"${SECRET}", '${SECRET}2'` },
      noFiles,
    );
    expect(config.chatwootAccountTokens).toEqual(new Map([[1, 'a']]));
    expect(config.jwtSecrets).toEqual([SECRET, `${SECRET}2`]);
    expect(loadConfig({ ...base, JWT_SECRET: `"${SECRET}","${SECRET}2"` }, noFiles).jwtSecrets).toEqual([SECRET, `${SECRET}2`]);
  });

  test.each<[string, string, string]>([
    ['CHATWOOT_API_TOKEN', `"${TOKEN}`, 'has a quote in it'],
    ['CHATWOOT_API_TOKEN', `"${TOKEN}" # of support`, 'is not 1 to 4096 visible ASCII characters without spaces'],
    ['CHATWOOT_ACCOUNT_TOKENS', `{"1":"'${TOKEN}'"}`, 'has a token for account 1 that has a quote in it'],
    ['CHATWOOT_API_TOKEN', `CLIENT_KEYS=${KEY}`, 'holds a line that sets CLIENT_KEYS: leave nothing there but the value'],
    [
      'CHATWOOT_API_TOKEN',
      `# of support\nCHATWOOT_API_TOKEN=${TOKEN}`,
      'holds a line that sets CHATWOOT_API_TOKEN: leave nothing',
    ],
    [
      'JWT_SECRET',
      `JWT_SECRET=${SECRET}\nCHATWOOT_URL=https://chatwoot.example.com`,
      'holds a line that sets CHATWOOT_URL: leave',
    ],
    ['CLIENT_KEYS', `crm="${KEY}"`, 'entry 1 has a key that begins or ends with a quote'],
  ])('%s=%s: %s', (name, value, problem) => {
    for (const env of [{ [name]: value }, { [name]: '', [`${name}_FILE`]: '/file' }]) {
      const problems = problemsOf({ ...rest, CHATWOOT_ACCOUNT_TOKENS: '{"1":"a"}', ...env }, files({ '/file': value }));
      expect(problems).toEqual([expect.stringContaining(`${name} ${problem}`)]);
      expect(problems.join('')).not.toContain('planted');
    }
  });

  const clients = JSON.stringify({ clients: [{ name: 'reports', keys: [{ sha256: 'a'.repeat(64) }], scope: '*' }] });

  test.each<[string, (spelled: string) => Buffer]>([
    ['UTF-8', (spelled) => text(spelled)],
    ['UTF-8 with a byte order mark', (spelled) => text(`\uFEFF${spelled}`)],
    ['UTF-16, as PowerShell writes it', (spelled) => text(`\uFEFF${spelled}`, 'utf16le')],
    ['UTF-16, the other way round', utf16be],
  ])('%s: understood in secrets and in the clients file', (_what, write) => {
    writeFileSync(path, write(`${TOKEN}\r\n`));
    expect(loadConfig({ ...rest, CHATWOOT_API_TOKEN_FILE: path }).chatwootApiToken).toBe(TOKEN);
    writeFileSync(path, write(`${clients}\r\n`));
    expect(loadConfig({ ...base, CLIENTS_FILE: path }).clients.clients.map(({ name }) => name)).toEqual(['crm', 'reports']);
  });

  test.each<[string, () => void, string]>([
    [
      'UTF-16 without a mark',
      () => writeFileSync(path, text(clients, 'utf16le')),
      'NUL characters, as in UTF-16 without a byte order mark; save it as UTF-8',
    ],
    ['Latin-1', () => writeFileSync(path, text('ä', 'latin1')), 'not UTF-8; save it as UTF-8'],
    ['a folder', () => mkdirSync(path), 'EISDIR'],
    ['a FIFO', () => execFileSync('mkfifo', [path]), 'not a regular file'],
    ['nothing', () => undefined, 'ENOENT'],
    ['a file that is too large', () => writeFileSync(path, Buffer.alloc(16 * 1024 * 1024 + 1, ' ')), 'larger than 16 MB'],
  ])('%s: refused with words that name it', (_what, make, words) => {
    rmSync(path, { recursive: true, force: true });
    make();
    expect(problemsOf({ ...base, CLIENTS_FILE: path }, readTextFileSync)).toEqual([
      `CLIENTS_FILE: cannot be read (${words}); it names a file, such as /etc/backscroll/clients.json`,
    ]);
    expect(problemsOf({ ...rest, CHATWOOT_API_TOKEN_FILE: path }, readTextFileSync)).toEqual([
      expect.stringContaining(`CHATWOOT_API_TOKEN is in a file, CHATWOOT_API_TOKEN_FILE, that cannot be read (${words})`),
    ]);
    rmSync(path, { recursive: true, force: true });
  });

  test('a file of exactly the size that may be is read', async () => {
    writeFileSync(path, Buffer.alloc(16 * 1024 * 1024, ' '));
    expect(readTextFileSync(path)).toHaveLength(16 * 1024 * 1024);
    expect(await readTextFile(path)).toHaveLength(16 * 1024 * 1024);
  });
});

describe('CLIENTS_FILE', () => {
  const folder = mkdtempSync(join(tmpdir(), 'backscroll-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'clients.json');
  const sha256 = createHash('sha256').update('key of reports').digest('hex');

  test('is read at start, from the disk', () => {
    writeFileSync(path, JSON.stringify({ clients: [{ name: 'reports', keys: [{ sha256 }], scope: '*' }] }));
    const config = loadConfig({ ...base, CLIENTS_FILE: path });
    expect(config.clientsFile).toBe(path);
    expect(config.clientKeys.map(({ name }) => name)).toEqual(['crm']);
    expect(config.clients.find('key of reports', 0)?.name).toBe('reports');
    expect(config.clients.find(KEY, 0)?.name).toBe('crm');
  });

  test('has its problems told with those of the settings', () => {
    expect(problemsOf({ ...base, PORT: 'x', CLIENTS_FILE: path }, () => '{"clients":[{"name":"","keys":[]}]}')).toEqual([
      expect.stringMatching(/^PORT /),
      'CLIENTS_FILE: /clients/0/scope is missing',
      expect.stringMatching(/^CLIENTS_FILE: \/clients\/0\/name must be /),
      expect.stringMatching(/^CLIENTS_FILE: \/clients\/0\/keys must be /),
    ]);
  });

  test('that cannot be read is a problem', () => {
    expect(problemsOf({ ...base, CLIENTS_FILE: join(folder, 'none.json') })).toEqual([
      'CLIENTS_FILE: cannot be read (ENOENT); it names a file, such as /etc/backscroll/clients.json',
    ]);
  });
});

test.each([
  [{ REDIS_URL: 'redis://planted,redis://planted2' }, 'names several servers, which only REDIS_CLUSTER=true permits'],
  [{ REDIS_URL: 'redis://planted/1', REDIS_CLUSTER: 'true' }, 'names a database, which a cluster does not have'],
])('what REDIS_URL names is one server, or a cluster', (env, problem) => {
  expect(problemsOf({ ...base, ...env })).toEqual([`REDIS_URL ${problem}`]);
});

describe('settingsTable', () => {
  const lines = settingsTable().split('\n');

  test('has three cells in each line, and every variable', () => {
    for (const line of lines) expect(line.split('|')).toHaveLength(5);
    expect(lines.slice(2).map((line) => line.split('`')[1])).toEqual(NAMES);
  });

  test('says defaults and files of secrets', () => {
    expect(lines).toContain('| `PORT` | `8080` | Port to listen on; 0 takes a free one |');
    expect(lines.filter((line) => line.includes('_FILE`, the path'))).toHaveLength(9);
    expect(lines.find((line) => line.startsWith('| `CHATWOOT_URL`'))).toMatch(/^\| `CHATWOOT_URL` \| {2}\| Where/);
  });
});
