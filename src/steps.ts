// Work that takes long, done in steps: others have their turn of the event loop between two of them, however much such work there is.

/** Work that stops at each `yield`: after a millisecond or so. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** What is worked through in one step where a byte costs some nanoseconds. Less than this is done at once. */
export const STEP_BYTES = 64 * 1024;

/** The same where a byte is only copied, or looked at by the system's own code. */
export const COPIED_STEP_BYTES = 512 * 1024;

/** Does all of it in this turn. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Does one step after the other, the first one now. Rejects with what a step throws, or the signal's reason. */
export function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const goOn = (): boolean => {
      try {
        signal?.throwIfAborted();
        const { done, value } = steps.next();
        if (done === true) resolve(value);
        return done !== true;
      } catch (error) {
        reject(error);
        return false;
      }
    };
    if (goOn()) wait(goOn);
  });
}

/** Of the time that all else takes, what steps may have: else they would be one in each of its long turns. */
const SHARE = 1 / 4;

/** Works that are not done, in the order in which they go on. Each says whether there is more of it. There is one event loop for all of them. */
const waiting: (() => boolean)[] = [];
let endedAt = 0;

function wait(goOn: () => boolean): void {
  if (waiting.push(goOn) > 1) return;
  endedAt = performance.now();
  setImmediate(giveTurn);
}

/** One step, or as many as the share allows. */
function giveTurn(): void {
  const startedAt = performance.now();
  const until = startedAt + (startedAt - endedAt) * SHARE;
  do {
    const goOn = waiting.shift()!;
    if (goOn()) waiting.push(goOn);
  } while (waiting.length > 0 && performance.now() < until);
  endedAt = performance.now();
  if (waiting.length > 0) setImmediate(giveTurn);
}
