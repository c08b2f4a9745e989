// What the walkers make of JSON, and that they come to an end of whatever else they are given.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { NotJson, skipSpace, skipValue, walkArray, walkObject } from '../../src/upstream/json-walk.ts';
import { valueText } from './json-text.ts';

/** Walks all of it as the customer view does, level by level, and puts it together again. */
function rebuilt(json: string): unknown {
  const at = skipSpace(json, 0);
  if (json[at] === '{') {
    const members: [string, unknown][] = [];
    walkObject(json, at, (key, from) => {
      const end = skipValue(json, from);
      members.push([key, rebuilt(json.slice(from, end))]);
      return end;
    });
    return Object.fromEntries(members);
  }
  if (json[at] !== '[') return JSON.parse(json) as unknown;
  const { elements } = walkArray(json, at, (from) => skipValue(json, from));
  return elements.map(({ from, to }) => rebuilt(json.slice(from, to)));
}

const container = fc.oneof(valueText.object, valueText.array);

test('what is walked is what JSON.parse reads', () => {
  fc.assert(
    fc.property(container, (json) => {
      expect(rebuilt(json)).toEqual(JSON.parse(json));
    }),
    { numRuns: 1000 },
  );
});

test('of text that is cut off, mutated, or none at all, each walk comes to its end', () => {
  const character = fc.constantFrom(...'{}[],:"\\ 1eu0'.split(''));
  const broken = fc
    .tuple(container, fc.nat(), fc.nat(3), fc.string({ unit: character, maxLength: 3 }))
    .map(([json, n, cut, put]) => {
      const at = n % (json.length + 1);
      return json.slice(0, at) + put + (cut === 3 ? '' : json.slice(at + cut));
    });
  let [ended, refused] = [0, 0];
  fc.assert(
    fc.property(fc.oneof(broken, fc.string({ unit: character, maxLength: 30 })), (json) => {
      for (const walk of [
        () => walkObject(json, 0, (_key, at) => skipValue(json, at)),
        () => walkArray(json, 0, (at) => skipValue(json, at)).close,
        () => skipValue(json, 0),
      ]) {
        try {
          expect(walk()).toBeLessThanOrEqual(json.length);
          ended++;
        } catch (error) {
          expect(error).toBeInstanceOf(NotJson);
          refused++;
        }
      }
    }),
    { numRuns: 3000 },
  );
  expect(ended).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(500);
});

test.each([
  '',
  '{',
  '{"a',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":"\\',
  '{"a":"\\"',
  '{a}',
  '{"a" 1}',
  '{"a":[1}',
  '{"\\x":1}',
  '{"a":"1""b":2}',
])('an object is not to be walked in %j', (json) => {
  expect(() => walkObject(json, 0, (_key, at) => skipValue(json, at))).toThrow(NotJson);
});
