// Bodies as they arrive: whole, and without stopping the event loop where they are large.

import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { COPIED_STEP_BYTES } from '../../src/steps.ts';
import { WholeBody } from '../../src/upstream/whole-body.ts';

const BYTES = 8 * COPIED_STEP_BYTES;
const LARGE = Buffer.alloc(BYTES, 'one thing after the other, ');

interface Arrival {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A body that comes in chunks as a socket has them. */
function arrive(body: Buffer, { headers = {}, signal = new AbortController().signal }: Arrival = {}): WholeBody {
  const arriving = new WholeBody(headers, { maxBytes: BYTES, signal });
  for (let at = 0; at < body.length; at += 65_536) arriving.take(body.subarray(at, at + 65_536));
  arriving.end();
  return arriving;
}

/** In how many turns of the event loop it is put together, once all of it is there. */
async function turnsOf(whole: Promise<Buffer>): Promise<number> {
  let turns = 0;
  const turn = new AbortController();
  const count = (): void => {
    turns++;
    if (!turn.signal.aborted) setImmediate(count);
  };
  count();
  await whole.finally(() => turn.abort());
  return turns;
}

describe('a whole body', () => {
  it('is what came, a large one put together in several turns', async () => {
    const { whole } = arrive(LARGE);
    expect(await turnsOf(whole)).toBeGreaterThan(4);
    expect(LARGE.equals(await whole)).toBe(true);
  });

  it('is there at once where it is small', async () => {
    const { whole } = arrive(LARGE.subarray(0, COPIED_STEP_BYTES));
    expect(await turnsOf(whole)).toBe(1);
    expect(LARGE.subarray(0, COPIED_STEP_BYTES).equals(await whole)).toBe(true);
  });

  it.each([
    ['as long as it says', BYTES, LARGE],
    ['not sent', BYTES, Buffer.alloc(0)],
  ])('is put together as it comes where its length is known: %s', async (_name, length, body) => {
    const { whole } = arrive(body, { headers: { 'content-length': String(length) } });
    expect(await turnsOf(whole)).toBe(1);
    expect(body.equals(await whole)).toBe(true);
  });

  it('is refused where it is longer than it says', () => {
    expect(() => arrive(LARGE, { headers: { 'content-length': String(BYTES - 1) } })).toThrow('it is longer than it says');
  });

  it('is the same out of gzip', async () => {
    const { whole } = arrive(gzipSync(LARGE), { headers: { 'content-encoding': 'gzip' } });
    expect(LARGE.equals(await whole)).toBe(true);
  });

  it('is not put together any further once nobody wants it', async () => {
    const gone = new AbortController();
    const { whole } = arrive(LARGE, { signal: gone.signal });
    const reason = new Error('nobody wants it');
    gone.abort(reason);
    await expect(whole).rejects.toBe(reason);
  });
});
