// Single flight: callers that want the same read while it is under way share it.
//
// The order matters. The flight is in the table before the read is sent and leaves it in the same turn in which its answer
// is learnt, so a caller finds either the flight or what it brought, never neither. A caller that asks for "as of now" may
// join only a read sent after it came; those that come while one is under way share the next, which is sent when it ends.
// An invalidated read is joined by nobody new. A failure is shared by all who wait and kept by nobody. A caller that leaves does
// not take the read with it; the last one leaving does. While a read waits for its turn, the turns of all who joined it are its own.

import { abortable } from '../upstream/abortable.ts';
import { Readers } from '../upstream/readers.ts';

export interface Flight<T> {
  readonly promise: Promise<T>;
  /** Who wants it, as far as they said so. */
  readonly readers: Readers;
  /** When the read was sent, ms; null while it waits for the one before it, or for its turn. Whoever sends it says so. */
  sentAt: number | null;
  /** An invalidation came while it was under way: what it brings goes to its callers and is not stored. */
  invalidated: boolean;
}

interface Entry<T> extends Flight<T> {
  readonly abort: AbortController;
  waiters: number;
  /** It has brought something, or failed. */
  hasEnded: boolean;
}

/** Sends the read, tells `flight` when it did, and is told by it whether the result may be stored. */
export type Send<T> = (signal: AbortSignal, flight: Flight<T>) => Promise<T>;

export class Flights<T> {
  readonly #current = new Map<string, Entry<T>>();
  readonly #next = new Map<string, Entry<T>>();

  get size(): number {
    return this.#current.size + this.#next.size;
  }

  /** Whether a read under this key, sent at or after `asOf`, is under way or about to be sent, so that joining starts none. */
  canJoin(key: string, asOf = -Infinity): boolean {
    const current = this.#current.get(key);
    return current !== undefined && mayJoin(current, asOf);
  }

  /** The end of the read under this key, where it was sent before `asOf`; undefined without such a one. Never rejects. */
  endOfEarlier(key: string, asOf: number): Promise<void> | undefined {
    const current = this.#current.get(key);
    return current === undefined || mayJoin(current, asOf) ? undefined : settled(current.promise);
  }

  /**
   * Joins the read under this key or sends it. `shared` is true for all but the caller that caused it.
   * @param asOf join only reads sent at or after this moment (ms).
   * @param signal the caller going away; the promise then rejects with its reason.
   * @param reader who wants it, for turns to be fair by reader.
   */
  join(
    key: string,
    send: Send<T>,
    { asOf = -Infinity, signal, reader }: { asOf?: number; signal?: AbortSignal | undefined; reader?: string | undefined } = {},
  ): { result: Promise<T>; shared: boolean } {
    const current = this.#current.get(key);
    let entry: Entry<T>;
    let shared = true;
    if (current === undefined) {
      entry = this.#start(key, send, undefined, reader);
      this.#current.set(key, entry);
      shared = false;
    } else if (mayJoin(current, asOf)) {
      entry = current;
    } else {
      const next = this.#next.get(key);
      entry = next ?? this.#start(key, send, settled(current.promise), reader);
      if (next === undefined) this.#next.set(key, entry);
      shared = next !== undefined;
    }
    if (shared && reader !== undefined) entry.readers.join(reader);
    return { result: this.#wait(key, entry, signal), shared };
  }

  /** The reads under way under keys for which `concerns` holds bring nothing that may be stored. */
  invalidate(concerns: (key: string) => boolean): void {
    for (const flights of [this.#current, this.#next]) {
      for (const [key, entry] of flights) if (concerns(key) && entry.sentAt !== null) entry.invalidated = true;
    }
  }

  /** Ends every read under way; those who wait get `reason`. */
  abortAll(reason: Error): void {
    for (const entry of [...this.#current.values(), ...this.#next.values()]) entry.abort.abort(reason);
  }

  #start(key: string, send: Send<T>, previous: Promise<void> | undefined, reader = ''): Entry<T> {
    const abort = new AbortController();
    const run = async (): Promise<T> => {
      await previous; // Also where there is none: the table comes first.
      try {
        abort.signal.throwIfAborted();
        return await send(abort.signal, entry);
      } finally {
        entry.hasEnded = true;
        this.#leave(key, entry);
      }
    };
    const readers = new Readers(reader);
    const entry: Entry<T> = { promise: run(), readers, sentAt: null, invalidated: false, abort, waiters: 0, hasEnded: false };
    entry.promise.catch(() => undefined); // Everybody may have left; then nobody is there to hear of it.
    return entry;
  }

  #leave(key: string, entry: Entry<T>): void {
    const next = this.#next.get(key);
    if (this.#current.get(key) === entry) {
      this.#current.delete(key);
      if (next !== undefined) {
        this.#next.delete(key);
        this.#current.set(key, next);
      }
    } else if (next === entry) this.#next.delete(key);
  }

  async #wait(key: string, entry: Entry<T>, signal: AbortSignal | undefined): Promise<T> {
    entry.waiters++;
    try {
      return await (signal === undefined ? entry.promise : abortable(entry.promise, signal));
    } finally {
      entry.waiters--;
      if (entry.waiters === 0 && !entry.hasEnded) {
        this.#leave(key, entry); // First out of the table, so that nobody joins a read that is about to end.
        entry.abort.abort(new Error('every caller has left'));
      }
    }
  }
}

function mayJoin({ sentAt, invalidated }: Flight<unknown>, asOf: number): boolean {
  return sentAt === null || (sentAt >= asOf && !invalidated);
}

/** Waits for the end of a promise, whichever end. */
function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(
    () => undefined,
    () => undefined,
  );
}
