// A gate: holds an answer back until a test lets it go.

import type { LoggedRequest } from './request-log.ts';

/** Where an answer is held: before the table is read, or after it was read and before the answer is sent. */
export type GatePoint = 'before-read' | 'after-read';

/** Holds whoever passes until `release`; afterwards it stands open. */
export class Gate {
  /** Resolves with the first request that came to the gate. */
  readonly arrived: Promise<LoggedRequest>;
  readonly #released: Promise<void>;
  #arrive: (request: LoggedRequest) => void = () => undefined;
  #open: () => void = () => undefined;

  constructor() {
    this.arrived = new Promise((resolve) => {
      this.#arrive = resolve;
    });
    this.#released = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** Opens the gate, for good. */
  release(): void {
    this.#open();
  }

  /** Waits at the gate. */
  async pass(request: LoggedRequest): Promise<void> {
    this.#arrive(request);
    await this.#released;
  }
}
