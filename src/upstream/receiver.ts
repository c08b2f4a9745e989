// Receives one answer as it arrives: its head, then all of its body within a bound.

import type { Dispatcher } from 'undici';
import type { IncomingHttpHeaders } from 'undici/types/header.js';
import { BackscrollError } from '../errors.ts';
import { reasonOf } from './abortable.ts';
import { WholeBody } from './whole-body.ts';

/** A whole answer, of whatever status. */
export interface WholeAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** Whole and without its coding where the status is 200. Of other answers empty when it is too large, or not to be decoded. */
  readonly body: Buffer;
}

export interface ReceiverOptions {
  readonly maxBytesOf: (status: number) => number;
  readonly signal: AbortSignal;
  /** The answer begins. */
  readonly onHead: () => void;
}

/** Takes one answer, without the streams that undici's `request` puts between. What its methods throw ends the connection. */
export class Receiver implements Dispatcher.DispatchHandler {
  /** Rejects with BackscrollError, with what the connection threw, or with the signal's reason. */
  readonly received: Promise<WholeAnswer>;
  readonly #options: ReceiverOptions;
  readonly #leave = (): void => this.#fail(reasonOf(this.#options.signal));
  #controller: Dispatcher.DispatchController | undefined;
  /** All of the answer has arrived. */
  #isWhole = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #body: WholeBody | undefined;
  #resolve!: (answer: WholeAnswer) => void;
  #reject!: (error: Error) => void;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.received = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    options.signal.addEventListener('abort', this.#leave, { once: true });
  }

  /** Nobody waits any more. */
  over(): void {
    this.#options.signal.removeEventListener('abort', this.#leave);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#options.signal.aborted) this.#leave();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    const { onHead, maxBytesOf, signal } = this.#options;
    this.#status = status;
    this.#headers = headers;
    onHead();
    this.#body = new WholeBody(headers, { maxBytes: maxBytesOf(status), signal });
    this.#body.whole.then(
      (body) => this.#take(body),
      (error: Error) => this.#fail(error),
    );
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.take(chunk);
  }

  onResponseEnd(): void {
    this.#isWhole = true;
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#body === undefined) this.#fail(error);
    else this.#body.fail(error);
  }

  #take(body: Buffer): void {
    const headers = this.#headers;
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    this.#resolve({ status: this.#status, header, body });
    // More may be to come that nobody waits for.
    if (!this.#isWhole) this.#controller?.abort(new Error('taken already'));
  }

  #fail(error: Error): void {
    const isOfWords =
      this.#status !== 0 && this.#status !== 200 && error instanceof BackscrollError && !this.#options.signal.aborted;
    // What an answer says that is an error: where it cannot be read, its status says enough.
    if (isOfWords) return this.#take(Buffer.alloc(0));
    this.#reject(error);
    if (!this.#isWhole) this.#controller?.abort(error);
  }
}
