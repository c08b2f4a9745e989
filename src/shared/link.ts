// The way to Redis: every exchange ends in time, nothing queues up while there is no connection, and after a failure Redis is left alone
// for a while, the longer the more often it fails.

import { createHash } from 'node:crypto';
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import type { SharedTimes } from './times.ts';
import type { Exchange, ExchangeEnd, SharedObserver } from './observer.ts';

export type Client = Redis | Cluster;

export interface LinkOptions {
  /** Where Redis is; several are nodes of a cluster. */
  readonly urls: readonly string[];
  readonly isCluster: boolean;
  readonly times: SharedTimes;
  readonly observer: SharedObserver;
}

/** An exchange that brought nothing. */
export class NotHad extends Error {
  readonly end: Exclude<ExchangeEnd, 'ok'>;
  /** The word that Redis's error begins with, such as WRONGTYPE; blank without one. */
  readonly word: string;

  constructor(end: Exclude<ExchangeEnd, 'ok'>, word = '') {
    super(word === '' ? end : `${end}: ${word}`);
    this.name = 'NotHad';
    this.end = end;
    this.word = word;
  }
}

const CONNECT_TIMEOUT_MS = 2_000;
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 5_000;
const RECONNECT_MS_MAX = 2_000;
/** Errors that say something of one key or of one command, and not of the server. */
const OF_ONE_COMMAND: ReadonlySet<string> = new Set(['WRONGTYPE', 'OOM', 'ERR', 'NOSCRIPT', 'CROSSSLOT']);

export class Link {
  readonly #options: LinkOptions;
  readonly client: Client;
  #failures = 0;
  #pausedUntil = 0;
  #isProbing = false;
  #isLost = false;
  #isClosed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.client = connect(options, true);
    // A connection that comes or goes is told of at once; the first one has its time to come.
    this.client.on('ready', () => this.#worked());
    this.client.on('close', () => this.#tellLost('lost'));
  }

  /** Runs one exchange. @throws NotHad, soon */
  async run<T>(exchange: Exchange, send: (client: Client) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const isProbe = this.#failures > 0;
    if (this.#isClosed || startedAt < this.#pausedUntil || (isProbe && this.#isProbing))
      throw this.#notHad(exchange, 'paused', startedAt);
    if (this.client.status !== 'ready') throw this.#notHad(exchange, 'lost', startedAt);
    if (isProbe) this.#isProbing = true;
    try {
      const answer = await inTime(send(this.client), this.#options.times.timeoutMs);
      this.#options.observer.exchanged(exchange, 'ok', performance.now() - startedAt);
      this.#worked();
      return answer;
    } catch (error) {
      const word = wordOf(error);
      const notHad = this.#notHad(exchange, endOf(error, word), startedAt, word);
      if (!OF_ONE_COMMAND.has(word)) this.#failed(notHad);
      throw notHad;
    } finally {
      if (isProbe) this.#isProbing = false;
    }
  }

  /** Whether Redis is of use just now, as far as the last exchange has shown. */
  get isUp(): boolean {
    return this.#failures === 0 && this.client.status === 'ready';
  }

  close(): void {
    this.#isClosed = true;
    this.client.disconnect();
  }

  #notHad(exchange: Exchange, end: Exclude<ExchangeEnd, 'ok'>, startedAt: number, word = ''): NotHad {
    this.#options.observer.exchanged(exchange, end, performance.now() - startedAt);
    return new NotHad(end, word);
  }

  #failed({ message }: NotHad): void {
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** this.#failures);
    // Those that were under way together are one failure.
    if (performance.now() >= this.#pausedUntil) {
      this.#failures = Math.min(this.#failures + 1, 16);
      this.#pausedUntil = performance.now() + pauseMs;
    }
    this.#tellLost(message);
  }

  #tellLost(reason: string): void {
    if (this.#isLost || this.#isClosed) return;
    this.#isLost = true;
    this.#options.observer.lost(reason);
  }

  #worked(): void {
    this.#failures = 0;
    this.#pausedUntil = 0;
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#options.observer.back();
  }
}

/** A connection of its own, for commands that block. */
export function connect({ urls, isCluster, times }: LinkOptions, hasTimeout: boolean): Client {
  const common = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: times.silentMs,
    enableAutoPipelining: hasTimeout,
    connectionName: 'backscroll',
    disableClientInfo: true,
    // What it is asked needs nothing of the third version, and every server and user may speak the second.
    protocol: 2,
    ...(hasTimeout ? { commandTimeout: times.timeoutMs } : {}),
  } satisfies RedisOptions;
  const client = isCluster ? cluster(urls, common) : new Redis(urls[0]!, { ...common, retryStrategy: reconnectMs });
  // Failures are told by the exchanges that meet them.
  client.on('error', () => undefined);
  return client;
}

/** After how long to connect again, ms, after so many times in vain. */
function reconnectMs(times: number): number {
  return Math.min(RECONNECT_MS_MAX, 50 * 2 ** Math.min(times, 8)) * (0.5 + Math.random() / 2);
}

function cluster(urls: readonly string[], redisOptions: Omit<RedisOptions, 'replyMapping'>): Cluster {
  const [first] = urls.map((url) => new URL(url));
  const { enableAutoPipelining = false, enableOfflineQueue: _queue, ...each } = redisOptions;
  const credentials = {
    ...(first!.username === '' ? {} : { username: decodeURIComponent(first!.username) }),
    ...(first!.password === '' ? {} : { password: decodeURIComponent(first!.password) }),
    ...(first!.protocol === 'rediss:' ? { tls: {} } : {}),
  };
  const options = {
    clusterRetryStrategy: reconnectMs,
    enableOfflineQueue: false,
    enableAutoPipelining,
    maxRedirections: 3,
    redisOptions: { ...each, ...credentials },
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // Names of nodes belong to certificates.
    ...(first!.protocol === 'rediss:' ? { dnsLookup: (address, done) => done(null, address) } : {}),
  } satisfies ClusterOptions;
  const nodes = urls.map((url) => new URL(url)).map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) }));
  return new Cluster(nodes, options);
}

/** A script, sent by its hash and as text where the server does not have it. */
export class Script {
  readonly #lua: string;
  readonly #hash: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#hash = createHash('sha1').update(lua).digest('hex');
  }

  async run(client: Client, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
    if (!runsScripts(client)) throw new Error('this client runs no scripts');
    try {
      return await client.evalshaBuffer(this.#hash, keys.length, ...keys, ...args);
    } catch (error) {
      if (wordOf(error) !== 'NOSCRIPT') throw error;
      return client.evalBuffer(this.#lua, keys.length, ...keys, ...args);
    }
  }
}

/** What the types of the library leave out. */
interface RunsScripts {
  evalBuffer(lua: string, keys: number, ...keysAndArgs: readonly (string | number | Buffer)[]): Promise<unknown>;
  evalshaBuffer(hash: string, keys: number, ...keysAndArgs: readonly (string | number | Buffer)[]): Promise<unknown>;
}

function runsScripts(client: Client): client is Client & RunsScripts {
  return 'evalBuffer' in client && 'evalshaBuffer' in client;
}

class TookTooLong extends Error {}

function inTime<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TookTooLong()), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The word that an error of Redis begins with; blank for anything else. */
export function wordOf(error: unknown): string {
  if (error instanceof NotHad) return error.word;
  if (!(error instanceof Error) || error.name !== 'ReplyError') return '';
  // Older servers put what went wrong in a script behind ERR.
  const [word] = WORDS.exec(error.message) ?? [];
  if (word !== undefined) return word;
  if (error.message.includes('not an integer')) return 'WRONGTYPE';
  return /^[A-Z]{2,20}\b/.exec(error.message)?.[0] ?? 'ERR';
}

const WORDS = /\b(?:WRONGTYPE|OOM|READONLY|LOADING|NOSCRIPT|MISCONF|NOREPLICAS)\b/;

function endOf(error: unknown, word: string): Exclude<ExchangeEnd, 'ok'> {
  if (error instanceof NotHad) return error.end;
  if (error instanceof TookTooLong || (error instanceof Error && error.message === 'Command timed out')) return 'late';
  return word === '' ? 'lost' : 'refused';
}
