// The body of an answer: whole, within its bound, and without its coding (RFC 9110 8.4). Chatwoot itself does not compress, what
// stands before it may, asked or not.

import { addAbortSignal } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { COPIED_STEP_BYTES, inTurns, type Steps } from '../steps.ts';
import { codeOf, invalidAnswer } from './map-broken-exchange.ts';

/** The only coding that is asked for: what answers are read in. */
export const ACCEPTED_CODING = 'gzip';

export interface BodyBounds {
  /** Of the body as it came, and as it is without its coding: a few bytes can stand for very many. */
  readonly maxBytes: number;
  /** Ends the decoding too. */
  readonly signal: AbortSignal;
}

/** What `createGunzip` makes at a time: fewer turns of the event loop for large bodies than with its default of 16 kB. */
const DECODED_CHUNK_BYTES = 64 * 1024;

/**
 * A body that is told of as it arrives.
 * Its methods and `whole` throw BackscrollError `upstream_invalid` as soon as it is known to be too large, or not to be what its headers say.
 */
export class WholeBody {
  /** All of it; rejects with what `fail` was told, too. */
  readonly whole: Promise<Buffer>;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;
  readonly #gunzip: Gunzip | null;
  readonly #chunks: Buffer[] = [];
  /** Where a large body is put together as it comes, if its length is known: it is never there twice. */
  readonly #room: Buffer | null;
  #bytes = 0;
  #resolve!: (whole: Buffer) => void;
  #reject!: (error: Error) => void;

  constructor(headers: IncomingHttpHeaders, { maxBytes, signal }: BodyBounds) {
    const coding = codingOf(headers['content-encoding']);
    if (coding === 'other') throw invalidAnswer('it is compressed in another way than gzip, which alone is asked for');
    const length = Number(headers['content-length'] ?? 0);
    if (length > maxBytes) throw invalidAnswer(TOO_LARGE);
    this.#maxBytes = maxBytes;
    this.#signal = signal;
    this.#gunzip = coding === 'gzip' ? addAbortSignal(signal, createGunzip({ chunkSize: DECODED_CHUNK_BYTES })) : null;
    this.#room = coding === 'none' && length > COPIED_STEP_BYTES ? Buffer.allocUnsafeSlow(length) : null;
    this.whole =
      this.#gunzip === null
        ? new Promise((resolve, reject) => {
            this.#resolve = resolve;
            this.#reject = reject;
          })
        : this.#decoded(this.#gunzip);
  }

  take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    // What decodes to nothing is seen here alone.
    if (this.#bytes > this.#maxBytes) throw invalidAnswer(TOO_LARGE);
    if (this.#gunzip !== null) this.#gunzip.write(chunk);
    else if (this.#room === null) this.#chunks.push(chunk);
    else if (this.#bytes > this.#room.length) throw invalidAnswer('it is longer than it says');
    else this.#room.set(chunk, this.#bytes - chunk.length);
  }

  end(): void {
    if (this.#gunzip !== null) return void this.#gunzip.end();
    // A 304 tells the length of what it does not send.
    if (this.#room !== null) return this.#resolve(this.#room.subarray(0, this.#bytes));
    const joined = joinInTurns(this.#chunks, this.#bytes, this.#signal);
    if (joined instanceof Promise) joined.then(this.#resolve, this.#reject);
    else this.#resolve(joined);
  }

  /** Nothing more of it comes. */
  fail(error: Error): void {
    if (this.#gunzip === null) this.#reject(error);
    else this.#gunzip.destroy(error);
  }

  async #decoded(gunzip: Gunzip): Promise<Buffer> {
    try {
      return await collect(gunzip, this.#maxBytes, this.#signal);
    } catch (error) {
      // A 304 tells the coding of what it does not send.
      if (this.#bytes === 0 && codeOf(error) === 'Z_BUF_ERROR') return Buffer.alloc(0);
      if (codeOf(error) === 'Z_DATA_ERROR') throw invalidAnswer('it is not the gzip that it says it is');
      throw error;
    }
  }
}

const TOO_LARGE = 'it is larger than this server takes';

/** How a body is written; `other` cannot be read here. */
type Coding = 'none' | 'gzip' | 'other';

function codingOf(header: string | string[] | undefined): Coding {
  if (header === undefined) return 'none';
  // Repeated lines are one list (RFC 9110 5.3).
  const listed = [header].flat().join(',').toLowerCase().split(',');
  const codings = listed.map((coding) => coding.trim()).filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length === 0) return 'none';
  return codings.length === 1 && /^(?:x-)?gzip$/.test(codings[0]!) ? 'gzip' : 'other';
}

/** Leaving it early destroys what it comes from. */
async function collect(body: AsyncIterable<Buffer>, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw invalidAnswer(TOO_LARGE);
    chunks.push(chunk);
  }
  return joinInTurns(chunks, bytes, signal);
}

/** All of them as one, where they are large in several turns of the event loop. */
function joinInTurns(chunks: readonly Buffer[], bytes: number, signal: AbortSignal): Buffer | Promise<Buffer> {
  if (chunks.length === 1) return chunks[0]!;
  return bytes <= COPIED_STEP_BYTES ? Buffer.concat(chunks, bytes) : inTurns(join(chunks, bytes), signal);
}

function* join(chunks: readonly Buffer[], bytes: number): Steps<Buffer> {
  const whole = Buffer.allocUnsafe(bytes);
  let [at, stepEnd] = [0, COPIED_STEP_BYTES];
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
    if (at < stepEnd) continue;
    yield;
    stepEnd = at + COPIED_STEP_BYTES;
  }
  return whole;
}
