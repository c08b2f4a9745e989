// The built program as `npm start` runs it, and what it is measured against, each in a process of its own.

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Shape } from './plain-chatwoot/page.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface Program {
  readonly url: string;
  readonly pid: number;
  /** How it ended by itself, if it did. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

export const TOKEN = 'bench-chatwoot-token';
export const KEY = 'bench-key-0123456789';

/** Limits that nothing measured here is to meet. */
export const UNLIMITED = { RATE_LIMIT: '1000000/1s', UPSTREAM_RATE: '1000000/1s' };

/** Starts the built program before this Chatwoot. @throws where it does not come to listen */
export async function startProgram(
  chatwootUrl: string,
  env: Readonly<Record<string, string>> = {},
  nodeArgs: readonly string[] = [],
): Promise<Program> {
  const { PATH = '', HOME = '' } = process.env;
  const settings = { CHATWOOT_URL: chatwootUrl, CHATWOOT_API_TOKEN: TOKEN, CLIENT_KEYS: `bench=${KEY}`, PORT: '0' };
  const child = spawn(process.execPath, [...nodeArgs, 'dist/src/cli.js', 'serve'], {
    cwd: ROOT,
    env: { PATH, HOME, ...settings, ...UNLIMITED, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let [log, url] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (url !== '') return;
    log += text;
    url = /listening at (http:\/\/127\.0\.0\.1:\d+)/i.exec(log)?.[1] ?? '';
  });
  const program = programOf(child, () => url);
  while (program.url === '') {
    // oxlint-disable-next-line no-await-in-loop -- until it says where it listens
    await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
    if (program.ended() !== undefined) throw new Error(`the program does not start: ${program.ended()}`);
  }
  return program;
}

export interface Module extends Program {
  /** Sends it an order, and gives what it sends back. */
  ask<T>(order: object): Promise<T>;
}

/** Starts a module that sends `{url}` when it is ready. */
export async function startModule(file: URL, env: Readonly<Record<string, string>> = {}): Promise<Module> {
  const child = fork(file, {
    env: { PATH: process.env['PATH'], ...env },
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [said] = (await Promise.race([once(child, 'message'), once(child, 'close').then(() => [])])) as [{ url: string }?];
  if (said === undefined) throw new Error(`${file.pathname} ended`);
  return Object.assign(
    programOf(child, () => said.url),
    {
      async ask<T>(order: object): Promise<T> {
        child.send(order);
        const [answer] = (await once(child, 'message')) as [T];
        return answer;
      },
    },
  );
}

/** Starts a Chatwoot that costs next to nothing (plain-chatwoot/serve.ts), with an account of each of these shapes: 1, 2 and so on. */
export function startPlainChatwoot(...accounts: readonly (Omit<Shape, 'delayMs'> & Partial<Shape>)[]): Promise<Program> {
  const shapes = Object.fromEntries(accounts.map((shape, n): [number, Shape] => [n + 1, { delayMs: 0, ...shape }]));
  return startModule(new URL('./plain-chatwoot/serve.ts', import.meta.url), { ACCOUNTS: JSON.stringify(shapes) });
}

/** Ended with the bench, also where a measurement has failed. */
const started: ChildProcess[] = [];
process.once('exit', () => started.forEach((child) => child.kill()));

function programOf(child: ChildProcess, url: () => string): Program {
  started.push(child);
  let end: string | undefined;
  const closed = once(child, 'close').then(([code, signal]: unknown[]) => (end = `it ended with ${String(code ?? signal)}`));
  return {
    get url() {
      return url();
    },
    pid: child.pid ?? 0,
    ended: () => end,
    async stop() {
      child.kill();
      await closed;
    },
  };
}

/** What a process holds of memory now and at most so far, bytes. */
export function residentBytes(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { now: kilobytes('VmRSS') * 1024, most: kilobytes('VmHWM') * 1024 };
}

/** What the program itself counts, by the name of a metric without labels. */
export async function metricsOf(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}
