import { expect, test } from 'vitest';
import { Patience } from '../../src/upstream/patience.ts';

function patience(): { readonly patience: Patience; readonly advance: (ms: number) => void } {
  let at = 0;
  return {
    patience: new Patience({ timeoutMs: 9000, now: () => at }),
    advance: (ms) => {
      at += ms;
    },
  };
}

test('silence is at least a fifth of the time, four times the slowest answer, and at most a third', () => {
  const { patience: own } = patience();
  expect(own.silenceMs).toBe(1800);
  own.answered(500);
  expect(own.silenceMs).toBe(2000);
  own.answered(1400);
  expect(own.silenceMs).toBe(3000);
});

test('nothing is given up while Chatwoot is slow, until its slow answers are some time ago', () => {
  const { patience: own } = patience();
  own.answered(1600);
  expect(own.silenceMs).toBeNull();
  own.answered(10);
  expect(own.silenceMs).toBe(3000);
  for (let nth = 0; nth < 7; nth++) own.answered(10);
  expect(own.silenceMs).toBeCloseTo(4 * 1600 * 0.9 ** 8);
  for (let nth = 0; nth < 20; nth++) own.answered(10);
  expect(own.silenceMs).toBe(1800);
});

test('nothing is given up for a minute after that was in vain', () => {
  const { patience: own, advance } = patience();
  own.wasInVain();
  advance(59_999);
  expect(own.silenceMs).toBeNull();
  advance(1);
  expect(own.silenceMs).toBe(1800);
});
