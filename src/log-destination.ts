// Where log lines go. They never stop, end or block the process: they wait a moment in a bounded buffer, are written by what does
// not block, and what cannot be written is dropped and counted.

import { fstatSync, write, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** What takes bytes without blocking, one piece at a time. */
export interface Sink {
  /** Calls back, later, with how many of the bytes it took, or with why it took no more. */
  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, taken: number) => void): void;
  /** Whether a write keeps a thread until it is done, without which the process does not end. */
  readonly holdsThread: boolean;
  /** Takes what it can at once, without a word about it later. @returns how much that was. @throws where that fails */
  writeNow(bytes: Buffer): number;
}

/** So many bytes are worth a write: on a busy server, the lines of a few turns of the event loop. */
const WRITE_BYTES = 64 * 1024;
/** Lines wait no longer than this for others. */
const WAIT_MS = 200;
/** What may wait while nothing is taken; later lines are dropped. */
const WAITING_MAX = 256 * 1024;
const RETRY_MS = 100;
const NEWLINE = 10;
const LINE_END = Buffer.of(NEWLINE);

export class LogDestination {
  readonly #sink: Sink;
  /** The lines that wait are its first bytes. Each is put there when it comes: many texts put together later cost more. */
  readonly #waiting = Buffer.allocUnsafeSlow(WAITING_MAX);
  #waitingBytes = 0;
  /** What the sink is at: all of `bytes` from `at` on. */
  #writing: { readonly bytes: Buffer; at: number } | null = null;
  #isOut = false;
  /** Whether what waits is to be written as soon as that is done. */
  #isDue = false;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  #untold = 0;
  /** Whether the last line that arrived is only half there. */
  #isTorn = false;
  #onDone: (() => void)[] = [];
  /** Told of how many lines were dropped, once lines arrive again. */
  onRecovered: ((dropped: number) => void) | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Lines that were dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether a write is under way for which the process would have to wait at its end. */
  get isHung(): boolean {
    return this.#isOut && this.#sink.holdsThread;
  }

  /** Takes one line with its end. pino calls this. */
  write(line: string): void {
    // No character takes more than three bytes.
    const left = WAITING_MAX - this.#waitingBytes;
    if (line.length * 3 > left && Buffer.byteLength(line) > left) return this.#drop(1);
    this.#waitingBytes += this.#waiting.write(line, this.#waitingBytes);
    if (this.#waitingBytes >= WRITE_BYTES) this.#begin();
    else this.#timer ??= setTimeout(() => this.#begin(), WAIT_MS).unref();
  }

  /** Resolves when every line so far is written or dropped, or when the time is up. */
  async flush({ withinMs }: { readonly withinMs: number }): Promise<void> {
    this.#begin();
    if (this.#writing === null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onDone.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Writes what waits, where that takes no time. pino calls it after a fatal line. */
  flushSync(): void {
    if (this.#isOut) this.#isDue = true;
    else this.end();
  }

  /** The same at the end of the process: what does not go now is lost. */
  end(): void {
    // A sink that holds a thread already would hold the process, too.
    if (this.#waitingBytes === 0 || this.isHung) return;
    const bytes = this.#take();
    let taken = 0;
    try {
      taken = this.#sink.writeNow(bytes);
    } catch {
      // Counted below.
    }
    this.#settle(bytes, taken);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = this.#writing !== null;
    if (this.#isDue || this.#waitingBytes === 0) return;
    this.#writing = { bytes: this.#take(), at: 0 };
    this.#go();
  }

  #take(): Buffer {
    const waiting = this.#waiting.subarray(0, this.#waitingBytes);
    const bytes = Buffer.concat(this.#isTorn ? [LINE_END, waiting] : [waiting]);
    this.#waitingBytes = 0;
    this.#isTorn = false;
    return bytes;
  }

  #go(): void {
    const writing = this.#writing;
    if (writing === null) return;
    this.#isOut = true;
    this.#sink.write(writing.bytes.subarray(writing.at), (error, taken) => {
      this.#isOut = false;
      writing.at += taken;
      if (writing.at < writing.bytes.length) {
        if (error === null) return this.#go();
        if (error.code === 'EAGAIN') return void setTimeout(() => this.#go(), RETRY_MS).unref();
      }
      this.#writing = null;
      this.#settle(writing.bytes, writing.at);
      // What has come meanwhile waits for others, too: a write costs as much as a request.
      if (this.#isDue) this.#begin();
      if (this.#writing === null) for (const done of this.#onDone.splice(0)) done();
    });
  }

  #settle(bytes: Buffer, taken: number): void {
    if (taken < bytes.length) {
      this.#isTorn = taken > 0 && bytes[taken - 1] !== NEWLINE;
      this.#drop(linesIn(bytes.subarray(taken)));
    } else if (this.#untold > 0 && this.#waitingBytes === 0) {
      const dropped = this.#untold;
      this.#untold = 0;
      this.onRecovered?.(dropped);
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }
}

let standardOutput: LogDestination | undefined;

/** The one for standard output, which a process has once. What it holds is written before the process ends. */
export function logToStandardOutput(): LogDestination {
  if (standardOutput !== undefined) return standardOutput;
  const destination = new LogDestination(sinkOf(1));
  process.on('exit', () => destination.end());
  return (standardOutput = destination);
}

/**
 * A write to a pipe that nobody reads waits, and holds a thread without which the process does not end: there Node's own stream,
 * which does not wait. Files are written by a thread.
 */
function sinkOf(fd: number): Sink {
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket() ? streamSink(process.stdout) : fileSink(fd);
}

function fileSink(fd: number): Sink {
  return {
    holdsThread: true,
    write: (bytes, done) => write(fd, bytes, (error, taken) => done(error, taken ?? 0)),
    writeNow: (bytes) => writeSync(fd, bytes),
  };
}

function streamSink(stream: Writable): Sink {
  // Without a listener it would end the process; each write is told of its own failure.
  stream.on('error', () => {});
  return {
    holdsThread: false,
    write: (bytes, done) => void stream.write(bytes, (error) => done(error ?? null, error ? 0 : bytes.length)),
    writeNow(bytes) {
      if (stream.writableLength > 0) return 0;
      stream.write(bytes);
      return bytes.length;
    },
  };
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (const byte of bytes) if (byte === NEWLINE) lines++;
  return lines;
}
