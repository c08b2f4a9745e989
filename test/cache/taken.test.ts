// What is taken from other processes, and what is given to them, where something happens meanwhile.

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BackscrollError } from '../../src/errors.ts';
import { Library } from '../../src/cache/library.ts';
import type { AnnounceOptions, Announcement, SharedLevel, SharedReading } from '../../src/cache/shared-level.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Gap } from '../../src/timeline/prove.ts';
import { FRESHNESS, SILENT, upstreamOf } from './library.ts';

const CONVERSATION = { accountId: 1, conversationId: 2 };
const OTHER = { accountId: 1, conversationId: 3 };
const LATEST: Query = { mode: 'latest', publicOnly: false };

interface Row {
  readonly id: number;
  readonly createdAt: number;
  readonly bytes: number;
}

function readingOf(askedAt: number, { id = 5, createdAt = 1, bytes = 10 }: Partial<Row> = {}, query = LATEST): SharedReading {
  const row = { id, createdAt, internal: false, raw: 'x'.repeat(bytes) };
  return { vouched: 0, reading: { query, rows: [row], envelope: { head: '{"payload":[', tail: ']}' }, askedAt } };
}

/** What other processes have read: taken once, and only as fast as the test has it. */
class Others implements SharedLevel {
  epoch = 'epoch';
  readings: SharedReading[] = [];
  meanwhile = async (): Promise<void> => undefined;
  /** From where was taken. */
  readonly cursors: string[] = [];
  readonly appended: string[] = [];
  readonly announced: Announcement[] = [];
  /** Whether what was announced was known to who announced it. */
  readonly known: (boolean | undefined)[] = [];

  epochOf(): string {
    return this.epoch;
  }

  async take(_conversation: unknown, { cursor }: { readonly cursor: string }) {
    this.cursors.push(cursor);
    const readings = this.readings.splice(0);
    const { meanwhile } = this;
    this.meanwhile = async () => undefined;
    await meanwhile();
    return { readings, cursor: '1-1', lease: null };
  }

  append(_conversation: unknown, epoch: string): void {
    this.appended.push(epoch);
  }

  async announce(announcement: Announcement, options: AnnounceOptions = {}): Promise<null> {
    this.announced.push(announcement);
    this.known.push(options.isKnown);
    return null;
  }
}

/** A library beside others, at 1,000 s. */
function house({ memoryBytesMax = 1e6 } = {}) {
  let now = 1_000_000;
  let answer = (_reading: SharedReading): void => undefined;
  let fail = (_error: Error): void => undefined;
  const answered = new Promise<SharedReading>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  const others = new Others();
  const library = new Library({
    upstream: upstreamOf(async () => ({ kind: 'reading', reading: (await answered).reading })),
    now: () => now,
    freshness: FRESHNESS,
    memoryBytesMax,
    mode: 'proved',
    observer: SILENT,
    shared: others,
  });
  return {
    library,
    others,
    answer: (reading: SharedReading) => answer(reading),
    fail: (error: Error) => fail(error),
    wait: (ms: number) => void (now += ms),
  };
}

describe('what is on its way from others is left', () => {
  test.each<[string, (library: Library, others: Others) => unknown]>([
    ['where it is forgotten meanwhile', (library) => library.forget(CONVERSATION)],
    ['where it goes on under another name meanwhile', (_library, others) => (others.epoch = 'next')],
  ])('%s', async (_where, happen) => {
    const { library, others } = house();
    others.readings.push(readingOf(999_000));
    others.meanwhile = async () => void happen(library, others);
    expect(await library.take(CONVERSATION)).toEqual({ readings: 0, lease: null });
    expect(library.size.conversations).toBe(0);
  });

  test('where it is the rest of what had to go from memory meanwhile: then all is taken again', async () => {
    const { library, others } = house({ memoryBytesMax: 8_000 });
    others.readings.push(readingOf(998_000, { bytes: 5_000 }));
    await library.take(CONVERSATION);
    others.readings.push(readingOf(999_000));
    others.meanwhile = async () => {
      others.readings.push(readingOf(999_000, { bytes: 5_000 }));
      await library.take(OTHER);
      expect(library.get(CONVERSATION).taken).toBeNull();
    };
    expect(await library.take(CONVERSATION)).toEqual({ readings: 0, lease: null });
    await library.take(CONVERSATION);
    expect(others.cursors).toEqual(['', '1-1', '', '']);
  });

  test('where it is older than anything that may be shown', async () => {
    const { library, others, wait } = house();
    others.readings.push(readingOf(1_000_000));
    wait(2 * FRESHNESS.historyMaxAgeMs + FRESHNESS.staleIfErrorMs + 1);
    await library.take(CONVERSATION);
    expect(library.size.conversations).toBe(0);
  });

  test('where it shows that ids do not rise, which all are told, and what came with it', async () => {
    const { library, others, wait } = house();
    library.heardOf(900);
    wait(2 * FRESHNESS.settleMs);
    others.readings.push(readingOf(1_239_000, { id: 870, createdAt: 1_200 }), readingOf(1_239_500, { id: 950 }));
    expect(await library.take(CONVERSATION)).toEqual({ readings: 0, lease: null });
    expect(library.size.conversations).toBe(0);
    expect(others.announced).toEqual([{ kind: 'purge', extent: {}, marksFrom: 1_200 }]);
  });
});

describe('of what others have read', () => {
  test('ids are settled where they were so for who read it', async () => {
    const between: Query = { mode: 'between', after: 1, before: 100, publicOnly: false };
    for (const vouched of [0, 100]) {
      const { library, others, wait } = house();
      others.readings.push({ ...readingOf(1_000_000, { id: 50, createdAt: 990 }, between), vouched });
      await library.take(CONVERSATION);
      wait(5_000);
      expect(library.prove(CONVERSATION, between).proved).toBe(vouched > 0);
    }
  });

  test('the newest page is looked for again after a while only, and never by who wants it as of now', async () => {
    const { library, others, wait } = house();
    const gap: Gap = { proved: false, lacks: 'ids', ids: { lo: 1_000, hi: Infinity } };
    const mayBe = (asOf?: number): boolean => library.mayBeTaken(CONVERSATION, LATEST, gap, { asOf });
    expect([mayBe(), mayBe(1_000_000)]).toEqual([true, false]);
    others.readings.push(readingOf(999_000));
    await library.take(CONVERSATION);
    expect(mayBe()).toBe(false);
    wait(10_000);
    expect(mayBe()).toBe(false);
    wait(1);
    expect([mayBe(), mayBe(1_010_001)]).toEqual([true, false]);
    await library.take(CONVERSATION);
    others.epoch = 'next';
    expect(mayBe()).toBe(true);
  });
});

test('that a conversation is not there is told along with whether anything was known of it', async () => {
  const { library, others, fail } = house();
  others.readings.push(readingOf(999_000));
  await library.take(CONVERSATION);
  fail(new BackscrollError('not_found', 'it is not there'));
  for (const conversation of [CONVERSATION, OTHER]) {
    const { result } = library.read(conversation, LATEST, { reason: 'forward', priority: 'caller' });
    await expect(result).rejects.toThrow('not there'); // oxlint-disable-line no-await-in-loop -- one after the other
  }
  expect(others.announced.map(({ kind }) => kind)).toEqual(['gone', 'gone']);
  expect(others.known).toEqual([true, false]);
});

test('what is read is given to others under the name that it was asked under, and only where it was learnt', async () => {
  const { library, others, answer } = house();
  const { result } = library.read(CONVERSATION, LATEST, { reason: 'forward', priority: 'caller' });
  await setImmediate(); // It has its turn.
  others.epoch = 'next';
  answer(readingOf(1_000_000));
  expect((await result).stored).toBe(true);
  expect(others.appended).toEqual(['epoch']);

  const { library: exact, others: alone, answer: foreign } = house();
  const query: Query = { mode: 'after', after: 10, publicOnly: false };
  const { result: read } = exact.read(CONVERSATION, query, { reason: 'forward', priority: 'caller' });
  foreign(readingOf(1_000_000, { id: 5 }, query));
  expect((await read).stored).toBe(false);
  expect(alone.appended).toEqual([]);
});
