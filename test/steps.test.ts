// Work in steps: one step in a turn of the event loop, whoever's it is.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { atOnce, inTurns, type Steps } from '../src/steps.ts';

const STEP_MS = 2;

function* countTo(last: number, steps: string[], name: string): Steps<string> {
  for (let step = 1; step < last; step++) {
    steps.push(`${name}${step}`);
    keepBusy(STEP_MS);
    yield;
  }
  return name;
}

function keepBusy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('works go on in turn, one step in a turn of the event loop for all of them together', async () => {
  const steps: string[] = [];
  const works = Promise.all(['a', 'b', 'c'].map(async (name) => inTurns(countTo(4, steps, name))));
  // The first step of each is done by whoever asks for it.
  const counts = [steps.length];
  while (steps.length < 9) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await nextTurn();
    counts.push(steps.length);
  }
  expect(steps).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'c2', 'a3', 'b3', 'c3']);
  // Steps of one turn would be three each.
  expect(counts.length).toBeGreaterThan(3);
  expect(await works).toEqual(['a', 'b', 'c']);
});

test('where all else takes long turns, works take a share of the time, not a step of each turn', async () => {
  const steps: string[] = [];
  const work = inTurns(countTo(7, steps, 'a'));
  let turns = 0;
  while (steps.length < 6) {
    keepBusy(20 * STEP_MS);
    turns++;
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await nextTurn();
  }
  // A quarter of that is five steps.
  expect(turns).toBeLessThanOrEqual(2);
  expect(await work).toBe('a');
});

test('at once, no turn is waited for', () => {
  const steps: string[] = [];
  expect(atOnce(countTo(4, steps, 'a'))).toBe('a');
  expect(steps).toHaveLength(3);
});

test('work for which nobody waits any more ends with the reason, and another goes on', async () => {
  const steps: string[] = [];
  const gone = new AbortController();
  const left = inTurns(countTo(4, steps, 'a'), gone.signal);
  const other = inTurns(countTo(4, steps, 'b'));
  gone.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  expect(await other).toBe('b');
  expect(steps).toEqual(['a1', 'b1', 'b2', 'b3']);
});

test('a step that fails fails its work alone', async () => {
  const steps: string[] = [];
  function* failing(): Steps<string> {
    yield;
    throw new Error('failed');
  }
  const failed = inTurns(failing());
  const other = inTurns(countTo(3, steps, 'b'));
  await expect(failed).rejects.toThrow('failed');
  expect(await other).toBe('b');
});
