// How long this room waits for anything.

export interface SharedTimes {
  /** The most that one exchange with Redis takes, ms. */
  readonly timeoutMs: number;
  /** A connection on which nothing comes for so long is made anew, ms. On each something comes several times in that time. */
  readonly silentMs: number;
  /** A process that has not heard of changes for so long does not use what is shared, ms. */
  readonly deafMs: number;
  /** How long an announcement may wait for all to hear of it that waits a long time, and a short one, ms. */
  readonly waitMs: { readonly long: number; readonly short: number };
  /** A lease lives no longer than this without its process, ms, so nobody waits longer for one that has gone. */
  readonly leaseMs: number;
}

export const SHARED_TIMES: SharedTimes = {
  timeoutMs: 100,
  silentMs: 1_500,
  deafMs: 1_500,
  waitMs: { long: 1_500, short: 100 },
  leaseMs: 120,
};
