// Counters in fixed windows: bounded, and none that is spent is forgotten for a crowd's sake.

import { expect, test } from 'vitest';
import { COUNTERS_MAX, WindowCounters } from '../../src/http/window-counters.ts';

const RATE = { max: 2, windowMs: 1000 };

test('a window begins with the first that is counted, and ends for all of it', () => {
  const counters = new WindowCounters();
  expect(counters.read('a', 0)).toEqual({ count: 0, leftMs: 0 });
  expect([0, 999, 999].map((now) => counters.count('a', RATE, now))).toEqual([
    { count: 1, leftMs: 1000 },
    { count: 2, leftMs: 1 },
    { count: 3, leftMs: 1 },
  ]);
  expect(counters.read('a', 999)).toEqual({ count: 3, leftMs: 1 });
  expect(counters.read('a', 1000)).toEqual({ count: 0, leftMs: 0 });
  expect(counters.count('a', RATE, 1000)).toEqual({ count: 1, leftMs: 1000 });
  expect(counters.count('b', RATE, 1000)).toEqual({ count: 1, leftMs: 1000 });
  expect(counters.size).toBe(2);
});

test('a clock that is set back shuts nobody out', () => {
  const counters = new WindowCounters();
  for (let n = 0; n < 3; n++) counters.count('a', RATE, 1e9);
  expect(counters.read('a', 0)).toEqual({ count: 0, leftMs: 0 });
  expect(counters.count('a', RATE, 0)).toEqual({ count: 1, leftMs: 1000 });
});

test('a crowd has nobody forgotten who is at the limit, and is held in bounds', () => {
  const counters = new WindowCounters();
  for (let n = 0; n < 2; n++) counters.count('spent', RATE, 0);
  for (let n = 0; n < 3 * COUNTERS_MAX; n++) counters.count(`crowd ${n}`, RATE, 1);
  expect(counters.read('spent', 2).count).toBe(2);
  expect(counters.count('spent', RATE, 2).count).toBe(3);
  expect(counters.size).toBe(COUNTERS_MAX + 1);
});

test('of those at the limit, ended windows go first, then the oldest', () => {
  const counters = new WindowCounters();
  const spend = (key: string, windowMs: number, now: number): void => void counters.count(key, { max: 1, windowMs }, now);
  spend('for a day', 86_400_000, 0);
  for (let n = 1; n < COUNTERS_MAX; n++) spend(`ended ${n}`, 1000, 0);
  spend('next', 1000, 1000);
  expect(counters.size).toBe(2);
  expect(counters.read('for a day', 1000).count).toBe(1);
  for (let n = 0; n < COUNTERS_MAX; n++) spend(`running ${n}`, 10_000, 1001);
  expect(counters.size).toBe(COUNTERS_MAX);
  expect(counters.read('for a day', 1001).count).toBe(0);
  expect(counters.read(`running ${COUNTERS_MAX - 1}`, 1001).count).toBe(1);
});

test('what others have counted raises the count and moves the end of its window, and never lowers it', () => {
  const told: string[] = [];
  const counters = new WindowCounters((key) => told.push(key));
  counters.count('a', RATE, 0);
  counters.raise('a', RATE, { count: 2, leftMs: 400 }, 100);
  expect(counters.read('a', 100)).toEqual({ count: 2, leftMs: 400 });
  counters.raise('a', RATE, { count: 1, leftMs: 900 }, 100);
  expect(counters.read('a', 100)).toEqual({ count: 2, leftMs: 400 });
  expect(counters.read('a', 500)).toEqual({ count: 0, leftMs: 0 });
  // Of one that was forgotten here, and of one whose window is over.
  counters.raise('b', RATE, { count: 5, leftMs: 300 }, 500);
  counters.raise('a', RATE, { count: 1, leftMs: 300 }, 500);
  expect([counters.read('b', 500), counters.read('a', 500)]).toEqual([
    { count: 5, leftMs: 300 },
    { count: 1, leftMs: 300 },
  ]);
  expect(told).toEqual(['a']);
});

test('raised by others, counters are held in bounds too, and who is at the limit is kept', () => {
  const counters = new WindowCounters();
  counters.raise('spent', RATE, { count: 2, leftMs: 900 }, 0);
  for (let n = 0; n < 3 * COUNTERS_MAX; n++) counters.raise(`crowd ${n}`, RATE, { count: 1, leftMs: 900 }, 1);
  expect(counters.read('spent', 2).count).toBe(2);
  expect(counters.size).toBe(COUNTERS_MAX + 1);
});
