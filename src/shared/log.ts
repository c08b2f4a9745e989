// The logs of readings, one for each conversation: take what is new, append, fold what has grown.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease, SharedReading, Taken, TakeOptions } from '../cache/shared-level.ts';
import type { Freshness } from '../timeline/freshness.ts';
import { historyLifetime } from '../timeline/freshness.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Clocks } from './clocks.ts';
import { decodeReadings, encodeReadings } from './codec.ts';
import { foldReadings } from './fold.ts';
import { NotHad, type Link } from './link.ts';
import { APPEND, COMPACT, END_LEASE, KEEP_LEASE, TAKE } from './log-scripts.ts';
import type { SharedObserver } from './observer.ts';
import { entriesOf, Garbled, listOf, timeOf, type StreamEntry } from './replies.ts';
import { open, seal } from './seal.ts';
import type { Secrets } from './secrets.ts';
import type { SharedTimes } from './times.ts';

export interface LogOptions {
  readonly link: Link;
  readonly prefix: string;
  readonly secrets: Secrets;
  readonly clocks: Clocks;
  readonly freshness: Freshness;
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly observer: SharedObserver;
  /** Who writes here, unlike any other process. */
  readonly writer: string;
  readonly times: SharedTimes;
}

/** A log never has more than this; it is folded long before. */
export const ENTRIES_MAX = 64;
export const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** One entry, sealed. */
export const ENTRY_BYTES_MAX = 4 * 1024 * 1024;
export const FOLD_ENTRIES = 24;
/** Entries that are being sealed or on their way; beyond it what is read is not shared. */
export const APPENDING_MAX = 256;

/** How often a lease is prolonged in its time. */
const KEPT_TIMES = 3;

interface Entry {
  readonly id: string;
  readonly sealed: Buffer;
  readonly writer: string;
}

export class SharedLogs {
  readonly #options: LogOptions;
  readonly #logMs: number;
  readonly #appending = new Map<string, Promise<void>>();
  #appends = 0;
  readonly #folding = new Set<string>();
  readonly #leases = new Set<() => void>();

  constructor(options: LogOptions) {
    this.#options = options;
    this.#logMs = logMs(options.freshness);
  }

  async take(conversation: ConversationId, { epoch, cursor, wants }: TakeOptions): Promise<Taken | null> {
    const { link, now, clocks, writer, times } = this.#options;
    const key = this.#keyOf(conversation, epoch);
    const token = wants === undefined ? '' : randomBytes(9).toString('base64url');
    const leaseKey = `${key}:lease:${wants ?? ''}`;
    const sentAt = now();
    try {
      const reply = await link.run('take', (client) =>
        TAKE.run(client, [key, leaseKey], [cursor, ENTRIES_MAX, token, times.leaseMs, this.#logMs]),
      );
      const { toldMs, entries, leased } = takeReply(reply);
      if (!clocks.sample(key, { sentAt, toldMs, receivedAt: now() })) return null;
      const lease = token === '' ? null : this.#leaseOf(leased, key, leaseKey, token);
      const ours = clocks.of(key);
      // What this process has appended is known to it, but for what it has forgotten since.
      const fresh = cursor === '' ? entries : entries.filter((entry) => entry.writer !== writer);
      const shared = await this.#openAll(key, conversation.accountId, fresh);
      const readings = shared
        .filter(({ reading }) => this.#isDated(reading.askedAt, toldMs))
        .map(({ reading, vouched }) => ({ vouched, reading: { ...reading, askedAt: ours.toOurs(reading.askedAt) } }))
        .toSorted((one, other) => one.reading.askedAt - other.reading.askedAt);
      return { readings, cursor: entries.at(-1)?.id ?? cursor, lease };
    } catch (error) {
      if (error instanceof NotHad && error.word === 'WRONGTYPE') this.forget(conversation, epoch);
      if (error instanceof NotHad || error instanceof Garbled) return null;
      throw error;
    }
  }

  /** Appends behind whatever goes on. */
  append(conversation: ConversationId, epoch: string, { reading, vouched }: SharedReading): void {
    const key = this.#keyOf(conversation, epoch);
    const { clocks } = this.#options;
    const clock = clocks.of(key);
    if (this.#appends >= APPENDING_MAX || !clock.isKnown) return;
    this.#appends++;
    const told = { vouched, reading: { ...reading, askedAt: clock.toServer(reading.askedAt) } };
    const before = this.#appending.get(key) ?? Promise.resolve();
    const done = before
      .then(() => this.#append(conversation.accountId, key, told))
      .catch((error: unknown) => {
        if (error instanceof NotHad && error.word === 'WRONGTYPE') this.forget(conversation, epoch);
      })
      .finally(() => {
        this.#appends--;
        if (this.#appending.get(key) === done) this.#appending.delete(key);
      });
    this.#appending.set(key, done);
  }

  /** Drops the log that was kept under this epoch, if it can. */
  forget(conversation: ConversationId, epoch: string): void {
    const key = this.#keyOf(conversation, epoch);
    this.#options.link.run('forget', (client) => client.unlink(key)).catch(() => undefined);
  }

  /** The same, after what is being appended. @returns whether anything may have been in it */
  async drop(conversation: ConversationId, epoch: string): Promise<boolean> {
    const key = this.#keyOf(conversation, epoch);
    await this.#appending.get(key);
    return this.#options.link
      .run('forget', (client) => client.unlink(key))
      .then(
        (dropped) => dropped !== 0,
        () => true,
      );
  }

  /** Resolves when nothing is being appended. */
  async idle(): Promise<void> {
    while (this.#appending.size > 0 || this.#folding.size > 0) {
      // oxlint-disable-next-line no-await-in-loop -- what is appended may be folded then
      await Promise.all(this.#appending.values());
      // oxlint-disable-next-line no-await-in-loop
      if (this.#folding.size > 0) await sleep(1);
    }
  }

  /** Ends the leases that are held. */
  close(): void {
    for (const end of this.#leases) end();
  }

  async #append(accountId: number, key: string, told: SharedReading): Promise<void> {
    const sealed = await this.#sealAll(key, accountId, [told]);
    if (sealed === null) return;
    const { link, writer } = this.#options;
    const reply = await link.run('append', (client) =>
      APPEND.run(client, [key], [sealed, writer, ENTRIES_MAX, LOG_BYTES_MAX, this.#logMs]),
    );
    const [entries, bytes] = Array.isArray(reply) ? reply.map(Number) : [];
    const isLong = (entries ?? 0) >= FOLD_ENTRIES || ((bytes ?? 0) > LOG_BYTES_MAX / 2 && (entries ?? 0) > 4);
    if (isLong) void this.#fold(accountId, key).catch(() => undefined);
  }

  /** Puts one entry in the place of all there are. */
  async #fold(accountId: number, key: string): Promise<void> {
    if (this.#folding.has(key)) return;
    this.#folding.add(key);
    try {
      const { link, freshness } = this.#options;
      const { toldMs, entries } = takeReply(
        await link.run('compact', (client) => TAKE.run(client, [key, key], ['', ENTRIES_MAX, '', 0, this.#logMs])),
      );
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) return;
      const shared = await this.#openAll(key, accountId, entries);
      const dated = shared.filter(({ reading }) => this.#isDated(reading.askedAt, toldMs));
      const sealed = await this.#sealAll(key, accountId, foldReadings(dated, { now: toldMs, freshness }));
      if (sealed === null) return;
      await link.run('compact', (client) => COMPACT.run(client, [key], [first.id, last.id, sealed]));
    } finally {
      this.#folding.delete(key);
    }
  }

  /** An entry from the future is one of another clock. */
  #isDated(askedAt: number, toldMs: number): boolean {
    if (askedAt <= toldMs) return true;
    this.#options.observer.refused('undated');
    return false;
  }

  async #openAll(key: string, accountId: number, entries: readonly Entry[]): Promise<readonly SharedReading[]> {
    const { secrets, observer } = this.#options;
    const opened = entries.map(async ({ sealed }) => {
      observer.moved('in', sealed.length);
      const bytes = open(secrets.keyOf(accountId), key, sealed);
      const readings = bytes === null ? null : await decodeReadings(bytes);
      if (readings === null) observer.refused(bytes === null ? 'sealed' : 'garbled');
      return readings ?? [];
    });
    return (await Promise.all(opened)).flat();
  }

  async #sealAll(key: string, accountId: number, shared: readonly SharedReading[]): Promise<Buffer | null> {
    const { secrets, observer } = this.#options;
    const sealed = seal(secrets.keyOf(accountId), key, await encodeReadings(shared));
    if (sealed.length > ENTRY_BYTES_MAX) {
      observer.refused('large');
      return null;
    }
    observer.moved('out', sealed.length);
    return sealed;
  }

  #leaseOf(leased: number, key: string, leaseKey: string, token: string): Lease | 'held' | null {
    const { link, observer, times } = this.#options;
    if (leased < 0) return null;
    observer.lease(leased === 1 ? 'taken' : 'held');
    if (leased === 0) return 'held';
    const keep = setInterval(() => {
      observer.lease('kept');
      link.run('lease', (client) => KEEP_LEASE.run(client, [leaseKey], [token, times.leaseMs])).catch(() => undefined);
    }, times.leaseMs / KEPT_TIMES);
    keep.unref();
    let hasEnded = false;
    const end = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#leases.delete(end);
      void this.#endLease(key, leaseKey, token).finally(() => clearInterval(keep));
    };
    this.#leases.add(end);
    return { end };
  }

  /** Who waits finds either the lease or what it brought. */
  async #endLease(key: string, leaseKey: string, token: string): Promise<void> {
    await this.#appending.get(key);
    const { link } = this.#options;
    await link.run('lease', (client) => END_LEASE.run(client, [leaseKey], [token])).catch(() => undefined);
  }

  /** All keys of a conversation are in one slot of a cluster. */
  #keyOf({ accountId, conversationId }: ConversationId, epoch: string): string {
    const { prefix, secrets } = this.#options;
    return `${prefix}:${secrets.nameOf(accountId)}:{${accountId}/${conversationId}}:${epoch}`;
  }
}

/** How long a log that nobody uses is kept, ms: as long as anything in it may be shown. */
export function logMs(freshness: Freshness): number {
  return Math.max(60_000, historyLifetime(freshness).usableMs + freshness.staleIfErrorMs);
}

/** What TAKE returns. @throws Garbled for anything else */
function takeReply(reply: unknown): { toldMs: number; entries: readonly Entry[]; leased: number } {
  const [seconds, micros, entries, leased] = listOf(reply);
  return { toldMs: timeOf(seconds, micros), entries: entriesOf(entries).map(entryOf), leased: Number(leased) };
}

function entryOf({ id, fields }: StreamEntry): Entry {
  return { id, sealed: fields.get('e') ?? Buffer.alloc(0), writer: fields.get('w')?.toString('latin1') ?? '' };
}
