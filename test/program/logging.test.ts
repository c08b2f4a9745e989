// Standard output that fails: the program answers, counts what it cannot print, and ends as it should.

import { closeSync, openSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { metricOf, startServe } from './serve.ts';
import { askOften, DROPPED, endOf, pipe } from './stuck-output.ts';

vi.setConfig({ testTimeout: 60_000 });

test('a full disk: answers go on, lines are counted, and it ends with 0', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const house = await startServe({}, { stdout: full });
  await askOften(house, 400);
  await vi.waitFor(async () => expect(await metricOf(house.port, DROPPED)).toBeGreaterThanOrEqual(400), 5000);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stderr()).toBe('');
});

test('a pipe whose reader is gone: answers go on, lines are counted, and it ends with 0', async () => {
  const { writer, leave } = await pipe();
  const house = await startServe({}, { stdout: writer });
  leave();
  await askOften(house, 100);
  await vi.waitFor(async () => expect(await metricOf(house.port, DROPPED)).toBeGreaterThanOrEqual(100), 5000);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stderr()).toBe('');
});

test('a fault that ends the process does so while nothing takes its last words', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const house = await startServe({ NODE_OPTIONS: `--import ${FAULT_ON_SIGUSR2}` }, { stdout: full });
  house.child.process.kill('SIGUSR2');
  expect(await house.child.ended).toEqual({ code: 1, signal: null });
});

test('an orderly end prints every line', async () => {
  const house = await startServe();
  await askOften(house, 50);
  expect(await endOf(house)).toEqual({ code: 0, signal: null });
  expect(house.child.stdout().match(/"msg":"answered"/g)).toHaveLength(50);
  expect(house.child.stdout()).toMatch(/"msg":"shutting down"\}\n$/);
});

test('an exit at once prints what was logged before', async () => {
  const house = await startServe({ NODE_OPTIONS: `--import ${EXIT_ON_SIGUSR2}` });
  await askOften(house, 1);
  house.child.process.kill('SIGUSR2');
  expect(await house.child.ended).toEqual({ code: 3, signal: null });
  expect(house.child.stdout()).toMatch(/"msg":"answered"\}\n$/);
});

const EXIT_ON_SIGUSR2 = `data:text/javascript,${encodeURIComponent("process.on('SIGUSR2', () => process.exit(3))")}`;

const FAULT_ON_SIGUSR2 = `data:text/javascript,${encodeURIComponent(
  "process.on('SIGUSR2', () => { throw new Error('a fault of the test'); })",
)}`;
