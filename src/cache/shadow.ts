// The shadow check: a sample of proved answers is also read upstream and compared. What the freshness rules do not explain
// is told with both row lists. Where one conversation differs again and again, something is odd about it, and it is answered
// by exact query only. Where several do, the installation's finder is not the one that the proofs know, and all are.

import type { Comparison } from '../timeline/compare.ts';
import { compareAnswers } from '../timeline/compare.ts';
import type { MessageId, Query } from '../timeline/query.ts';
import type { Row } from '../timeline/reading.ts';

/** Differences in one conversation after which proofs of it are given up, and conversations that differ after which all are. */
const DIFFERENCES_MAX = 3;

/** What differed longer ago than this counts no more, ms. */
const DIFFERENCES_KEPT_MS = 24 * 3_600_000;

/** Of the rows of a page that are gone, so many are asked for. */
const GONE_ASKED_MAX = 5;

export interface ShadowOptions {
  /** Share of proved answers that are checked, 0 to 1. */
  readonly rate: number;
  readonly random: () => number;
}

/** What proofs are not to be trusted in any more after a difference. */
export type Distrust = 'nothing' | 'conversation' | 'all';

export class Shadow {
  readonly #options: ShadowOptions;
  /** When each conversation differed, ms. No more than DIFFERENCES_MAX of either: with as many, proofs are given up. */
  readonly #differences = new Map<string, readonly number[]>();

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** Decides whether this answer is to be checked. */
  isDue(): boolean {
    return this.#options.rate > 0 && this.#options.random() < this.#options.rate;
  }

  /** Notes that a conversation differed at `now` (ms), and says what follows from that. */
  differed(key: string, now: number): Distrust {
    for (const [each, times] of this.#differences) {
      const kept = times.filter((at) => now - at < DIFFERENCES_KEPT_MS);
      if (kept.length > 0) this.#differences.set(each, kept);
      else this.#differences.delete(each);
    }
    const times = [...(this.#differences.get(key) ?? []), now].slice(-DIFFERENCES_MAX);
    if (this.#differences.has(key) || this.#differences.size < DIFFERENCES_MAX) this.#differences.set(key, times);
    if (this.#differences.size >= DIFFERENCES_MAX) return 'all';
    return times.length >= DIFFERENCES_MAX ? 'conversation' : 'nothing';
  }

  /**
   * Compares; rows that are gone are asked for one by one, for a deleted row explains a difference and a hidden one does not.
   * @param isThere reads one row upstream.
   * @returns true where upstream confirms the answer.
   */
  async confirms(
    query: Query,
    proved: readonly Row[],
    read: readonly Row[],
    tailFrom: MessageId,
    isThere: (id: MessageId) => Promise<boolean>,
  ): Promise<boolean> {
    const comparison: Comparison = compareAnswers(query, proved, read, tailFrom);
    return (
      comparison.kind === 'same' ||
      comparison.kind === 'explained' ||
      (comparison.kind === 'deleted' && !(await isAnyThere(comparison.gone, isThere)))
    );
  }
}

async function isAnyThere(ids: readonly MessageId[], isThere: (id: MessageId) => Promise<boolean>): Promise<boolean> {
  for (const id of ids.slice(0, GONE_ASKED_MAX)) {
    // oxlint-disable-next-line no-await-in-loop -- behind an answer, and seldom
    if (await isThere(id)) return true;
  }
  return false;
}
