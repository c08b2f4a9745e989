// The servers that are measured, each a process of its own on one core.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-port.ts';
import { isInstalled, pinned } from './load.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface Answer {
  /** Names and values in turn, as `rawHeaders` has them. */
  readonly headers: readonly string[];
  /** One character a byte. */
  readonly body: string;
}

export interface Server {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Ended with the bench, also where a measurement has failed. */
const launched: ChildProcess[] = [];
process.once('exit', () => launched.forEach((child) => child.kill()));

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The built program, as `npm start` starts it. */
export async function startBackscroll(
  name: string,
  env: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): Promise<Server> {
  const port = await freePort();
  const child = launch([process.execPath, ...nodeArgs, `${ROOT}/dist/src/cli.js`, 'serve'], { ...env, PORT: String(port) });
  return serverOf(name, child, `http://127.0.0.1:${port}`, '/healthz');
}

/** @param kind see serve-peer.mjs */
export async function startPeer(name: string, kind: 'bare' | 'fastify' | 'stock', answer: Answer): Promise<Server> {
  const child = launch([process.execPath, fileURLToPath(new URL('serve-peer.mjs', import.meta.url)), kind], {}, true);
  child.send(answer);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return serverOf(name, child, url, '/');
}

/** nginx with a proxy_cache before `origin`; null where it is not installed. */
export async function startNginx(origin: string): Promise<Server | null> {
  if (!isInstalled('nginx')) return null;
  const [folder, port] = [temporaryFolder('nginx'), await freePort()];
  writeFileSync(
    join(folder, 'nginx.conf'),
    `user root; daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  proxy_cache_path ${folder}/cache keys_zone=pages:10m;
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${origin};
      proxy_cache pages; proxy_cache_valid 200 1h; proxy_ignore_headers Cache-Control Expires Vary;
    }
  }
}
`,
  );
  const child = launch(['nginx', '-p', folder, '-c', join(folder, 'nginx.conf')], {});
  return serverOf('nginx proxy_cache', child, `http://127.0.0.1:${port}`, '/');
}

/** Varnish before `origin`; null where it is not installed. */
export async function startVarnish(origin: string): Promise<Server | null> {
  if (!isInstalled('varnishd')) return null;
  const [folder, port] = [temporaryFolder('varnish'), await freePort()];
  writeFileSync(
    join(folder, 'cache.vcl'),
    `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${new URL(origin).port}"; }
sub vcl_recv { return (hash); }
sub vcl_backend_response { set beresp.ttl = 1h; set beresp.uncacheable = false; unset beresp.http.cache-control; return (deliver); }
`,
  );
  const at = ['-n', join(folder, 'state'), '-a', `127.0.0.1:${port}`, '-f', join(folder, 'cache.vcl')];
  const child = launch(['varnishd', '-F', '-j', 'none', ...at, '-s', 'malloc,64m', '-p', 'thread_pools=1'], {});
  return serverOf('Varnish', child, `http://127.0.0.1:${port}`, '/');
}

/** Where a Redis of the bench's own is, on the core of the load; null where it is not installed. */
export async function startRedis(): Promise<string | null> {
  if (!isInstalled('redis-server')) return null;
  const port = await freePort();
  const command = ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  // It ends with this process, which does not wait for it.
  launch(command, {}, false, 1).unref();
  await listens(port);
  return `redis://127.0.0.1:${port}`;
}

/** A program on the core of the servers. Its standard output goes nowhere: what a log line costs to write is in. */
function launch(command: readonly string[], env: Readonly<Record<string, string>>, ipc = false, core: 0 | 1 = 0): ChildProcess {
  const [program = '', ...args] = [...pinned(core), ...command];
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(program, args, {
    env: { PATH: `${PATH}:/usr/sbin`, HOME, ...env },
    stdio: ipc ? ['ignore', 'ignore', 'inherit', 'ipc'] : 'ignore',
  });
  launched.push(child);
  return child;
}

async function serverOf(name: string, child: ChildProcess, url: string, path: string): Promise<Server> {
  const ended = once(child, 'exit');
  await answers(url + path, child);
  return {
    name,
    url,
    pid: child.pid!,
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** Waits until something listens there, for ten seconds at most. */
async function listens(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    // oxlint-disable-next-line no-await-in-loop -- asking is what this is about
    const isThere = await Promise.race([once(socket, 'connect'), once(socket, 'close')]).then(
      () => !socket.connecting && socket.readyState === 'open',
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens at ${port}`);
}

/** Waits until it answers, for ten seconds at most. */
async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) break;
    // oxlint-disable-next-line no-await-in-loop -- asking is what this is about
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers at ${url}`);
}
