// Callers' connections: fewer than the process may have descriptors, so that Chatwoot and files can still be reached, and none is
// beyond reach at the end.

import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { seldom } from './seldom.ts';

/** What the process itself needs beside callers and Chatwoot: streams, the clients file, key servers, what Node opens. */
const OWN_DESCRIPTORS = 64;
const TELL_EVERY_MS = 60_000;

export interface ConnectionsOptions {
  /** Connections to Chatwoot at most. */
  readonly upstreamConnections: number;
  readonly log: FastifyBaseLogger;
  /** Files that the process may have open. */
  readonly openFilesMax?: number | undefined;
}

export class Connections {
  readonly #open = new Set<Socket>();
  readonly #log: FastifyBaseLogger;
  #refused = 0;
  readonly #tell = seldom({ everyMs: TELL_EVERY_MS });

  constructor(server: Server, { upstreamConnections, log, openFilesMax = openFilesLimit() }: ConnectionsOptions) {
    this.#log = log;
    if (openFilesMax !== undefined) server.maxConnections = connectionsMax(openFilesMax, upstreamConnections);
    server.on('connection', (socket) => {
      // The server itself counts those that it accepts; some are handed over to it (listen.ts).
      if (this.#open.size >= (server.maxConnections ?? Infinity)) {
        socket.destroy();
        return this.#refuse('too many are open');
      }
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
    server.on('drop', () => this.#refuse('too many are open'));
    // Without a listener, a connection that cannot be accepted would end the process. Before it listens, it is not ours to tell.
    server.on('error', (error) => {
      if (server.listening) this.#refuse(error.message);
    });
  }

  get open(): number {
    return this.#open.size;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Ends them all, whatever they are at. */
  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #refuse(reason: string): void {
    this.#refused++;
    this.#tell(() => this.#log.error({ reason, open: this.open }, 'connections of callers are refused'));
  }
}

/** Whether nobody is there to take the answer. Of one that waits behind another on a lost connection only the connection tells. */
export function hasGone({ raw }: FastifyRequest): boolean {
  return raw.socket.destroyed;
}

/** What is left for callers of this many descriptors: at least half. */
export function connectionsMax(openFilesMax: number, upstreamConnections: number): number {
  return Math.max(1, openFilesMax - Math.min(OWN_DESCRIPTORS + upstreamConnections, Math.floor(openFilesMax / 2)));
}

/** The process's limit of open files; undefined where it has none or the system does not say. */
function openFilesLimit(): number | undefined {
  const text = limitFromProc() ?? limitFromReport();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function limitFromProc(): string | undefined {
  try {
    return /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Slow, but not bound to Linux. */
function limitFromReport(): string | undefined {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return String(report.userLimits?.open_files?.soft);
}
