// A small seeded generator (mulberry32), so that anything random here can be repeated from its seed.

import type { TieOrder } from './finder.ts';

/** Numbers from 0 (included) to 1 (not), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tie order that shuffles anew for each read, as PostgreSQL may. */
export function shuffledTies(seed: number): TieOrder {
  return (tied, read) => {
    const random = seededRandom(Math.imul(seed + read, 0x9e3779b1) ^ (tied[0]?.id ?? 0));
    const shuffled = [...tied];
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = Math.floor(random() * (last + 1));
      const [a, b] = [shuffled[last], shuffled[other]];
      if (a === undefined || b === undefined) throw new Error('shuffle out of range');
      shuffled[last] = b;
      shuffled[other] = a;
    }
    return shuffled;
  };
}
