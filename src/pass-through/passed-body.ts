// The body of a request on its way to Chatwoot: counted, bounded, and never held. It must go on coming, and Chatwoot taking it.

import type { IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { BackscrollError } from '../errors.ts';
import { timedOut } from '../upstream/deadline.ts';

export interface PassedBodyOptions {
  readonly maxBytes: number;
  /** How long nothing of it may come, or Chatwoot may take nothing of what is there, ms. */
  readonly stalledMs: number;
}

/** What is seldom has no meaning (RFC 9110 9.3.1), and to Chatwoot would be parameters (contract 1.2): of these methods it is not passed. */
const WITHOUT_BODY: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD']);

/** The looks at one body in the time that it may stall. */
const LOOKS = 4;

/**
 * The body as a stream that Chatwoot takes at its own pace, or null where there is none.
 * @throws BackscrollError `invalid_parameter` (413) where it is announced to be too large.
 */
export function passedBody(request: IncomingMessage, options: PassedBodyOptions): PassedBody | null {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (WITHOUT_BODY.has(request.method) || (coding === undefined && (length === undefined || Number(length) === 0))) return null;
  if (Number(length ?? 0) > options.maxBytes) throw tooLarge(options.maxBytes);
  // Where the caller goes before its end, its signal ends the exchange.
  return new PassedBody(request, options);
}

export class PassedBody extends Transform {
  readonly #source: IncomingMessage;
  readonly #options: PassedBodyOptions;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #taken = 0;
  #movedAt = performance.now();

  constructor(source: IncomingMessage, options: PassedBodyOptions) {
    super();
    this.#source = source;
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.stalledMs / LOOKS).unref();
    this.on('error', () => {}); // Told where it ends the exchange; elsewhere there is nobody left to tell.
    source.pipe(this);
  }

  /** What nobody takes any more is let go by, so that the caller can be answered, and ask again on its connection. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#timer);
    this.#source.unpipe(this);
    this.#source.resume();
    done(error);
  }

  /** What has come of it. */
  get bytes(): number {
    return this.#bytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#options.maxBytes) done(tooLarge(this.#options.maxBytes));
    else done(null, chunk);
  }

  #look(): void {
    const taken = this.#bytes - this.readableLength;
    const isAllTaken = this.readableLength === 0;
    if (taken > this.#taken || (isAllTaken && this.#source.complete)) {
      this.#taken = taken;
      this.#movedAt = performance.now();
    } else if (performance.now() - this.#movedAt >= this.#options.stalledMs) this.destroy(isAllTaken ? notComing() : timedOut());
  }
}

function notComing(): BackscrollError {
  return new BackscrollError('invalid_parameter', 'The body did not come in time', { status: 408 });
}

function tooLarge(maxBytes: number): BackscrollError {
  return new BackscrollError('invalid_parameter', `The body has more than ${maxBytes} bytes, which are passed at most`, {
    status: 413,
  });
}
