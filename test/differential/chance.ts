// What is left to chance, repeatable from a seed. Each part of a run has a stream of its own, so that how fast one goes does not
// change what another decides.

import { seededRandom } from '../support/fake-chatwoot/seeded-random.ts';

export class Chance {
  readonly #random: () => number;

  constructor(seed: number, stream: number) {
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b));
  }

  /** From 0 (included) to 1 (not). */
  next(): number {
    return this.#random();
  }

  isTrue(share: number): boolean {
    return this.#random() < share;
  }

  between(low: number, high: number): number {
    return low + this.#random() * (high - low);
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to choose from');
    return list[Math.floor(this.#random() * list.length)]!;
  }

  /** One of these, each as likely as its weight says. */
  weighed<T>(choices: readonly (readonly [choice: T, weight: number])[]): T {
    let left = this.#random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
    const found = choices.find(([, weight]) => (left -= weight) < 0) ?? choices.at(-1);
    if (found === undefined) throw new Error('nothing to choose from');
    return found[0];
  }
}
