// Answers that callers have asked for and do not take, and large pages that wait to be made. They are bounded in bytes, of each
// client and of all together; answers in time, too: a connection on which nothing moves is cut.
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

/**
 * Of what is free, what one client may have: a quarter of all where no other leaves anything, less where others do, so that some is left
 * for who comes next. A single answer may be more than that.
 */
const SHARE_OF_FREE = 1 / 3;
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

interface Answer {
  readonly client: string;
  /** What other answers may hold, too: it is there once. Null where there is no such thing. */
  readonly shared: { readonly what: object; readonly bytes: number } | null;
  /** What it takes beside that. */
  readonly bytes: number;
  /** It is not made yet. */
  readonly isHeld?: boolean;
}

/** What answers take together. */
class Tally {
  /** All of it, and what of it is not made yet. */
  bytes = 0;
  heldBytes = 0;
  readonly #times = new Map<object, number>();

  count({ shared, bytes, isHeld = false }: Answer, change: 1 | -1): void {
    let taken = change * bytes;
    if (shared !== null) {
      const before = this.#times.get(shared.what) ?? 0;
      const after = before + change;
      taken += (Number(after > 0) - Number(before > 0)) * shared.bytes;
      if (after > 0) this.#times.set(shared.what, after);
      else this.#times.delete(shared.what);
    }
    this.bytes += taken;
    if (isHeld) this.heldBytes += taken;
  }
}

const NOTHING = new Tally();
const bytesOf = ({ bytes }: Tally): number => bytes;
const unreadBytesOf = ({ bytes, heldBytes }: Tally): number => bytes - heldBytes;

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
  readonly #all = new Tally();
  readonly #ofClients = new Map<string, Tally>();
  readonly #cuts = new Map<CutReason, number>();
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

  /** Bytes that wait to be taken, or to be made. */
  get bytes(): number {
    return this.#all.bytes;
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
    return this.bytes === 0 || this.hasRoomForClient(this.#options.clientOf(request));
  }

  /** The same of a client. */
  hasRoomForClient(client: string): boolean {
    return this.bytes === 0 || !this.#isFull(client, bytesOf);
  }

  /** The same when it is the turn of a page that was let in to be made: what else waits for its turn does not count. */
  hasTurnFor(request: FastifyRequest): boolean {
    return !this.#isFull(this.#options.clientOf(request), unreadBytesOf);
  }

  /**
   * From now on the parts of a page that is to be made for a request count as if its client left them.
   * @param bytes what is there only for this page
   * @returns to be called when it is made, or is not to be
   */
  hold(request: FastifyRequest, parts: object, bytes: number): () => void {
    const client = this.#options.clientOf(request);
    const answer: Answer = { client, shared: { what: parts, bytes }, bytes: requestBytes(request.raw), isHeld: true };
    this.#count(answer, 1);
    let counts = true;
    return () => {
      if (counts) this.#count(answer, -1);
      counts = false;
    };
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
    held.answers.set(response, { client: STRANGERS, shared: null, bytes: 0 });
    response.once('close', () => this.#release(socket, held, response));
  }

  /** From now on a connection that takes nothing is cut after this time, where that is less. */
  hurry(timeoutMs: number): void {
    this.#timeoutMs = Math.min(this.#timeoutMs, timeoutMs);
    if (this.#held.size > 0) this.#watch();
  }

  #isFull(client: string, of: (tally: Tally) => number): boolean {
    // What strangers leave is their own affair: no client is refused for it.
    const others = client === STRANGERS ? NOTHING : this.#ofClient(STRANGERS);
    const free = this.#options.bytesMax - (of(this.#all) - of(others));
    return of(this.#ofClient(client)) >= free * SHARE_OF_FREE;
  }

  #ofClient(client: string): Tally {
    return this.#ofClients.get(client) ?? NOTHING;
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
    if (!isFirstOfClient && this.#isFull(client, unreadBytesOf)) return this.#cut(socket, 'full');
    const held = before ?? this.#hold(socket);
    const answer = Buffer.isBuffer(body)
      ? { client, shared: { what: body, bytes: body.length }, bytes: requestBytes(response.req) }
      : { client, shared: null, bytes: requestBytes(response.req) + body.length };
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

  #count(answer: Answer, change: 1 | -1): void {
    const ofClient = this.#ofClients.get(answer.client) ?? new Tally();
    this.#all.count(answer, change);
    ofClient.count(answer, change);
    if (ofClient.bytes > 0) this.#ofClients.set(answer.client, ofClient);
    else this.#ofClients.delete(answer.client);
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
function requestBytes({ rawHeaders, url = '' }: IncomingMessage): number {
  return rawHeaders.reduce((sum, text) => sum + text.length, ANSWER_BYTES + url.length);
}

/**
 * The bytes of a connection that the system has taken. What a socket says of itself counts an answer when all of it is taken, which
 * for a large one over a slow line is too late to tell it from one that nobody reads; its handle knows.
 */
function takenOf(socket: Socket): number {
  const handle: { bytesWritten?: number; writeQueueSize?: number } | null | undefined = Reflect.get(socket, '_handle');
  return (handle?.bytesWritten ?? socket.bytesWritten) - (handle?.writeQueueSize ?? socket.writableLength);
}
