// Answers that callers have asked for and do not take. They are bounded in bytes, of each client and of all together, and in time:
// a connection on which nothing moves is cut.
//
// An answer that the system takes at once costs nothing here. Only what is left over is noted, until it is taken.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { BackscrollError } from '../errors.ts';

export interface UnreadAnswersOptions {
  /** Bytes of all together. */
  readonly bytesMax: number;
  /** How long a connection may take nothing, ms. */
  readonly timeoutMs: number;
  /** By whom answers are counted. */
  readonly clientOf: (request: FastifyRequest) => string;
}

/** Of all bytes, what one client may have. */
const CLIENT_SHARE = 1 / 4;
/** Who has not shown a credential. They share what one client may have. */
const STRANGERS = '';
/** What an answer takes beside its body. */
const ANSWER_BYTES = 1024;
/** Taking fewer bytes than this in the time is taking nothing: else one byte now and then would hold the rest for ever. */
const PROGRESS_BYTES_MIN = 16 * 1024;
/** The longest time between two looks. */
const LOOK_EVERY_MS = 1000;

/** Why a connection was cut: it took nothing, or it left unread even that it has too much. */
export type CutReason = 'stalled' | 'full';
export const CUT_REASONS: readonly CutReason[] = ['stalled', 'full'];

/** What one client leaves unread. A body that several of its answers share is there once. */
interface Share {
  bytes: number;
  readonly answersOf: Map<Buffer, number>;
}

interface Answer {
  readonly client: string;
  /** One that other answers may share; null for any other. */
  readonly body: Buffer | null;
  /** What it takes beside that. */
  readonly bytes: number;
}

interface Held {
  readonly answers: Map<ServerResponse, Answer>;
  readonly onClose: () => void;
  /** What the system had taken of this connection at that moment. */
  taken: number;
  since: number;
}

interface Watched extends ServerResponse {
  asker?: FastifyRequest;
  /** By whom its answer is counted, where that is known without asking. */
  client?: string;
}

export class UnreadAnswers {
  readonly #options: UnreadAnswersOptions;
  readonly #held = new Map<Socket, Held>();
  readonly #shares = new Map<string, Share>();
  readonly #cuts = new Map<CutReason, number>();
  #bytes = 0;
  #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: UnreadAnswersOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs;
  }

  /** The class of responses for the server: one that tells when an answer is not taken at once. */
  get responses(): typeof ServerResponse {
    const note = (response: ServerResponse, body: Buffer | string): void => this.#note(response, body);
    return class<Request extends IncomingMessage> extends ServerResponse<Request> {
      override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
        // oxlint-disable-next-line unbound-method -- called on this, with what its overloads have in common
        Reflect.apply(super.end, this, [chunk, encoding, callback]);
        if (!this.writableFinished) note(this, Buffer.isBuffer(chunk) || typeof chunk === 'string' ? chunk : '');
        return this;
      }
    };
  }

  /** Bytes that wait to be taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Connections that were cut. */
  cut(reason: CutReason): number {
    return this.#cuts.get(reason) ?? 0;
  }

  /**
   * To be asked before work is done for a request, and again before its answer is sent.
   * @throws BackscrollError `overloaded` where its client, or all together, leave too much unread.
   */
  admit(request: FastifyRequest, reply: FastifyReply): void {
    const response: Watched = reply.raw;
    response.asker = request;
    if (!this.hasRoomFor(request)) {
      throw new BackscrollError('overloaded', 'Too many answers wait to be taken: take those asked for, then ask again', {
        retryAfter: 2,
      });
    }
  }

  /** Whether its client, and all together, leave little enough unread for another answer. */
  hasRoomFor(request: FastifyRequest): boolean {
    return this.#bytes === 0 || !this.#isFull(this.#options.clientOf(request));
  }

  /** Counts an answer by this client. To be told before one is sent that `admit` was not asked about. */
  expect(response: Watched, client: string): void {
    response.client = client;
  }

  /** An answer is sent bit by bit as its source has it, and holds nothing here: its connection is cut where it takes nothing. */
  watch(response: ServerResponse): void {
    const { socket } = response.req;
    if (socket.destroyed) return;
    const held = this.#held.get(socket) ?? this.#hold(socket);
    held.answers.set(response, { client: STRANGERS, body: null, bytes: 0 });
    response.once('close', () => this.#release(socket, held, response));
  }

  /** From now on a connection that takes nothing is cut after this time, where that is less. */
  hurry(timeoutMs: number): void {
    this.#timeoutMs = Math.min(this.#timeoutMs, timeoutMs);
    if (this.#held.size > 0) this.#watch();
  }

  #isFull(client: string): boolean {
    const { bytesMax } = this.#options;
    // What strangers leave is their own affair: no client is refused for it.
    const others = client === STRANGERS ? 0 : this.#bytesOf(STRANGERS);
    return this.#bytes - others >= bytesMax || this.#bytesOf(client) >= bytesMax * CLIENT_SHARE;
  }

  #bytesOf(client: string): number {
    return this.#shares.get(client)?.bytes ?? 0;
  }

  #note(response: Watched, body: Buffer | string): void {
    const { socket } = response.req;
    if (socket.destroyed) return;
    const { asker } = response;
    const client = response.client ?? (asker === undefined ? STRANGERS : this.#options.clientOf(asker));
    const before = this.#held.get(socket);
    // More is asked for here than is taken, and what `admit` says is not taken either. The first answer that it let through on a
    // connection is another matter: many may have waited for one read, and all get its page at once.
    const isFirstOfClient = before === undefined && client !== STRANGERS;
    if (!isFirstOfClient && this.#isFull(client)) return this.#cut(socket, 'full');
    const held = before ?? this.#hold(socket);
    const answer = Buffer.isBuffer(body)
      ? { client, body, bytes: requestBytes(response) }
      : { client, body: null, bytes: requestBytes(response) + body.length };
    held.answers.set(response, answer);
    this.#count(answer, 1);
    response.once('close', () => this.#release(socket, held, response));
  }

  #hold(socket: Socket): Held {
    // An answer that waits behind another on a connection that is lost never closes.
    const onClose = (): void => {
      for (const response of held.answers.keys()) this.#release(socket, held, response);
    };
    const held: Held = { answers: new Map(), onClose, taken: takenOf(socket), since: performance.now() };
    this.#held.set(socket, held);
    socket.once('close', onClose);
    if (this.#timer === undefined) this.#watch();
    return held;
  }

  #release(socket: Socket, held: Held, response: ServerResponse): void {
    const answer = held.answers.get(response);
    if (answer === undefined) return;
    held.answers.delete(response);
    this.#count(answer, -1);
    if (held.answers.size > 0) return;
    this.#held.delete(socket);
    socket.off('close', held.onClose);
    if (this.#held.size === 0) this.#rest();
  }

  #count({ client, body, bytes: own }: Answer, change: 1 | -1): void {
    const share = this.#shares.get(client) ?? { bytes: 0, answersOf: new Map<Buffer, number>() };
    let bytes = change * own;
    if (body !== null) {
      const [before, after] = [share.answersOf.get(body) ?? 0, (share.answersOf.get(body) ?? 0) + change];
      bytes += (Number(after > 0) - Number(before > 0)) * body.length;
      if (after > 0) share.answersOf.set(body, after);
      else share.answersOf.delete(body);
    }
    this.#bytes += bytes;
    share.bytes += bytes;
    if (share.bytes > 0) this.#shares.set(client, share);
    else this.#shares.delete(client);
  }

  #watch(): void {
    this.#rest();
    this.#timer = setInterval(() => this.#look(performance.now()), Math.min(LOOK_EVERY_MS, this.#timeoutMs / 4)).unref();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(now: number): void {
    for (const [socket, held] of this.#held) {
      const taken = takenOf(socket);
      // Where nothing is left to be taken, answers wait behind one that is not there yet.
      if (socket.writableLength === 0 || taken - held.taken >= PROGRESS_BYTES_MIN) {
        held.taken = taken;
        held.since = now;
      } else if (now - held.since >= this.#timeoutMs) this.#cut(socket, 'stalled');
    }
  }

  #cut(socket: Socket, reason: CutReason): void {
    this.#cuts.set(reason, this.cut(reason) + 1);
    socket.destroy();
  }
}

/** What an answer keeps alive beside its body: its request with all headers, as long as it waits. */
function requestBytes({ req }: ServerResponse): number {
  return req.rawHeaders.reduce((sum, text) => sum + text.length, ANSWER_BYTES + (req.url?.length ?? 0));
}

/**
 * The bytes of a connection that the system has taken. What a socket says of itself counts an answer when all of it is taken, which
 * for a large one over a slow line is too late to tell it from one that nobody reads; its handle knows.
 */
function takenOf(socket: Socket): number {
  const handle: { bytesWritten?: number; writeQueueSize?: number } | null | undefined = Reflect.get(socket, '_handle');
  return (handle?.bytesWritten ?? socket.bytesWritten) - (handle?.writeQueueSize ?? socket.writableLength);
}
