// How often newest pages are read as they are asked: sixteen in SETTLE, of each conversation in its turn.

import { expect, test } from 'vitest';
import { NewestTurns } from '../../src/cache/newest-turns.ts';

const SETTLE_MS = 16_000;

/** So many conversations ask ten times a second for as long. @returns which had a turn in which second */
function turnsOf(conversations: number, forMs: number): (readonly [second: number, conversation: number])[] {
  const turns = new NewestTurns(SETTLE_MS);
  const readAt = Array.from({ length: conversations }, () => -Infinity);
  const had: [number, number][] = [];
  for (let now = 0; now <= forMs; now += 100) {
    for (let one = 0; one < conversations; one++) {
      const may = turns.mayTake(now, readAt[one]!);
      expect(turns.take(now, readAt[one]!)).toBe(may);
      if (!may) continue;
      readAt[one] = now;
      had.push([now / 1000, one]);
    }
  }
  return had;
}

const span = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);

test('one conversation has a turn once in SETTLE', () => {
  expect(turnsOf(1, 3 * SETTLE_MS)).toEqual([0, 16, 32, 48].map((second) => [second, 0]));
});

test('of many each has one, sixteen in SETTLE, and again SETTLE after all had theirs', () => {
  expect(new NewestTurns(SETTLE_MS).everyMs).toBe(1_000);
  const round = (from: number) => span(0, 20).map((one) => [from + one, one]);
  expect(turnsOf(20, 54_000)).toEqual([...round(0), ...round(35)]);
});
