// The clients while the program runs: a good clients file replaces all of them at once, a broken one changes nothing and is
// told about.

import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { errorCode, loadRegistry, type ClientRegistry, type RegistrySources } from './registry.ts';

/** Writers write in several steps; what they leave half done is not read. */
const DEBOUNCE_MS = 100;
/** Not every file system tells of changes (NFS, some mounts), and a key that was taken away must die there too. */
const REREAD_MS = 60_000;

export interface LiveRegistryOptions {
  /** As it was read at start. */
  readonly registry: ClientRegistry;
  readonly sources: RegistrySources;
  readonly log: {
    readonly info: (details: object, message: string) => void;
    readonly error: (details: object, message: string) => void;
  };
}

export class LiveRegistry {
  readonly #options: LiveRegistryOptions;
  #registry: ClientRegistry;
  #problems: readonly string[] = [];
  #reading: Promise<void> = Promise.resolve();
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
    const read = await readFile(sources.clientsFile, 'utf8').then(
      (text) => loadRegistry(sources, () => text),
      (error: unknown) =>
        loadRegistry(sources, () => {
          throw error;
        }),
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

  #cannotWatch(error: unknown): void {
    this.#watcher?.close();
    const seconds = REREAD_MS / 1000;
    this.#options.log.error({ code: errorCode(error) }, `CLIENTS_FILE cannot be watched; it is read every ${seconds} s`);
  }
}
