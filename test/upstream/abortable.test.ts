// Waiting that can be left: whichever end is first counts, and nothing is left on the signal.

import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { abortable } from '../../src/upstream/abortable.ts';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('it ends as what is waited for ends, and listens no longer', async () => {
  const { signal } = new AbortController();
  expect(await abortable(Promise.resolve('it'), signal)).toBe('it');
  await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  expect(listenersOf(signal)).toBe(0);
});

test('it ends when the signal aborts, with the reason, whatever comes after', async () => {
  for (const fails of [false, true]) {
    const leaving = new AbortController();
    const { promise, end } = open();
    const waiting = abortable(promise, leaving.signal);
    const reason = new Error('gone');
    leaving.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    end(fails);
    await promise.catch(() => undefined);
    await expect(abortable(promise, leaving.signal)).rejects.toBe(reason);
    expect(listenersOf(leaving.signal)).toBe(0);
  }
});

function open(): { readonly promise: Promise<void>; readonly end: (fails: boolean) => void } {
  let end!: (fails: boolean) => void;
  const promise = new Promise<void>((resolve, reject) => {
    end = (fails) => (fails ? reject(new Error('too late')) : resolve());
  });
  return { promise, end };
}
