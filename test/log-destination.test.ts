// Lines are written together, in order and whole; what cannot be written is dropped and counted, and a mark is left.

import { expect, test, vi } from 'vitest';
import { LogDestination, type Sink } from '../src/log-destination.ts';

type Done = Parameters<Sink['write']>[1];

/** A sink that answers when it is told to. */
function startSink(): { readonly sink: Sink; readonly written: string[]; readonly now: string[]; answer: Done; room: number } {
  const state = {
    written: [] as string[],
    now: [] as string[],
    room: Infinity,
    answer: (() => undefined) as Done,
    sink: {
      holdsThread: true,
      write(bytes: Buffer, done: Done): void {
        state.written.push(bytes.toString());
        state.answer = done;
      },
      writeNow(bytes: Buffer): number {
        state.now.push(bytes.toString());
        if (state.room === 0) throw new Error('no space');
        return Math.min(state.room, bytes.length);
      },
    },
  };
  return state;
}

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

test('lines wait for others, but not longer than 200 ms', () => {
  vi.useFakeTimers();
  try {
    const state = startSink();
    const destination = new LogDestination(state.sink);
    destination.write('one\n');
    destination.write('two\n');
    vi.advanceTimersByTime(199);
    expect(state.written).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(state.written).toEqual(['one\ntwo\n']);
  } finally {
    vi.useRealTimers();
  }
});

test('about 64 kB are written at once', () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  const line = `${'x'.repeat(999)}\n`;
  for (let nth = 0; nth < 65; nth++) destination.write(line);
  expect(state.written).toEqual([]);
  destination.write(line);
  expect(state.written).toEqual([line.repeat(66)]);
});

test('lines that come while a write is under way wait for others like any, and not twice as long', () => {
  vi.useFakeTimers();
  try {
    const state = startSink();
    const destination = new LogDestination(state.sink);
    const page = `${'x'.repeat(65_535)}\n`;
    destination.write(page);
    destination.write('one\n');
    state.answer(null, page.length);
    expect(state.written).toEqual([page]);
    vi.advanceTimersByTime(199);
    destination.write('two\n');
    vi.advanceTimersByTime(1);
    expect(state.written).toEqual([page, 'one\ntwo\n']);

    destination.write('three\n');
    vi.advanceTimersByTime(200); // Its time has come, and the write is still under way.
    destination.write('four\n');
    state.answer(null, 8);
    expect(state.written[2]).toBe('three\nfour\n');
  } finally {
    vi.useRealTimers();
  }
});

test('while a write is under way others wait for it, up to a bound; what is too much is counted', async () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  const line = `${'x'.repeat(4095)}\n`;
  destination.write(line.repeat(16));
  for (let nth = 0; nth < 100; nth++) destination.write(line);
  expect(state.written).toHaveLength(1);
  expect(destination.dropped).toBe(36);
  state.answer(null, 16 * 4096);
  expect(state.written[1]).toBe(line.repeat(64));
});

test('the bound is one of bytes', () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  const line = `${'é'.repeat(2048)}\n`;
  destination.write(line.repeat(16));
  for (let nth = 0; nth < 100; nth++) destination.write(line);
  state.answer(null, 16 * 4097);
  const fitting = Math.floor((256 * 1024) / 4097);
  expect(destination.dropped).toBe(100 - fitting);
  expect(state.written[1]).toBe(line.repeat(fitting));
});

test('lines that come while a write is under way leave what is written as it was', () => {
  const state = startSink();
  let held: Buffer | undefined;
  const destination = new LogDestination({ ...state.sink, write: (bytes) => void (held = bytes) });
  destination.write('one\n');
  void destination.flush({ withinMs: 0 });
  destination.write('two\n');
  expect(held?.toString()).toBe('one\n');
});

test('a sink that takes a part gets the rest, and one that asks for patience gets the same again', async () => {
  vi.useFakeTimers();
  try {
    const state = startSink();
    const destination = new LogDestination(state.sink);
    destination.write('one\ntwo\n');
    const flushed = destination.flush({ withinMs: 60_000 });
    state.answer(null, 5);
    state.answer(failure('EAGAIN'), 0);
    await vi.advanceTimersByTimeAsync(100);
    state.answer(null, 3);
    await flushed;
    expect(state.written).toEqual(['one\ntwo\n', 'wo\n', 'wo\n']);
    expect(destination.dropped).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('what fails is dropped and counted; the next line begins a line of its own; then it is told once', () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  const told: number[] = [];
  destination.onRecovered = (lines) => told.push(lines);
  destination.write('one\ntwo\nthree\n');
  void destination.flush({ withinMs: 0 });
  state.answer(null, 6);
  state.answer(failure('ENOSPC'), 0);
  expect(destination.dropped).toBe(2);
  expect(told).toEqual([]);

  destination.write('four\n');
  void destination.flush({ withinMs: 0 });
  expect(state.written.at(-1)).toBe('\nfour\n');
  state.answer(null, 6);
  expect(told).toEqual([2]);
  destination.write('five\n');
  void destination.flush({ withinMs: 0 });
  state.answer(null, 5);
  expect(told).toEqual([2]);
});

test('waiting for the last lines ends with them, and at the latest when the time is up', async () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  await destination.flush({ withinMs: 60_000 });
  expect(destination.isHung).toBe(false);
  destination.write('one\n');
  await destination.flush({ withinMs: 5 });
  expect(destination.isHung).toBe(true);
  destination.write('two\n');
  const flushed = destination.flush({ withinMs: 60_000 });
  state.answer(null, 4);
  expect(state.written).toEqual(['one\n', 'two\n']);
  state.answer(null, 4);
  await flushed;
  expect(destination.isHung).toBe(false);
});

test('after a fatal line, what waits is written at once, unless a write is under way already', () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  destination.write('one\n');
  destination.flushSync();
  expect(state.now).toEqual(['one\n']);
  destination.write('two\n');
  void destination.flush({ withinMs: 0 });
  destination.write('three\n');
  destination.flushSync();
  expect(state.now).toEqual(['one\n']);
  state.answer(null, 4);
  expect(state.written).toEqual(['two\n', 'three\n']);
  expect(destination.dropped).toBe(0);
});

test('at the very end what can be written at once is, and the rest is counted', () => {
  const state = startSink();
  const destination = new LogDestination(state.sink);
  destination.write('one\n');
  destination.end();
  expect(state.now).toEqual(['one\n']);
  state.room = 0;
  destination.write('two\nthree\n');
  destination.end();
  destination.end();
  expect(state.now).toEqual(['one\n', 'two\nthree\n']);
  expect(destination.dropped).toBe(2);
});
