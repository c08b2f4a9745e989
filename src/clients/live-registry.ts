// The clients while the program runs: a good clients file replaces all of them at once, a broken one changes nothing and is
// told about.

import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { readTextFile, UnusableFile } from '../text-file.ts';
import { errorCode, loadRegistry, type ClientRegistry, type RegistrySources } from './registry.ts';

/** Writers write in several steps; what they leave half done is not read. */
const DEBOUNCE_MS = 100;
/** Not every file system tells of changes (NFS, some mounts), and a key that was taken away must die there too. */
const REREAD_MS = 60_000;
const READ_TIMEOUT_MS = 5_000;
/** A read that takes longer at the end of the process is not waited for. */
const HUNG_MS = 500;
/** After so many reads in a row that brought no text, nobody knows any more who may still read. */
const FAILURES_MAX = 5;

export interface LiveRegistryOptions {
  /** As it was read at start. */
  readonly registry: ClientRegistry;
  readonly sources: RegistrySources;
  readonly log: {
    readonly info: (details: object, message: string) => void;
    readonly error: (details: object, message: string) => void;
  };
  /** Told after each read how many in a row have failed, and what is wrong where those are too many. */
  readonly onRead?: (failures: number, problem: string | null) => void;
  readonly readFile?: (path: string) => Promise<string>;
  readonly readTimeoutMs?: number;
}

export class LiveRegistry {
  readonly #options: LiveRegistryOptions;
  #registry: ClientRegistry;
  #problems: readonly string[] = [];
  #reading: Promise<void> = Promise.resolve();
  #underWay: Promise<string> | undefined;
  #failures = 0;
  #watcher: FSWatcher | undefined;
  #debounce: NodeJS.Timeout | undefined;
  #interval: NodeJS.Timeout | undefined;

  constructor(options: LiveRegistryOptions) {
    this.#options = options;
    this.#registry = options.registry;
  }

  /** The clients now. Take it anew for each request. */
  get current(): ClientRegistry {
    return this.#registry;
  }

  /** Whether a read is under way that does not end soon either. */
  async isHung(): Promise<boolean> {
    const ended = this.#underWay?.then(
      () => false,
      () => false,
    );
    return ended === undefined ? false : Promise.race([ended, sleep(HUNG_MS, true, { ref: false })]);
  }

  /** Reads the file whenever it changes, until `close`. */
  watch(): void {
    const { clientsFile } = this.#options.sources;
    if (clientsFile === undefined) return;
    this.#interval = setInterval(() => void this.reload(), REREAD_MS).unref();
    try {
      // The folder, since editors and Kubernetes put another file, or another link, in the place of the old one.
      this.#watcher = watch(dirname(clientsFile), { persistent: false }, () => this.#soon());
      this.#watcher.on('error', (error) => this.#cannotWatch(error));
    } catch (error) {
      this.#cannotWatch(error);
    }
  }

  /** Reads the file now. Resolves when that is done, whatever came of it; never rejects. */
  async reload(): Promise<void> {
    // One after the other: a slow read of an old state must not overtake a newer one.
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#interval);
    clearTimeout(this.#debounce);
  }

  #soon(): void {
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => void this.reload(), DEBOUNCE_MS).unref();
  }

  async #read(): Promise<void> {
    const { sources, log } = this.#options;
    if (sources.clientsFile === undefined) return;
    const read = await this.#text(sources.clientsFile).then(
      (text) => {
        this.#told(0);
        return loadRegistry(sources, () => text);
      },
      (error: unknown) => {
        this.#told(this.#failures + 1, errorCode(error));
        return loadRegistry(sources, () => {
          throw error;
        });
      },
    );
    if (read.kind === 'problems') {
      if (isDeepStrictEqual(read.problems, this.#problems)) return;
      this.#problems = read.problems;
      log.error({ problems: read.problems }, 'CLIENTS_FILE cannot be used; the clients stay as they were');
      return;
    }
    const isRepaired = this.#problems.length > 0;
    this.#problems = [];
    if (!isRepaired && isDeepStrictEqual(read.registry.clients, this.#registry.clients)) return;
    this.#registry = read.registry;
    log.info({ clients: read.registry.clients.length }, 'CLIENTS_FILE was read again');
  }

  /** The text of the file in its time. One read at once: each that hangs holds one of Node's few threads. */
  async #text(path: string): Promise<string> {
    const { readFile = readTextFile, readTimeoutMs = READ_TIMEOUT_MS } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new UnusableFile('no answer in time')), readTimeoutMs).unref();
    });
    try {
      // What a late read brings at last is an old state.
      await Promise.race([this.#underWay?.catch(() => {}), late]);
      this.#underWay = readFile(path).finally(() => (this.#underWay = undefined));
      return await Promise.race([this.#underWay, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #told(failures: number, code = ''): void {
    this.#failures = failures;
    const problem = failures < FAILURES_MAX ? null : `CLIENTS_FILE cannot be read (${code}); who may read is as it was before`;
    this.#options.onRead?.(failures, problem);
  }

  #cannotWatch(error: unknown): void {
    this.#watcher?.close();
    const seconds = REREAD_MS / 1000;
    this.#options.log.error({ code: errorCode(error) }, `CLIENTS_FILE cannot be watched; it is read every ${seconds} s`);
  }
}
