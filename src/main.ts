// The life of the process: settings, listening, signals, end.

import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import closeWithGrace from 'close-with-grace';
import { pino, type Logger } from 'pino';
import { buildApp, type App } from './app.ts';
import { loadConfig, type Config } from './config/load-config.ts';
import { heapGrowingPercent } from './config/memory-limits.ts';
import { listen } from './http/listen.ts';
import { logToStandardOutput, type LogDestination } from './log-destination.ts';

/** Logs hold ids, codes and counts: no header, no query string, no body, and no secret, since none of those is ever passed in. */
export function createLogger(config: Pick<Config, 'logLevel'>, destination: LogDestination = logToStandardOutput()): Logger {
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  destination.onRecovered = (lines) => logger.warn({ lines }, 'log lines are missing here: they could not be written');
  return logger;
}

/** Where the lines of answered requests go; null where LOG_LEVEL wants none. */
export function linesOf(logger: Logger): ((line: string) => void) | null {
  const log = logToStandardOutput();
  return logger.isLevelEnabled('info') ? (line) => log.write(line) : null;
}

/** Rows come in at tens of megabytes a second at most. */
const HEAP_EVERY_MS = 1000;

/** Keeps V8's heap to what the documents say. Not on the command line: that holds however the program is started. */
function boundHeap({ readThrough }: App, { cacheMemoryBytes }: Config): void {
  const bound = (): void => {
    setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent(readThrough.size.bytes, cacheMemoryBytes)}`);
  };
  bound();
  setInterval(bound, HEAP_EVERY_MS).unref();
}

/** What the last lines get to be written: half of the time that is left, at most this and at least half of it. */
const LAST_LINES_MS = 1000;

/** Starts to listen. @returns the app and the address it answers at. @throws CannotListen */
export async function start(config: Config, logger: Logger): Promise<{ app: App; url: string }> {
  const log = logToStandardOutput();
  const app = await buildApp({
    config,
    logger,
    answeredLines: linesOf(logger),
    logLinesDropped: () => log.dropped,
  });
  const url = await listen(app.http, { host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
  boundHeap(app, config);
  void app.readiness.recheck();
  return { app, url };
}

/** `backscroll serve`: runs until SIGTERM or SIGINT, then lets callers in flight finish. @throws ConfigError, CannotListen */
export async function serve(env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(env);
  const logger = createLogger(config);
  if (config.isCacheCut) {
    const cacheMegabytes = config.cacheMemoryBytes / 1024 ** 2;
    logger.warn({ cacheMegabytes }, 'CACHE_MEMORY is less than its default: no more fits into V8 or the container');
  }
  // Before anything can send it: a process without this handler dies of it.
  let running: App | undefined;
  process.on('SIGHUP', () => void running?.reloadClients());
  const { app } = await start(config, logger);
  running = app;
  const log = logToStandardOutput();
  // An ordinary exit waits for Node's threads.
  const endAtOnce = (): void => {
    if (log.isHung) process.kill(process.pid, 'SIGKILL');
  };
  const delay = config.drainDelayMs + config.shutdownTimeoutMs + LAST_LINES_MS;
  const onForcedEnd = { onTimeout: endAtOnce, onSecondSignal: endAtOnce, onSecondError: endAtOnce };
  closeWithGrace({ delay, logger, skip: ['SIGHUP'], ...onForcedEnd }, async ({ signal, err }) => {
    if (err) logger.fatal({ err }, 'unexpected error, shutting down');
    else {
      app.readiness.drain();
      logger.info({ signal }, 'shutting down');
      await sleep(config.drainDelayMs);
    }
    const endsAt = performance.now() + config.shutdownTimeoutMs;
    await app.close();
    const hangs = await app.isHung();
    if (hangs) logger.error('CLIENTS_FILE is still being read: the process ends without waiting for its file system');
    const leftMs = endsAt - performance.now();
    await log.flush({ withinMs: Math.min(LAST_LINES_MS, Math.max(LAST_LINES_MS / 2, leftMs / 2)) });
    if (hangs) process.kill(process.pid, 'SIGKILL');
    endAtOnce();
  });
}
