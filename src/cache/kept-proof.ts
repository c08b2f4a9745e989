// Proofs of pages that are asked for again and again. A proof follows from knowledge that never changes, so it is the same until
// other knowledge takes its place; it is kept beside that knowledge and goes with it.

import type { Proof } from '../timeline/prove.ts';
import type { Query } from '../timeline/query.ts';
import { queryKey } from '../timeline/query.ts';
import type { HistoryMode } from './knowledge.ts';

export interface KeptProof {
  readonly query: Query;
  /** The mode of the installation in which it was made. */
  readonly mode: HistoryMode;
  /** The age that the tail might have. */
  readonly tailMaxAgeMs: number;
  /** Since when the account was fed; undefined where it was not. */
  readonly fedSince: number | undefined;
  readonly proof: Proof;
  readonly provedAt: number;
  /** The knowledge that it follows from is not what is known any more. */
  isVoid: boolean;
}

/** Under which one is wanted. */
export interface Circumstances {
  readonly mode: HistoryMode;
  readonly tailMaxAgeMs: number;
  readonly fedSince: number | undefined;
  readonly now: number;
}

/** Readers of one conversation ask for few pages again at once: the newest, and where a walk stands. */
const KEPT_MAX = 4;
/** A longer page takes much longer to be sent than to be proved. */
const ROWS_MAX = 100;
/** It is made anew after so long, ms, so that what is read behind it is planned anew. */
const KEPT_MS = 1000;
/** The proof, its array and its place. */
const PROOF_BYTES = 400;

/** These and one more, which is the newest. What is left out is void: nobody would tell it so later. */
export function keepProof(kept: readonly KeptProof[], newest: KeptProof): readonly KeptProof[] {
  if (newest.proof.rows.length > ROWS_MAX) return kept;
  const others = kept.filter((each) => !isFor(each, newest));
  const all = [newest, ...others].slice(0, KEPT_MAX);
  voidAll(kept.filter((each) => !all.includes(each)));
  return all;
}

export function voidAll(kept: readonly KeptProof[]): void {
  for (const each of kept) each.isVoid = true;
}

/** The one for this query, as long as it holds. */
export function keptProof(kept: readonly KeptProof[], query: Query, wanted: Circumstances): KeptProof | null {
  const found = kept.find((each) => isSame(each.query, query) && isOfTail(each, wanted.tailMaxAgeMs));
  return found !== undefined && holds(found, wanted) ? found : null;
}

/** Whether it is what proving would come to now, and nothing is due behind it. */
export function holds(kept: KeptProof, { mode, tailMaxAgeMs, fedSince, now }: Circumstances): boolean {
  const { isVoid, proof, provedAt } = kept;
  if (isVoid || kept.mode !== mode || kept.fedSince !== fedSince || !isOfTail(kept, tailMaxAgeMs)) return false;
  return now >= provedAt && now < provedAt + KEPT_MS && now <= proof.freshUntil;
}

function isFor(kept: KeptProof, { query, tailMaxAgeMs }: KeptProof): boolean {
  return isSame(kept.query, query) && isOfTail(kept, tailMaxAgeMs);
}

/** Whether it is the same for those for whom the tail may have this age. */
function isOfTail(kept: KeptProof, tailMaxAgeMs: number): boolean {
  return !kept.proof.usesTail || kept.tailMaxAgeMs === tailMaxAgeMs;
}

/** About what they hold of memory, in bytes. Their rows are counted as knowledge. */
export function keptProofBytes(kept: readonly KeptProof[]): number {
  return kept.reduce((sum, { proof }) => sum + PROOF_BYTES + 8 * proof.rows.length, 0);
}

function isSame(a: Query, b: Query): boolean {
  return a === b || queryKey(a) === queryKey(b);
}
