// Redis in virtual time, as src/shared uses it: logs of readings that are taken from, appended to and folded, and leases. It fails never, and
// what is sent there and back takes its time.

import type { Lease, Reach, SharedLevel, SharedReading, Taken, TakeOptions } from '../../src/cache/shared-level.ts';
import { foldReadings } from '../../src/shared/fold.ts';
import { ENTRIES_MAX, FOLD_ENTRIES } from '../../src/shared/log.ts';
import type { ConversationId } from '../../src/upstream/upstream.ts';
import { FRESHNESS } from './policies.ts';
import type { VirtualTime } from './virtual-time.ts';

/** There and back. */
export const ROUND_TRIP_MS = 1;
/** Between two looks at what another process reads, and for how long. */
const LOOK_EVERY_MS = 10;
const LOOK_FOR_MS = 5_000;
/** Nothing is ever forgotten. */
const EPOCH = 'epoch';

interface Entry {
  readonly number: number;
  /** Null of one that was folded: nobody knows all that is in it. */
  readonly writer: VirtualLevel | null;
  readonly readings: readonly SharedReading[];
}

export class VirtualLogs {
  readonly logs = new Map<number, Entry[]>();
  readonly leases = new Set<string>();
  /** What was sent. */
  roundTrips = 0;
  #numbers = 0;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** Resolves when what is sent is there. */
  async sent(): Promise<void> {
    this.roundTrips++;
    await this.#time.sleep(ROUND_TRIP_MS / 2);
  }

  /** Resolves when the answer is back. */
  async received(): Promise<void> {
    await this.#time.sleep(ROUND_TRIP_MS / 2);
  }

  add(conversationId: number, writer: VirtualLevel, reading: SharedReading): void {
    const log = this.logs.get(conversationId) ?? [];
    log.push({ number: ++this.#numbers, writer, readings: [reading] });
    if (log.length > ENTRIES_MAX) log.shift();
    this.logs.set(conversationId, log.length >= FOLD_ENTRIES ? [this.#folded(log)] : log);
  }

  #folded(log: readonly Entry[]): Entry {
    const readings = foldReadings(
      log.flatMap((entry) => entry.readings),
      { now: this.#time.now, freshness: FRESHNESS },
    );
    this.roundTrips += 2;
    return { number: ++this.#numbers, writer: null, readings };
  }
}

/** One process's way to it. */
export class VirtualLevel implements SharedLevel {
  readonly #logs: VirtualLogs;
  readonly #time: VirtualTime;

  constructor(logs: VirtualLogs, time: VirtualTime) {
    this.#logs = logs;
    this.#time = time;
  }

  epochOf(): string {
    return EPOCH;
  }

  /** The engine's own waits run in real time, so a read of another process is waited for in here. */
  async take({ conversationId }: ConversationId, { cursor, wants }: TakeOptions): Promise<Taken | null> {
    const until = this.#time.now + LOOK_FOR_MS;
    for (let from = cursor; ;) {
      // oxlint-disable-next-line no-await-in-loop -- looks again
      await this.#logs.sent();
      const taken = this.#takeNow(conversationId, from, wants);
      // oxlint-disable-next-line no-await-in-loop
      await this.#logs.received();
      const isLeased = taken.lease !== null && taken.lease !== 'held';
      if (taken.readings.length > 0 || isLeased || wants === undefined || wants === 'behind') return taken;
      if (this.#time.now > until) return null;
      // oxlint-disable-next-line no-await-in-loop
      await this.#time.sleep(LOOK_EVERY_MS);
      from = taken.cursor;
    }
  }

  append({ conversationId }: ConversationId, _epoch: string, reading: SharedReading): void {
    this.#time.spawn(async () => {
      await this.#logs.sent();
      this.#logs.add(conversationId, this, reading);
    });
  }

  announce(): Promise<Reach> {
    throw new Error('nothing is announced in the trace');
  }

  #takeNow(conversationId: number, cursor: string, wants: string | undefined): Taken {
    const after = cursor === '' ? -1 : Number(cursor);
    const entries = (this.#logs.logs.get(conversationId) ?? []).filter(({ number }) => number > after);
    const fresh = cursor === '' ? entries : entries.filter(({ writer }) => writer !== this);
    // Of ages, the way there and back is unknown, so readings are taken for older by it.
    const readings = fresh
      .flatMap((entry) => entry.readings)
      .map(({ vouched, reading }) => ({ vouched, reading: { ...reading, askedAt: reading.askedAt - ROUND_TRIP_MS } }));
    const lease = wants === undefined || entries.length > 0 ? null : this.#leaseOf(`${conversationId} ${wants}`);
    const last = entries.at(-1);
    return { readings, cursor: last === undefined ? cursor : String(last.number), lease };
  }

  #leaseOf(name: string): Lease | 'held' {
    const { leases } = this.#logs;
    if (leases.has(name)) return 'held';
    leases.add(name);
    const end = async (): Promise<void> => {
      // After what was appended before.
      await this.#logs.sent();
      leases.delete(name);
    };
    return { end: () => this.#time.spawn(end) };
  }
}
