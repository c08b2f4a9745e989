// The program under soak: a process of its own, looked at from outside and asked what it holds.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** What the program holds at one moment. */
export interface Holdings {
  /** After a collection. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly descriptors: number;
  readonly sockets: number;
  /** Handles beside sockets: timers, files, workers. */
  readonly others: number;
  /** The longest that its event loop was late since the last look. */
  readonly loopDelayMs: number;
  readonly cache: { readonly bytes: number; readonly conversations: number; readonly inFlight: number };
}

export interface SoakedProgram {
  readonly url: string;
  look(): Promise<Holdings>;
  /** How it ended, if it did. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

/** Starts the built program as `npm start` does. @throws where it does not come to listen */
export async function startSoaked(env: Readonly<Record<string, string>>): Promise<SoakedProgram> {
  const child = fork(new URL('./serve-backscroll.mjs', import.meta.url), {
    env: { PATH: process.env['PATH'], ...env },
    execArgv: ['--max-semi-space-size=16'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const closed = once(child, 'close');
  let end: string | undefined;
  child.once('close', (code, signal) => (end = `it ended with ${code ?? signal}`));
  const message = async <T>(): Promise<T> => {
    const [said] = (await Promise.race([once(child, 'message'), closed])) as unknown[];
    if (end !== undefined) throw new Error(`the program is gone: ${end}`);
    return said as T;
  };
  const { url } = await message<{ readonly url: string }>();
  return {
    url,
    async look() {
      child.send('look');
      const told = await message<Omit<Holdings, 'rssBytes' | 'descriptors'>>();
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const rssBytes = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) * 1024;
      return { ...told, rssBytes, descriptors: readdirSync(`/proc/${child.pid}/fd`).length };
    },
    ended: () => end,
    async stop() {
      if (end !== undefined) return;
      child.kill();
      await closed;
    },
  };
}
