// Why credentials are refused, told to the operator in a few lines a minute for each reason: enough to see what is wrong, and
// too few for strangers to fill a disk with.

import type { Refusal } from '../clients/refusal.ts';

const LINES_MAX = 5;
const WINDOW_MS = 60_000;

interface Window {
  readonly startedAt: number;
  lines: number;
  /** Refusals that were not told about. */
  dropped: number;
}

export class RefusalLog {
  readonly #windows = new Map<Refusal, Window>();

  /** Logs the reason, with how many like it went untold before, or drops it. */
  tell(log: { readonly info: (details: object, message: string) => void }, reason: Refusal, now: number): void {
    let window = this.#windows.get(reason);
    // A clock that was set back opens one too.
    const isOver = window === undefined || Math.abs(now - window.startedAt) >= WINDOW_MS;
    if (window !== undefined && !isOver && window.lines >= LINES_MAX) {
      window.dropped++;
      return;
    }
    const dropped = window?.dropped ?? 0;
    if (window === undefined || isOver) window = { startedAt: now, lines: 0, dropped: 0 };
    window.lines++;
    this.#windows.set(reason, window);
    log.info(dropped === 0 ? { reason } : { reason, dropped }, 'a credential was refused');
  }
}
