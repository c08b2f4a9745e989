// The built program as a process of its own, with nothing of this process's settings.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Program {
  readonly url: string;
  readonly pid: number;
  /** Its last lines that are warnings or worse, and what else it said on stderr. */
  readonly complaints: () => readonly string[];
  /** How it ended, while it should be running. */
  readonly ended: () => string | undefined;
  /** SIGTERM, and SIGKILL where that takes too long. */
  stop(): Promise<void>;
}

const COMPLAINTS_KEPT = 50;
const STOP_MS = 15_000;
/** pino's `warn`. */
const WARN = 40;

/** Starts `serve` on a free port, and waits until it listens. @throws where it ends before */
export async function startProgram(env: Readonly<Record<string, string>>): Promise<Program> {
  const child = spawn(process.execPath, ['dist/src/cli.js', 'serve'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const complaints: string[] = [];
  const complain = (line: string): void => {
    complaints.push(line);
    if (complaints.length > COMPLAINTS_KEPT) complaints.shift();
  };
  let end: string | undefined;
  const closed = once(child, 'close');
  child.once('close', (code, signal) => (end = `it ended with ${code ?? signal}`));
  createInterface(child.stderr).on('line', complain);
  const lines = createInterface(child.stdout);
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const address = /listening at (http:\/\/[\w.:]+)/i.exec(line)?.[1];
      if (address !== undefined) resolve(address);
      if (Number(/"level":(\d+)/.exec(line)?.[1]) >= WARN) complain(line);
    });
    void closed.then(() => reject(new Error(`the program did not start: ${end}\n${complaints.join('\n')}`)));
  });
  return {
    url,
    pid: child.pid!,
    complaints: () => complaints,
    ended: () => end,
    async stop() {
      if (end !== undefined) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
