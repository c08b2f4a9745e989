import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Query } from '../../src/timeline/query.ts';
import { idRange, PAGE_LIMIT, queryKey, takesNewest } from '../../src/timeline/query.ts';
import { after, before, between, filtered, latest } from './rows.ts';

test('pages are as long as those of the finder', () => {
  expect(PAGE_LIMIT).toEqual({ latest: 20, before: 20, after: 100, between: 1000 });
});

test('`after` alone excludes its cursor, `between` includes it, and both ranges exclude `before`', () => {
  expect(idRange(latest)).toEqual({ lo: 0, hi: Infinity });
  expect(idRange(before(7))).toEqual({ lo: 0, hi: 7 });
  expect(idRange(after(7))).toEqual({ lo: 8, hi: Infinity });
  expect(idRange(between(7, 9))).toEqual({ lo: 7, hi: 9 });
});

test('a range up to the last of all numbers leaves no id out', () => {
  expect(idRange(between(7, Number.MAX_SAFE_INTEGER))).toEqual({ lo: 7, hi: Infinity });
  expect(idRange(before(Number.MAX_SAFE_INTEGER))).toEqual({ lo: 0, hi: Infinity });
  expect(idRange(before(Number.MAX_SAFE_INTEGER - 1)).hi).toBe(Number.MAX_SAFE_INTEGER - 1);
});

test('the finder takes the newest rows of `latest` and `before`, the oldest of `after` and `between`', () => {
  expect([latest, before(7), after(7), between(7, 9)].map(takesNewest)).toEqual([true, true, false, false]);
});

test('two queries have the same key only if they are the same', () => {
  const id = fc.nat({ max: 30 });
  const query: fc.Arbitrary<Query> = fc
    .tuple(fc.constantFrom(0, 1, 2, 3), id, id, fc.boolean())
    .map(([mode, a, b, publicOnly]) => {
      const plain = [latest, before(a), after(a), between(a, b)][mode]!;
      return publicOnly ? filtered(plain) : plain;
    });
  fc.assert(
    fc.property(query, query, (a, b) => {
      expect(queryKey(a) === queryKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});
