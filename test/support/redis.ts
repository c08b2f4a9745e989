// A real redis-server of a test's own: on a free port, without anything on disk, ended with the test.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';

/** Whether this machine has one. */
export const HAS_REDIS = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'redis-server')));

if (!HAS_REDIS) {
  const told = 'THE SHARED LEVEL IS NOT TESTED: there is no redis-server on this machine (apt-get install redis-server)';
  if (process.env.CI === 'true') throw new Error(told);
  process.stderr.write(`${told}\n`);
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** For the test to look, and to do harm. */
  readonly client: Redis;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Ends it at once, as a machine does that loses power. */
  kill(): Promise<void>;
  /** Starts it again, empty, at the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const TRIES_MAX = 5;

export async function startRedis(...settings: readonly string[]): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-redis-'));
  let port = await freePort();
  let server = await persistently(async (tries) => {
    if (tries > 0) port = await freePort();
    return start(port, folder, settings);
  });
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 20, protocol: 2 });
  client.on('error', () => undefined);
  await once(client, 'ready');
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  };
  let isClosed = false;
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    client,
    signal: (name) => void server.kill(name),
    kill,
    async restart() {
      server = await persistently(() => start(port, folder, settings));
      if (client.status !== 'ready') await once(client, 'ready');
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      client.disconnect();
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Tries again a few times: what listens, or asks somebody, may take a port that was free just now. */
async function persistently<T>(attempt: (tries: number) => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      return await attempt(tries);
    } catch (error) {
      if (tries >= TRIES_MAX) throw error;
      // oxlint-disable-next-line no-await-in-loop
      await sleep(50);
    }
  }
}

/** The same, ended with the test that runs. */
export async function redisOfTest(...settings: readonly string[]): Promise<RedisServer> {
  const redis = await startRedis(...settings);
  onTestFinished(() => redis.close());
  return redis;
}

async function start(port: number, folder: string, settings: readonly string[]): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...settings];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const chunk of server.stdout) {
    said += String(chunk);
    if (said.includes('Ready to accept connections')) break;
  }
  server.stdout.destroy();
  if (!said.includes('Ready to accept connections')) throw new Error(`redis-server did not start: ${said}`);
  return server;
}

/** Three masters of one cluster, ended with the test. */
export async function clusterOfTest(): Promise<readonly RedisServer[]> {
  const buses = [await freePort(), await freePort(), await freePort()];
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
  const masters = await Promise.all(buses.map((bus) => redisOfTest(...settings, '--cluster-port', String(bus))));
  const [first] = masters;
  for (const [at, { client, port }] of masters.entries()) {
    const [from, end] = [at, at + 1].map((nth) => Math.floor((nth * 16_384) / masters.length));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await client.cluster('ADDSLOTSRANGE', from!, end! - 1);
    // oxlint-disable-next-line no-await-in-loop
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1));
    // oxlint-disable-next-line no-await-in-loop
    if (at > 0) await first!.client.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(buses[at]));
  }
  for (const { client } of masters) {
    // oxlint-disable-next-line no-await-in-loop -- until all agree
    while (!(await client.cluster('INFO')).includes('cluster_state:ok')) await setImmediate();
  }
  return masters;
}
