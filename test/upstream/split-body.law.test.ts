import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyCutter, NotAPage } from '../../src/upstream/body-cutter.ts';
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

/** One number or word of a body is something else. */
const otherScalar = fc
  .tuple(generatedPage, fc.nat(), fc.constantFrom('null', '-1', '0', '"7"', '1.5', 'true', '[]', '{}', '2', '7.0', '1e2'))
  .map(([{ body }, n, scalar]) => {
    const found = [...body.matchAll(/(?<=:\s*)(?:-?\d+|true|false)/g)];
    if (found.length === 0) return Buffer.from(body);
    const { index, 0: old } = found[n % found.length]!;
    return Buffer.from(body.slice(0, index) + scalar + body.slice(index + old.length));
  });

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

  it('of any text, truncated and mutated too, the same is taken as by JSON.parse, with the same rows', () => {
    let [taken, refused, noJson] = [0, 0, 0];
    const anything = fc.oneof(
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
      {
        weight: 1,
        arbitrary: fc.string({ unit: fc.constantFrom(...'{}[],:"\\ 1e-.tn'.split('')) }).map((json) => Buffer.from(json)),
      },
      { weight: 4, arbitrary: otherScalar },
      {
        weight: 12,
        arbitrary: fc
          .tuple(generatedPage, fc.array(mutation, { minLength: 1, maxLength: 3 }))
          .map(([{ body }, changes]) => changes.reduce<Buffer>((before, change) => mutate(before, change), Buffer.from(body))),
      },
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        const page = parsed(bytes);
        const problem = refusal(bytes)?.message;
        if (page === NOT_JSON) {
          noJson++;
          expect(problem).toMatch(/it is not (?:UTF-8|JSON)/);
        } else if (problem !== undefined) {
          refused++;
          // JSON.parse knows only the last of members of one name.
          if (!problem.includes('twice')) expect(rowsOf(page)).toBeNull();
          expect(problem).not.toMatch(/it is not (?:UTF-8|JSON)/);
        } else {
          taken++;
          const parts = splitBody(bytes);
          expect(joined(parts).equals(bytes)).toBe(true);
          expect(parts.rows.map(({ raw, ...row }) => ({ ...row, value: JSON.parse(text(raw)) }))).toEqual(rowsOf(page));
        }
      }),
      { numRuns: 4000 },
    );
    // All sides of the law were tried.
    expect(taken).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(30);
    expect(noJson).toBeGreaterThan(500);
  });

  it('a body that is read in any steps is cut, or refused, as it is at once', () => {
    const cut = (body: Buffer, steps: readonly number[]): unknown => {
      const cutter = new BodyCutter(body);
      try {
        for (let n = 0; !cutter.readOn(steps[n % steps.length]!); n++);
        return cutter.page;
      } catch (error) {
        if (error instanceof NotAPage) return error.message;
        throw error;
      }
    };
    fc.assert(
      fc.property(
        generatedPage,
        fc.array(mutation, { maxLength: 1 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 9 }),
        ({ body }, changes, steps) => {
          const bytes = changes.reduce<Buffer>((before, change) => mutate(before, change), Buffer.from(body));
          expect(cut(bytes, steps)).toEqual(cut(bytes, [Infinity]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['numbers', '0123456789+-.eE'],
    ['words', 'truefalsn'],
    ['strings', '"\\u0aFg/n \t'],
    ['nests', '[]{},:"1 '],
  ])('takes of %s what JSON.parse takes, and nothing else', (_what, characters) => {
    let taken = 0;
    const anything = fc.string({ unit: fc.constantFrom(...characters.split('')), maxLength: 9 });
    const known = fc.constantFrom('-1.5e+3', '0', 'true', 'false', 'null', '"\\u00e9\\n"', '{"a":[1,{}]}', '[[],{"":0}]');
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: anything }, { weight: 1, arbitrary: known }), (value) => {
        const body = `{"meta":{"a":${value}},"payload":[]}`;
        const isJson = isParsed(body);
        if (isJson) taken++;
        const page: { meta?: unknown; payload?: unknown } = isJson ? JSON.parse(body) : {};
        // What closes the object and opens others is JSON too, and no page.
        if (isJson && Object.keys(page).length === 2) expect(refusal(body)?.message).toBeUndefined();
        if (!isJson) expect(refusal(body)?.message).toMatch(/not JSON/);
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(300);
  });
});

const NOT_JSON = Symbol('not JSON');

/** What another reader makes of a body. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return NOT_JSON;
  }
}

/** The rows of a page as that reader sees them; null where it is none. */
function rowsOf(page: unknown): unknown[] | null {
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  if (!isRecord(page) || !isRecord(page['meta']) || !Array.isArray(page['payload'])) return null;
  const rows = page['payload'].map((value: unknown) => {
    if (!isRecord(value)) return null;
    const { id, created_at: createdAt, message_type: type, private: isPrivate, source_id: source } = value;
    if (!isCount(id) || id === 0 || !isCount(createdAt) || !Number.isSafeInteger(type) || typeof isPrivate !== 'boolean')
      return null;
    const imported = typeof source === 'string' && /^(?:intercom|freshdesk):/.test(source);
    return { id, createdAt, internal: isPrivate || type === 2, imported, value };
  });
  return rows.includes(null) || new Set(rows.map((row) => row?.id)).size < rows.length ? null : rows;
}

function isParsed(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}
