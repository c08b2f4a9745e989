// Work that takes long, done in steps: others have their turn of the event loop between two of them, however much such work there is.

/** Work that stops at each `yield`: after a millisecond or so. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** What is worked through in one step where a byte costs some nanoseconds. Less than this is done at once. */
export const STEP_BYTES = 64 * 1024;

/** Does all of it in this turn. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Does one step in a turn, the first one now. @throws what a step throws, or the signal's reason */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other is what this is about
    await nextTurn();
    signal?.throwIfAborted();
  }
}

/** Those who wait to go on, in the order in which they came. There is one event loop for all of them. */
const waiting: (() => void)[] = [];

/** A turn of the event loop in which no other work goes on. */
function nextTurn(): Promise<void> {
  return new Promise((goOn) => {
    if (waiting.push(goOn) === 1) setImmediate(giveTurn);
  });
}

function giveTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveTurn);
}
