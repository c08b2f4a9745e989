// Seeded draws from the distributions that the trace is made of.

import { seededRandom } from '../../test/support/fake-chatwoot/seeded-random.ts';

export class Chance {
  readonly #random: () => number;

  /** Streams of one seed are independent, so that one that draws more does not change the others. */
  constructor(seed: number, stream: number) {
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
  }

  uniform(min: number, max: number): number {
    return min + this.#random() * (max - min);
  }

  happens(share: number): boolean {
    return this.#random() < share;
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.#random()) * mean;
  }

  logUniform(min: number, max: number): number {
    return Math.exp(this.uniform(Math.log(min), Math.log(max)));
  }

  logNormal(median: number, sigma: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random()));
    return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * this.#random()));
  }

  /** 1, 2, 3 … with this mean. */
  geometric(mean: number): number {
    return mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - this.#random()) / Math.log(1 - 1 / mean));
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values];
    for (let last = result.length - 1; last > 0; last--) {
      const other = Math.floor(this.#random() * (last + 1));
      const moved = result[last]!;
      result[last] = result[other]!;
      result[other] = moved;
    }
    return result;
  }
}

/** Chooses among `ranked` with weights 1, 1/2^s, 1/3^s … */
export class Zipf<T> {
  readonly #ranked: readonly T[];
  readonly #upTo: readonly number[];

  constructor(ranked: readonly T[], exponent: number) {
    this.#ranked = ranked;
    let sum = 0;
    this.#upTo = ranked.map((_, rank) => (sum += (rank + 1) ** -exponent));
  }

  choose(chance: Chance): T {
    const aim = chance.uniform(0, this.#upTo.at(-1)!);
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#upTo[middle]! <= aim) low = middle + 1;
      else high = middle;
    }
    return this.#ranked[low]!;
  }
}
