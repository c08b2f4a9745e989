// The project as it is just after `git clone`, and after `npm ci`: nothing is built.

import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_CLONED: ReadonlySet<string> = new Set(['.git', 'dist', 'node_modules']);

/** Copies the sources into a new folder, and nothing else. The caller removes it. */
export async function emptyClone(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-clone-'));
  await cp(ROOT, folder, { recursive: true, filter: (source) => source === ROOT || !NOT_CLONED.has(basename(source)) });
  return folder;
}

/** The same with the installed packages beside them. */
export async function cloneWithoutBuild(): Promise<string> {
  const folder = await emptyClone();
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** A command line of a shell in a folder, with none of this process's settings. */
export class Command {
  readonly #child: ChildProcess;
  readonly #change = new EventEmitter();
  #output = '';
  /** Its exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;

  constructor(line: string, folder: string, env: Readonly<Record<string, string>> = {}) {
    const { PATH = '', HOME = '' } = process.env;
    // A group of its own, so that what it starts ends with it.
    this.#child = spawn('bash', ['-c', `exec 2>&1\n${line}`], {
      cwd: folder,
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#change.emit('change');
    });
    this.ended = once(this.#child, 'close').then(([code]: unknown[]) => {
      this.#change.emit('change');
      return code as number | null;
    });
  }

  get output(): string {
    return this.#output;
  }

  /** The first match in what it prints. @throws where it ends without one */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (this.#child.exitCode !== null)
        throw new Error(`ended with ${this.#child.exitCode} and not ${pattern}: ${this.#output}`);
      // oxlint-disable-next-line no-await-in-loop
      await once(this.#change, 'change');
    }
  }

  /** Tells it and all that it started to end. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(-this.#child.pid!, 'SIGTERM');
    await this.ended;
  }
}

export function removeClone(folder: string): Promise<void> {
  return rm(folder, { recursive: true });
}
