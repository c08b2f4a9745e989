// What a part of the program shows of itself on the status page: a state and a few lines. The page draws whichever it is handed.

/**
 * - `good`, `off`: nothing to do.
 * - `warn`: works, but not as it should.
 * - `bad`: somebody has to look.
 */
export type PanelState = 'good' | 'off' | 'warn' | 'bad';

export interface Panel {
  readonly name: string;
  readonly state: PanelState;
  /** What each number is, and what it comes to, for people. */
  readonly rows: readonly (readonly [string, string])[];
}

/** Bytes for people. */
export function inMegabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(bytes < 10_485_760 ? 1 : 0)} MB`;
}
