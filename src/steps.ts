// Work that takes long, done in steps: others have their turn of the event loop between two of them.

import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work that stops at each `yield`: after a few milliseconds at most. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** What is worked through in one step where a byte costs some nanoseconds. Less than this is done at once. */
export const STEP_BYTES = 512 * 1024;

/** Does all of it in this turn. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Does one step in each turn. @throws what a step throws, or the signal's reason */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what this is about
    await nextTurn();
    signal?.throwIfAborted();
  }
}
