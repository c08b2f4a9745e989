// Settings come from the environment, are checked once at start, and are told about all at once where they are wrong. No problem ever
// shows a value: tokens land in wrong variables.

import { errorCode, loadRegistry, type ClientRegistry, type ReadFile } from '../clients/registry.ts';
import { cacheProblem, largestCacheBytes, memoryLimits, type MemoryLimits } from './memory-limits.ts';
import type { Proxies } from '../upstream/proxies.ts';
import { settingText, Unacceptable } from './setting-text.ts';
import { exampleOf, SETTINGS, type Setting, type Settings } from './settings.ts';
import { readTextFileSync } from '../text-file.ts';

/** Everything that is wrong with the settings, each problem naming its variable. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const FIELDS = Object.keys(SETTINGS).filter((field): field is keyof typeof SETTINGS => field in SETTINGS);
const NAMES: ReadonlySet<string> = new Set(
  Object.values<Setting<unknown>>(SETTINGS).flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : name)),
);

export interface Config extends Settings {
  /** All clients as they were at start. A reload asks `loadRegistry` for another and leaves this one alone. */
  readonly clients: ClientRegistry;
  readonly proxies: Proxies;
  /** Whether CACHE_MEMORY was left out and is less than its default, which does not fit here. */
  readonly isCacheCut: boolean;
}

/**
 * Reads the settings and the files that they name.
 * @throws ConfigError with every problem there is.
 */
export function loadConfig(
  env: NodeJS.ProcessEnv,
  readFile: ReadFile = readTextFileSync,
  limits: MemoryLimits = memoryLimits(),
): Config {
  const { settings, problems, given } = readSettings(env, FIELDS, readFile);
  const { isCacheCut, cacheProblems } = fitCache(settings, given, limits);
  problems.push(...cacheProblems);
  problems.push(...missing(given, settings));

  const sources = { clientKeys: settings.clientKeys ?? [], clientsFile: settings.clientsFile };
  const read = loadRegistry({ ...sources, allowAnonymous: settings.allowAnonymous ?? false }, readFile);
  if (read.kind === 'problems') problems.push(...read.problems.map((problem) => `CLIENTS_FILE: ${problem}`));
  if (problems.length > 0 || read.kind === 'problems' || !hasAll(settings, FIELDS)) throw new ConfigError(problems);
  const proxies = { http: settings.httpProxy, https: settings.httpsProxy, except: settings.noProxy };
  return Object.freeze({ ...settings, clients: read.registry, proxies, isCacheCut });
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

/** Makes a CACHE_MEMORY that was not set what fits here; what was set must. */
function fitCache(
  settings: Partial<Settings>,
  given: ReadonlySet<string>,
  limits: MemoryLimits,
): { readonly isCacheCut: boolean; readonly cacheProblems: readonly string[] } {
  const { cacheMemoryBytes: wanted, upstreamBodyMaxBytes: bodyMaxBytes } = settings;
  if (wanted === undefined || bodyMaxBytes === undefined) return { isCacheCut: false, cacheProblems: [] };
  const { name, parse } = SETTINGS.cacheMemoryBytes;
  const largest = Math.max(largestCacheBytes({ bodyMaxBytes, limits }), parse('1mb'));
  const cacheMemoryBytes = given.has(name) ? wanted : Math.min(wanted, largest);
  Object.assign(settings, { cacheMemoryBytes });
  const problem = cacheProblem({ cacheBytes: cacheMemoryBytes, bodyMaxBytes, limits });
  return { isCacheCut: cacheMemoryBytes < wanted, cacheProblems: problem === null ? [] : [`${name} ${problem}`] };
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
  if (settings.feed?.has('webhook') === true && !given.has('WEBHOOK_SECRETS')) {
    problems.push(`WEBHOOK_SECRETS is required with FEED=webhook, for example ${exampleOf(SETTINGS.webhookSecrets)}`);
  }
  for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE']) {
    if (given.has(name) && !verifiers.some((verifier) => given.has(verifier))) {
      problems.push(`${name} is set, but neither JWT_SECRET nor JWKS_URL, so that no token is accepted`);
    }
  }
  const { redisUrls = [], redisCluster } = settings;
  if (redisUrls.length > 1 && redisCluster === false)
    problems.push('REDIS_URL names several servers, which only REDIS_CLUSTER=true permits');
  if (redisCluster === true && redisUrls.some((url) => !/^\/?$/.test(new URL(url).pathname)))
    problems.push('REDIS_URL names a database, which a cluster does not have');
  return problems;
}
