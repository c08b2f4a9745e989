// The built program as a process of its own, with nothing of this process's settings.

import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { searchForCanary } from '../support/canary.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Child {
  readonly process: ChildProcess;
  /** All that it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The first match in what it prints, printed already or still to be. Rejects when the process ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** How it ended; what it printed has been searched for the token. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

export interface ChildOptions {
  /** A descriptor to print to, in place of one that is read here. */
  readonly stdout?: number;
  /** Files that it may have open. */
  readonly openFilesMax?: number;
}

/** Starts a command, and ends it with the test where it has not ended by itself. */
export function startChild(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { stdout, openFilesMax }: ChildOptions = {},
): Child {
  const limit = openFilesMax === undefined ? '' : `ulimit -n ${openFilesMax}; `;
  const child = spawn('bash', ['-c', `${limit}exec "$@"`, 'bash', process.execPath, 'dist/src/cli.js', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdio: ['ignore', stdout ?? 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  const events = new EventEmitter();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
      events.emit('change');
    });
  }
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => {
    for (const [name, text] of Object.entries(texts)) searchForCanary(`the program's ${name}`, text);
    events.emit('change');
    return { code: code as number | null, signal: signal as string | null };
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return {
    process: child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    ended,
    async printed(pattern) {
      for (;;) {
        const match = pattern.exec(texts.stdout + texts.stderr);
        if (match !== null) return match;
        if (child.exitCode !== null) throw new Error(`ended without printing ${pattern}: ${texts.stdout}${texts.stderr}`);
        await once(events, 'change');
      }
    },
  };
}

/** Runs a line as a shell does; resolves to what it prints. @throws where it fails */
export async function runShell(line: string): Promise<string> {
  const child = spawn('bash', ['-c', line], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [code] = (await once(child, 'close')) as [number | null];
  searchForCanary(`what ${line} printed`, text);
  if (code !== 0) throw new Error(`${line} failed with ${code}: ${text}`);
  return text;
}
