import { expect, test } from 'vitest';
import { Probes } from '../../src/cache/probes.ts';

test('a conversation that was read within a minute is probed, once in a second, and no other', () => {
  const probes = new Probes();
  expect(probes.take('1/1', 0)).toBe(false);
  probes.wasRead('1/1', 0);
  expect([probes.take('1/1', 60_000), probes.take('1/2', 60_000)]).toEqual([true, false]);
  probes.wasRead('1/1', 60_500);
  expect([probes.take('1/1', 60_999), probes.take('1/1', 61_000)]).toEqual([false, true]);
  expect(probes.take('1/1', 120_501)).toBe(false);
});

test('it is remembered of as many as may be, those that were read last', () => {
  const probes = new Probes();
  for (let id = 0; id < 10_000; id++) probes.wasRead(`1/${id}`, 0);
  probes.wasRead('1/0', 1);
  probes.wasRead('1/10000', 1);
  expect(['1/0', '1/1', '1/2'].map((key) => probes.take(key, 2))).toEqual([true, false, true]);
});
