// Log lines that somebody outside can cause at will are told seldom, so that they cannot fill a disk.

export interface SeldomOptions {
  readonly everyMs: number;
  /** A clock in ms; one that is set back has it told anew. */
  readonly now?: () => number;
}

/** Calls `log` at once, then at most once in `everyMs`, with how many times it was left out before. */
export function seldom({ everyMs, now = () => performance.now() }: SeldomOptions): (log: (unlogged: number) => void) => void {
  let lastAt = -Infinity;
  let unlogged = 0;
  return (log) => {
    const at = now();
    if (Math.abs(at - lastAt) < everyMs) return void unlogged++;
    lastAt = at;
    log(unlogged);
    unlogged = 0;
  };
}
