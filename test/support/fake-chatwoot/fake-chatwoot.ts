// A Chatwoot 4.10 on a real socket, as far as messages, the jobs of those who read and write them, and what it announces go.

import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Answer } from './answer.ts';
import { Announcer, type Announcement } from './announce.ts';
import { pumaAnswer } from './answer.ts';
import type { Compression } from './compression.ts';
import { compressed } from './compression.ts';
import { FakeCable } from './cable.ts';
import { Directory } from './directory.ts';
import type { Installation } from './context.ts';
import { answerTo } from './endpoint.ts';
import type { Fault, WireAnswer } from './fault.ts';
import { misbehave } from './fault.ts';
import type { GatePoint } from './gate.ts';
import { Gate } from './gate.ts';
import { MessageTable } from './message-table.ts';
import type { LoggedRequest } from './request-log.ts';
import { RequestLog } from './request-log.ts';
import { Throttle } from './throttle.ts';
import { FakeWebhooks } from './webhooks.ts';

/** Options of a `FakeChatwoot`. */
export interface FakeChatwootOptions {
  readonly table?: MessageTable;
  readonly directory?: Directory;
  /** Milliseconds since the epoch; used for the log, the throttle and X-Request-Start. Default `Date.now`. */
  readonly now?: () => number;
  /** Requests a minute for each IP; loopback is exempt (contract 2.3). Default: no limit. */
  readonly requestsPerMinute?: number;
}

/** Decides what goes wrong with a request; undefined for nothing. Numbers are the log's. */
export type FaultHook = (requestNumber: number, request: LoggedRequest) => Fault | undefined;

interface Hold {
  readonly gate: Gate;
  readonly point: GatePoint;
  readonly predicate: (request: LoggedRequest) => boolean;
}

/** The fake server. Made by `FakeChatwoot.start`, ended by `close`. */
export class FakeChatwoot {
  readonly table: MessageTable;
  readonly directory: Directory;
  readonly log = new RequestLog();
  /** Conversations ("account/display id") that answer 500. */
  readonly failing = new Set<string>();
  /** Conversations ("account/display id") that are too much for the database. */
  readonly tooSlow = new Set<string>();
  fault: FaultHook | undefined;
  /** Whether a web server before it compresses what it answers. */
  compression: Compression = 'off';
  readonly cable: FakeCable;
  readonly webhooks: FakeWebhooks;
  readonly #announcer: Announcer;
  readonly #now: () => number;
  #installation: Installation;
  readonly #server: Server;
  readonly #holds = new Set<Hold>();

  private constructor(options: FakeChatwootOptions) {
    this.table = options.table ?? new MessageTable();
    this.directory = options.directory ?? new Directory();
    this.#now = options.now ?? Date.now;
    this.cable = new FakeCable(this.directory);
    this.webhooks = new FakeWebhooks(this.#now);
    this.#announcer = new Announcer({ table: this.table, now: this.#now });
    this.table.onWrite = (write) => {
      if (this.#isHeard) this.#tell(this.#announcer.announce(write));
    };
    this.#installation = {
      table: this.table,
      directory: this.directory,
      failing: this.failing,
      tooSlow: this.tooSlow,
      accountLocale: 'en',
      throttle: undefined,
      webhooks: this.webhooks,
      statuses: new Map(),
    };
    this.limitRequests(options.requestsPerMinute);
    this.#server = createServer(
      { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 65_000, noDelay: true },
      (request, response) => {
        this.#handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
      },
    );
    this.#server.on('clientError', refuseMalformed);
    this.#server.on('upgrade', (request, socket, head) => this.cable.handleUpgrade(request, socket, head));
  }

  /** Starts a fake on a free port of 127.0.0.1. */
  static async start(options: FakeChatwootOptions = {}): Promise<FakeChatwoot> {
    const fake = new FakeChatwoot(options);
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the fake does not listen');
    return address.port;
  }

  /** The origin, without a trailing slash. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves or reopens a conversation. Its activity row is a write of its own, which comes later in Chatwoot too. */
  changeStatus(accountId: number, conversationId: number): void {
    this.#tell(this.#announcer.statusChanged(accountId, conversationId));
  }

  /** A label was renamed in the settings: the conversations that have it say so without an event of theirs (contract 6.3). */
  renameLabel(accountId: number, from: string, to: string, conversationIds: readonly number[]): void {
    const heard = this.table.onWrite;
    this.table.onWrite = undefined;
    for (const id of conversationIds) {
      const { labels } = JSON.parse(this.table.metaJson(accountId, id)) as { labels: string[] };
      this.table.changeMeta(accountId, id, { labels: labels.map((label) => (label === from ? to : label)) });
    }
    this.table.onWrite = heard;
    this.#tell([this.#announcer.cacheInvalidated(accountId)]);
  }

  /** Deletes a contact with its conversations (contract 6.2). */
  deleteContact(accountId: number, contactId: number, conversationIds: readonly number[]): void {
    for (const id of conversationIds) this.table.removeConversation(accountId, id);
    this.#tell([this.#announcer.contactDeleted(accountId, { id: contactId, type: 'contact' })]);
  }

  /** Limits the requests a minute of each IP from now on, counting anew (contract 2.3); undefined lifts the limit. */
  limitRequests(perMinute: number | undefined): void {
    this.#installation = { ...this.#installation, throttle: perMinute === undefined ? undefined : new Throttle(perMinute) };
  }

  /** Has it refuse in the language of its accounts from now on, as 4.16 and later do. */
  speak(accountLocale: string): void {
    this.#installation = { ...this.#installation, accountLocale };
  }

  /** Holds the next matching request at the given point until `release`. Each hold takes one request. */
  hold(point: GatePoint = 'after-read', predicate: (request: LoggedRequest) => boolean = () => true): Gate {
    const gate = new Gate();
    this.#holds.add({ gate, point, predicate });
    return gate;
  }

  /** The first matching request, logged already or still to come. */
  async awaitRequest(predicate?: (request: LoggedRequest) => boolean): Promise<LoggedRequest> {
    return this.log.awaitRequest(predicate);
  }

  /** Empties the log; request numbers start at 1 again. */
  clearLog(): void {
    this.log.clear();
  }

  /** Ends everything: open connections are destroyed. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.cable.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Announcing costs time that most tests and measurements have no use for. */
  get #isHeard(): boolean {
    return this.cable.connections > 0 || !this.webhooks.isEmpty;
  }

  #tell(announcements: readonly Announcement[]): void {
    for (const { accountId, conversationId, cable } of announcements) {
      if (cable === undefined) continue;
      const streams =
        conversationId === undefined
          ? [`account_${accountId}`]
          : this.directory.listeners(accountId, conversationId).map((user) => this.directory.pubsubTokenOf(user));
      this.cable.broadcast(streams, cable.event, cable.data);
    }
    for (const { accountId, webhook } of announcements) if (webhook !== undefined) this.webhooks.send(accountId, webhook);
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const request = this.log.add(await readRequest(incoming, this.#now()));
    const fault = this.fault?.(request.number, request);
    const hold = [...this.#holds].find(({ predicate }) => predicate(request));
    if (hold !== undefined) this.#holds.delete(hold);
    const pass = async (point: GatePoint): Promise<void> => {
      if (hold?.point === point) await hold.gate.pass(request);
      if (fault?.kind === 'delay-gate' && (fault.point ?? 'after-read') === point) await fault.gate.pass(request);
    };
    await pass('before-read');
    const answer = answerTo(this.#installation, request);
    await pass('after-read');
    if (response.destroyed) return;
    response.sendDate = false;
    response.removeHeader('connection');
    const wire = compressed(frame(answer, request, (performance.now() - startedAt) / 1000), request, this.compression);
    if (fault === undefined || fault.kind === 'delay-gate') {
      response.writeHead(wire.status, [...wire.headers]);
      response.end(wire.body);
    } else {
      misbehave(response, fault, wire);
    }
  }
}

async function readRequest(incoming: IncomingMessage, at: number): Promise<Omit<LoggedRequest, 'number'>> {
  const chunks: readonly Buffer[] = await incoming.toArray();
  const target = (incoming.url ?? '').split('#', 1)[0] ?? '';
  const question = target.indexOf('?');
  return {
    method: incoming.method ?? '',
    path: question === -1 ? target : target.slice(0, question),
    search: question === -1 ? '' : target.slice(question),
    headers: Object.fromEntries(
      Object.entries(incoming.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]),
    ),
    rawHeaders: incoming.rawHeaders,
    body: Buffer.concat(chunks).toString('utf8'),
    peer: incoming.socket.remoteAddress ?? '',
    at,
  };
}

/** Puts the headers to an answer that Rails and Puma put to all; a HEAD has no body and says `Content-Length: 0` (contract 1.1, 4). */
function frame(answer: Answer, request: LoggedRequest, runtimeSeconds: number): WireAnswer {
  const body = Buffer.from(request.method === 'HEAD' ? '' : answer.body);
  const requestId = (request.headers['x-request-id'] ?? '').replaceAll(/[^\w\-@]/g, '').slice(0, 255);
  const headers = [
    ...answer.headers.flat(),
    ...(answer.fromRails ? ['x-request-id', requestId || randomUUID(), 'x-runtime', runtimeSeconds.toFixed(6)] : []),
    ...(request.headers['connection']?.toLowerCase() === 'close' ? ['Connection', 'close'] : []),
    'Content-Length',
    String(body.length),
  ];
  return { status: answer.status, headers, body };
}

/** Answers what node:http cannot parse: an unknown verb is 501 (contract 1.1), the rest 400. */
function refuseMalformed(error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex): void {
  if (!socket.writable) return;
  const method = /^[^ \r\n]*/.exec(error.rawPacket?.toString('latin1') ?? '')?.[0] ?? '';
  const { status, body } =
    error.code === 'HPE_INVALID_METHOD' ? pumaAnswer(501, `${method} method is not supported`) : pumaAnswer(400, '');
  const reason = status === 501 ? 'Not Implemented' : 'Bad Request';
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
