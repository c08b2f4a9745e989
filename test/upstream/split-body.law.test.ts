import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitBody } from '../../src/upstream/split-body.ts';
import { joined, refusal, split, text } from './cut.ts';
import { keyText, objectText, space, stringText, valueText } from './json-text.ts';

interface GeneratedRow {
  readonly id: number;
  readonly createdAt: number;
  readonly messageType: number;
  readonly isPrivate: boolean;
}

const otherKey = stringText.filter(
  (key) => !['id', 'created_at', 'message_type', 'private', 'meta', 'payload'].includes(JSON.parse(key)),
);
const otherMembers = fc.array(fc.tuple(otherKey, valueText.value), { maxLength: 3 });

/** The members named here and some others, in any order. */
function objectOf(
  named: Readonly<Record<string, fc.Arbitrary<string>>>,
  others: fc.Arbitrary<[string, string][]>,
): fc.Arbitrary<string> {
  const members = Object.entries(named).map(([name, value]) => fc.tuple(keyText(name), value));
  const all = fc.tuple(fc.tuple(...members), others).map(([known, unknown]) => [...known, ...unknown]);
  return objectText(all.chain((pairs) => fc.shuffledSubarray(pairs, { minLength: pairs.length })));
}

function rowText(generated: GeneratedRow): fc.Arbitrary<string> {
  const named = {
    id: fc.constant(String(generated.id)),
    created_at: fc.constant(String(generated.createdAt)),
    message_type: fc.constant(String(generated.messageType)),
    private: fc.constant(String(generated.isPrivate)),
  };
  return fc.tuple(space, objectOf(named, otherMembers), space).map((parts) => parts.join(''));
}

const generatedRows = fc.uniqueArray(
  fc.record({
    id: fc.oneof(
      fc.integer({ min: 1, max: 50 }),
      fc.maxSafeNat().map((id) => Math.max(id, 1)),
    ),
    createdAt: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.maxSafeNat()),
    messageType: fc.integer({ min: -1, max: 4 }),
    isPrivate: fc.boolean(),
  }),
  { selector: ({ id }) => id, maxLength: 5 },
);

/** Bodies as texts, with what they were made of. */
const generatedPage = fc
  .tuple(
    generatedRows,
    fc.boolean(),
    space,
    fc.oneof({ weight: 4, arbitrary: fc.constant<[string, string][]>([]) }, otherMembers),
  )
  .chain(([rows, sorted, blank, others]) => {
    const ordered = sorted ? rows.toSorted((a, b) => a.createdAt - b.createdAt) : rows;
    return fc.tuple(...ordered.map(rowText)).chain((raws) => {
      const payload = fc.constant(raws.length === 0 ? `[${blank}]` : `[${raws.join(',')}]`);
      const body = objectOf({ meta: valueText.object, payload }, fc.constant(others));
      return fc
        .tuple(space, body, space)
        .map((parts) => ({ rows: ordered, raws, hasOthers: others.length > 0, body: parts.join('') }));
    });
  });

/** The same bytes with a few of them changed, taken out or put in, or cut short. */
const mutation = fc.record({
  kind: fc.constantFrom('flip', 'set', 'delete', 'insert', 'truncate', 'repeat'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 12 }),
  byte: fc.oneof(fc.constantFrom(...Buffer.from('"\\{}[],: 019-naz')), fc.integer({ min: 0, max: 255 })),
});

function mutate(body: Buffer, change: typeof mutation extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const at = Math.floor(change.at * body.length);
  const [before, after] = [body.subarray(0, at), body.subarray(at)];
  switch (change.kind) {
    case 'flip':
      return Buffer.concat([before, Buffer.from([(after[0] ?? 0) ^ (1 << (change.byte % 8))]), after.subarray(1)]);
    case 'set':
      return Buffer.concat([before, Buffer.from([change.byte]), after.subarray(1)]);
    case 'delete':
      return Buffer.concat([before, after.subarray(change.length)]);
    case 'insert':
      return Buffer.concat([before, Buffer.from([change.byte]), after]);
    case 'truncate':
      return before;
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, change.length), after]);
  }
}

describe('laws', () => {
  it('a body that is cut and joined is the same body, and its rows are those it was made of', () => {
    fc.assert(
      fc.property(generatedPage, ({ rows, raws, hasOthers, body }) => {
        const parts = split(body);
        expect(joined(parts).equals(Buffer.from(body))).toBe(true);
        expect(parts.rows.map(({ raw }) => text(raw))).toEqual(raws);
        expect(parts.rows.map(({ id, createdAt, internal }) => ({ id, createdAt, internal }))).toEqual(
          rows.map(({ id, createdAt, messageType, isPrivate }) => ({ id, createdAt, internal: isPrivate || messageType === 2 })),
        );
        const isOrdered = rows.every(({ createdAt }, index) => index === 0 || (rows[index - 1]?.createdAt ?? 0) <= createdAt);
        expect(parts.learnable).toBe(isOrdered && !hasOthers);
      }),
      { numRuns: 1000 },
    );
  });

  it('a mutated body is taken with the same bytes, or refused as upstream_invalid', () => {
    let [taken, refused] = [0, 0];
    fc.assert(
      fc.property(generatedPage, fc.array(mutation, { minLength: 1, maxLength: 3 }), ({ body }, changes) => {
        let bytes = Buffer.from(body);
        for (const change of changes) bytes = Buffer.from(mutate(bytes, change));
        if (refusal(bytes) !== undefined) {
          refused++;
          return;
        }
        taken++;
        const parts = splitBody(bytes);
        expect(joined(parts).equals(bytes)).toBe(true);
        // Each part of it is JSON by another reader's account as well.
        const decoded: { payload: { id: number }[] } = JSON.parse(
          new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
        );
        expect(parts.rows.map(({ raw }) => JSON.parse(text(raw)).id)).toEqual(decoded.payload.map(({ id }) => id));
      }),
      { numRuns: 3000 },
    );
    // Both sides of the law were tried.
    expect(taken).toBeGreaterThan(30);
    expect(refused).toBeGreaterThan(100);
  });
});
