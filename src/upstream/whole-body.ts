// The body of an answer: whole, within its bound, and without its coding (RFC 9110 8.4). Chatwoot itself does not compress, what
// stands before it may, asked or not.

import { addAbortSignal, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { codeOf, invalidAnswer } from './map-broken-exchange.ts';

/** The only coding that is asked for: what answers are read in. */
export const ACCEPTED_CODING = 'gzip';

export interface BodyBounds {
  /** Of the body as it came, and as it is without its coding: a few bytes can stand for very many. */
  readonly maxBytes: number;
  /** Ends the decoding too. */
  readonly signal: AbortSignal;
}

/** What is known of an answer when its body begins. */
export type Received = Pick<Dispatcher.ResponseData, 'body' | 'headers'>;

/** What `createGunzip` makes at a time: fewer turns of the event loop for large bodies than with its default of 16 kB. */
const DECODED_CHUNK_BYTES = 64 * 1024;

/**
 * Reads all of it. Where it throws, the connection that it comes over is closed, unless all has arrived.
 * @throws BackscrollError `upstream_invalid` as soon as the body is known to be too large, or not to be what its headers say; what
 * the connection threw.
 */
export async function wholeBody({ body, headers }: Received, { maxBytes, signal }: BodyBounds): Promise<Buffer> {
  const coding = codingOf(headers['content-encoding']);
  const problem =
    coding === 'other'
      ? 'it is compressed in another way than gzip, which alone is asked for'
      : Number(headers['content-length'] ?? 0) > maxBytes
        ? TOO_LARGE
        : null;
  if (problem !== null) {
    discard(body);
    throw invalidAnswer(problem);
  }
  return coding === 'none' ? collect(body, maxBytes) : decode(body, maxBytes, signal);
}

const TOO_LARGE = 'it is larger than this server takes';

/** How a body is written; `other` cannot be read here. */
type Coding = 'none' | 'gzip' | 'other';

function codingOf(header: string | string[] | undefined): Coding {
  // Repeated lines are one list (RFC 9110 5.3).
  const listed = [header ?? []].flat().join(',').toLowerCase().split(',');
  const codings = listed.map((coding) => coding.trim()).filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length === 0) return 'none';
  return codings.length === 1 && /^(?:x-)?gzip$/.test(codings[0]!) ? 'gzip' : 'other';
}

async function decode(body: Received['body'], maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const gunzip = addAbortSignal(signal, createGunzip({ chunkSize: DECODED_CHUNK_BYTES }));
  let bytes = 0;
  // What decodes to nothing is seen here alone.
  const coded = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw invalidAnswer(TOO_LARGE);
      yield chunk;
    }
  };
  // How it ends is seen by who reads what comes out.
  pipeline(coded, gunzip, () => {});
  try {
    return await collect(gunzip, maxBytes);
  } catch (error) {
    // A 304 tells the coding of what it does not send.
    if (bytes === 0 && codeOf(error) === 'Z_BUF_ERROR') return Buffer.alloc(0);
    if (codeOf(error) === 'Z_DATA_ERROR') throw invalidAnswer('it is not the gzip that it says it is');
    throw error;
  } finally {
    // More may be to come that nobody waits for.
    discard(body);
  }
}

/** Nothing of it that has not come is waited for. */
function discard(body: Received['body']): void {
  // Destroying it raises an error on it that nobody else waits for.
  body.on('error', () => {}).destroy();
}

/** Leaving it early destroys what it comes from. */
async function collect(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw invalidAnswer(TOO_LARGE);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
