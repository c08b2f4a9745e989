// The shadow check: a sample of proved answers is also read upstream and compared. What the freshness rules do not explain
// is told with both row lists; after three such differences the installation is answered by exact query only, since its
// finder is not the one that the proofs know.

import type { Comparison } from '../timeline/compare.ts';
import { compareAnswers } from '../timeline/compare.ts';
import type { MessageId, Query } from '../timeline/query.ts';
import type { Row } from '../timeline/reading.ts';

/** Differences in one process after which proofs are given up. */
const DIFFERENCES_MAX = 3;

/** Of the rows of a page that are gone, so many are asked for. */
const GONE_ASKED_MAX = 5;

export interface ShadowOptions {
  /** Share of proved answers that are checked, 0 to 1. */
  readonly rate: number;
  readonly random: () => number;
}

export class Shadow {
  readonly #options: ShadowOptions;
  #differences = 0;

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** Decides whether this answer is to be checked. */
  isDue(): boolean {
    return this.#options.rate > 0 && this.#options.random() < this.#options.rate;
  }

  /** True once proofs are not to be trusted any more. */
  get hasGivenUp(): boolean {
    return this.#differences >= DIFFERENCES_MAX;
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
    const confirmed =
      comparison.kind === 'same' ||
      comparison.kind === 'explained' ||
      (comparison.kind === 'deleted' && !(await isAnyThere(comparison.gone, isThere)));
    if (!confirmed) this.#differences++;
    return confirmed;
  }
}

async function isAnyThere(ids: readonly MessageId[], isThere: (id: MessageId) => Promise<boolean>): Promise<boolean> {
  for (const id of ids.slice(0, GONE_ASKED_MAX)) {
    // oxlint-disable-next-line no-await-in-loop -- behind an answer, and seldom
    if (await isThere(id)) return true;
  }
  return false;
}
