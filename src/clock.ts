// The clock of the program.

const { timeOrigin } = performance;

/** Like Date.now, but it follows the machine's monotonic clock: a step of the wall clock ages nothing. */
export function steadyNow(): number {
  return timeOrigin + performance.now();
}
