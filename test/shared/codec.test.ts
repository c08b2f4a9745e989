// What is written to the log, and read from it.

import { createSecretKey, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SharedReading } from '../../src/cache/shared-level.ts';
import { decodeChange, encodeChange } from '../../src/shared/change-codec.ts';
import { decodeReadings, encodeReadings, PLAIN_BYTES_MAX } from '../../src/shared/codec.ts';
import { open, seal } from '../../src/shared/seal.ts';
import { deriveSecrets } from '../../src/shared/secrets.ts';
import { followsTheFinder } from '../../src/timeline/learn.ts';

const id = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const publicOnly = fc.boolean();
const query = fc.oneof(
  fc.record({ mode: fc.constant('latest' as const), publicOnly }),
  fc.record({ mode: fc.constant('before' as const), before: id, publicOnly }),
  fc.record({ mode: fc.constant('after' as const), after: id, publicOnly }),
  fc.record({ mode: fc.constant('between' as const), after: id, before: id, publicOnly }),
);
/** Any bytes at all, one in a character. */
const raw = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const row = fc.record({
  id,
  createdAt: fc.integer({ min: -1e9, max: 4e9 }),
  internal: fc.boolean(),
  imported: fc.boolean(),
  raw,
});
const shared: fc.Arbitrary<SharedReading> = fc
  .record({
    reading: fc.record({
      query,
      rows: fc.array(row, { maxLength: 8 }).map((rows) => rows.toSorted((a, b) => a.createdAt - b.createdAt)),
      envelope: fc.record({ head: raw, tail: raw }),
      askedAt: fc.integer({ min: 0, max: 4e12 }),
    }),
    vouched: id,
  })
  .filter(({ reading }) => followsTheFinder(reading));

const KEY = createSecretKey(randomBytes(32));

describe('readings as bytes', () => {
  test('come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(shared, { maxLength: 5 }), async (readings) => {
        expect(await decodeReadings(await encodeReadings(readings))).toEqual(readings);
      }),
      { numRuns: 300 },
    );
  });

  test('hold each row once, whichever readings show it', async () => {
    const rows = [{ id: 1, createdAt: 1, internal: false, imported: false, raw: randomBytes(2000).toString('latin1') }];
    const reading = {
      query: { mode: 'latest' as const, publicOnly: false },
      rows,
      envelope: { head: 'h', tail: 't' },
      askedAt: 1,
    };
    const bytes = await encodeReadings(Array.from({ length: 50 }, () => ({ reading, vouched: 0 })));
    expect(bytes.length).toBeLessThan(3000);
  });

  test('are nothing where the bytes are others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect(await decodeReadings(bytes)).toBeNull();
        expect(await decodeReadings(deflateRawSync(bytes))).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test('are nothing where the rows are none that the finder gives', async () => {
    const late = { id: 2, createdAt: 9, internal: false, imported: false, raw: '2' };
    const early = { ...late, id: 1, createdAt: 8 };
    const reading = {
      query: { mode: 'latest' as const, publicOnly: false },
      rows: [late, early],
      envelope: { head: '', tail: '' },
      askedAt: 1,
    };
    expect(await decodeReadings(await encodeReadings([{ reading, vouched: 0 }]))).toBeNull();
  });
});

describe('readings as bytes that somebody else wrote with our key', () => {
  const READING: SharedReading = {
    reading: {
      query: { mode: 'latest', publicOnly: false },
      rows: [{ id: 7, createdAt: 9, internal: false, imported: false, raw: 'row' }],
      envelope: { head: 'head', tail: 'tail' },
      askedAt: 1,
    },
    vouched: 0,
  };

  /** The bytes of a reading with this in the place of that in their header, and more at their end. */
  async function rewritten(that: string, other: string, more = ''): Promise<Buffer> {
    const plain = inflateRawSync(await encodeReadings([READING]));
    const end = 4 + plain.readUInt32LE(0);
    const before = plain.toString('utf8', 4, end);
    expect(before.split(that)).toHaveLength(2);
    const header = Buffer.from(before.replace(that, other));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    return deflateRawSync(Buffer.concat([length, header, plain.subarray(end), Buffer.from(more)]));
  }

  test('are readings where they have their form', async () => {
    expect(await decodeReadings(await rewritten('"askedAt":1', '"askedAt":2'))).toMatchObject([{ reading: { askedAt: 2 } }]);
  });

  test.each([
    ['a query of another kind', '"mode":"latest"', '"mode":"newest"'],
    ['a moment that is none', '"askedAt":1', '"askedAt":null'],
    ['an id below all', '[[7,9,0,2]]', '[[-7,9,0,2]]'],
    ['a row that has no text', '[[7,9,0,2]]', '[[7,9,0,3]]'],
    ['an envelope that has none', '"tail":1', '"tail":3'],
    ['a row that is not there', '"rows":[0]', '"rows":[1]'],
    ['fewer bytes than are said', '"pieces":[4,4,3]', '"pieces":[4,4,2]'],
    ['more bytes than there are', '"pieces":[4,4,3]', '"pieces":[4,4,4]'],
  ])('are nothing where there is %s', async (_what, that, other) => {
    expect(await decodeReadings(await rewritten(that, other))).toBeNull();
  });

  test('are nothing where something follows them', async () => {
    expect(await decodeReadings(await rewritten('"askedAt":1', '"askedAt":1', 'x'))).toBeNull();
  });

  test('are nothing where they are more than may be', async () => {
    const envelope = { head: 'h'.repeat(PLAIN_BYTES_MAX), tail: '' };
    const large = { ...READING, reading: { ...READING.reading, envelope } };
    expect(await decodeReadings(await encodeReadings([large]))).toBeNull();
  });
});

describe('sealed bytes', () => {
  test('open where they were sealed, with the key they were sealed with', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), fc.string(), (plain, place, elsewhere) => {
        const sealed = seal(KEY, place, plain);
        expect(open(KEY, place, sealed)?.equals(plain)).toBe(true);
        if (elsewhere !== place) expect(open(KEY, elsewhere, sealed)).toBeNull();
        expect(open(createSecretKey(randomBytes(32)), place, sealed)).toBeNull();
      }),
    );
  });

  test('do not open where one bit is another, or some are missing', () => {
    const sealed = seal(KEY, 'here', Buffer.from('what was said'));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const touched = Buffer.from(sealed);
      touched[bit >> 3]! ^= 1 << (bit & 7);
      expect(open(KEY, 'here', touched)).toBeNull();
    }
    for (let length = 0; length < sealed.length; length++) expect(open(KEY, 'here', sealed.subarray(0, length))).toBeNull();
  });
});

test('a change that is of another kind, or was sealed elsewhere, is none', () => {
  const change = { kind: 'row', conversation: { accountId: 1, conversationId: 2 }, id: 7 } as const;
  expect(decodeChange(KEY, encodeChange(KEY, change))).toEqual(change);
  expect(decodeChange(createSecretKey(randomBytes(32)), encodeChange(KEY, change))).toBeNull();
  expect(decodeChange(KEY, undefined)).toBeNull();
  for (const other of [{ ...change, kind: 'of a later version' }, { ...change, id: '7' }, { ...change, conversation: 2 }, null])
    expect(decodeChange(KEY, encodeChange(KEY, other as never))).toBeNull();
  expect(decodeChange(KEY, seal(KEY, 'changes', Buffer.from('{')))).toBeNull();
  expect(decodeChange(KEY, seal(KEY, 'elsewhere', Buffer.from(JSON.stringify(change))))).toBeNull();
});

test('another token or another installation has other keys and other names', () => {
  const of = (chatwootUrl: string, token: string) =>
    deriveSecrets({ chatwootUrl, tokenOf: (account) => `${token}${account}`, tokens: [token] });
  const all = [of('https://a', 'x'), of('https://a', 'y'), of('https://b', 'x')];
  const exported = all.flatMap((each) => [1, 2].map((account) => each.keyOf(account).export().toString('hex')));
  expect(new Set(exported).size).toBe(6);
  expect(new Set(all.flatMap((each) => [each.nameOf(1), each.nameOf(2)])).size).toBe(6);
  expect(new Set(all.map((each) => each.changesKey.export().toString('hex'))).size).toBe(3);
  // Whatever the token, the processes of an installation hear each other.
  expect(new Set(all.map(({ installation }) => installation)).size).toBe(2);
});
