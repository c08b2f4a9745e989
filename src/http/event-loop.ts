// Whether this process keeps up: how late its event loop was in the last second.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const SAMPLE_MS = 1000;

export class EventLoop {
  readonly #delayMaxMs: number;
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #delayMs = 0;

  /** @param delayMaxMs the mean delay of a second past which it is late; 0 for never. */
  constructor(delayMaxMs: number) {
    this.#delayMaxMs = delayMaxMs;
    this.#delays.enable();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  get isLate(): boolean {
    return this.#delayMaxMs > 0 && this.#delayMs > this.#delayMaxMs;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delays.disable();
  }

  #sample(): void {
    // Without a single delay in a second nothing ran in it.
    this.#delayMs = this.#delays.count === 0 ? Infinity : this.#delays.mean / 1e6 - RESOLUTION_MS;
    this.#delays.reset();
  }
}
