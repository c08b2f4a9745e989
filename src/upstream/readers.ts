// Who wants a read. Readers that join it while it waits want it too: then its turn is that of the one among them who comes first.

export class Readers {
  readonly #names: Set<string>;
  /** Told of those who join. */
  onJoin: ((reader: string) => void) | undefined;

  constructor(first: string) {
    this.#names = new Set([first]);
  }

  /** In the order in which they came. */
  [Symbol.iterator](): Iterator<string> {
    return this.#names.values();
  }

  get size(): number {
    return this.#names.size;
  }

  join(reader: string): void {
    if (this.#names.has(reader)) return;
    this.#names.add(reader);
    this.onJoin?.(reader);
  }
}
