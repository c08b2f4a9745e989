// How long the turns of the event loop are, as far as that is this process's own doing: other work of the machine is not counted.

/** Watches from now on, until asked. @returns what tells the longest turn so far, ms */
export function watchTurns(): () => number {
  let longestMs = 0;
  let last = { at: performance.now(), cpu: process.cpuUsage() };
  let watching = true;
  const look = (): void => {
    if (!watching) return;
    const { user, system } = process.cpuUsage(last.cpu);
    longestMs = Math.max(longestMs, Math.min(performance.now() - last.at, (user + system) / 1000));
    last = { at: performance.now(), cpu: process.cpuUsage() };
    setImmediate(look);
  };
  setImmediate(look);
  return () => {
    watching = false;
    return longestMs;
  };
}
