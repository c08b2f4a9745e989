// The last while, in rows of numbers. Each row is written as text once, so that telling all of it is joining texts.

interface Row {
  readonly at: number;
  readonly text: string;
}

export class History {
  readonly #rows: Row[] = [];
  readonly #rowsMax: number;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  /** @param row begins with its moment, which is not before that of the last. */
  add(row: readonly (number | null)[]): void {
    this.#rows.push({ at: row[0] ?? 0, text: JSON.stringify(row) });
    if (this.#rows.length > this.#rowsMax) this.#rows.shift();
  }

  /** The rows after a moment, as a JSON list. */
  json(after: number): string {
    const first = this.#rows.findLastIndex(({ at }) => at <= after) + 1;
    return `[${this.#rows
      .slice(first)
      .map(({ text }) => text)
      .join(',')}]`;
  }

  get size(): number {
    return this.#rows.length;
  }
}
