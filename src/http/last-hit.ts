// The page that was found for the last who asked for it, found again without looking for it, as long as it is still the same.

import type { KeptProof } from '../cache/kept-proof.ts';
import type { Answer, ReadThrough } from '../cache/read-through.ts';
import type { Rendered, Renderer } from './render.ts';
import type { Asked } from './target.ts';

/** A page that is known. */
export interface Hit {
  readonly answer: Answer;
  readonly rendered: Rendered;
}

/** What a hit is made of again. Cache and renderer keep it, as long as it may be kept; a target does not. */
export interface Found {
  readonly proof: KeptProof;
  readonly rendered: Rendered;
}

interface Keepers {
  readonly readThrough: ReadThrough;
  readonly renderer: Renderer;
}

/** Null where the page has to be proved or rendered anew for one for whom the tail may be so old, ms. */
export function lastHit(asked: Asked, tailMaxAgeMs: number | undefined, keepers: Keepers): Hit | null {
  const last = asked.last?.deref();
  return (last === undefined ? null : again(asked, last, tailMaxAgeMs, keepers)) ?? anew(asked, tailMaxAgeMs, keepers);
}

function again(
  { page }: Asked,
  { proof, rendered }: Found,
  tailMaxAgeMs: number | undefined,
  { readThrough }: Keepers,
): Hit | null {
  const answer = readThrough.knownHit(page.conversation, proof, tailMaxAgeMs);
  return answer === null ? null : { answer, rendered };
}

function anew(asked: Asked, tailMaxAgeMs: number | undefined, keepers: Keepers): Hit | null {
  const { query, page } = asked;
  const proof = keepers.readThrough.keptProof(page.conversation, query, tailMaxAgeMs);
  const rendered = proof === null ? undefined : keepers.renderer.kept(page, proof.proof);
  if (proof === null || rendered === undefined) return null;
  const found = { proof, rendered };
  asked.last = new WeakRef<Found>(found);
  return again(asked, found, tailMaxAgeMs, keepers);
}
