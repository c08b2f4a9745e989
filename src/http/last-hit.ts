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

/** Null where the page has to be proved or rendered anew. */
export function lastHit(asked: Asked, readThrough: ReadThrough, renderer: Renderer): Hit | null {
  const last = asked.last?.deref();
  return (last === undefined ? null : again(asked, last, readThrough)) ?? anew(asked, readThrough, renderer);
}

function again({ page }: Asked, { proof, rendered }: Found, readThrough: ReadThrough): Hit | null {
  const answer = readThrough.knownHit(page.conversation, proof);
  return answer === null ? null : { answer, rendered };
}

function anew(asked: Asked, readThrough: ReadThrough, renderer: Renderer): Hit | null {
  const { query, page } = asked;
  const proof = readThrough.keptProof(page.conversation, query);
  const rendered = proof === null ? undefined : renderer.kept(page, proof.proof);
  if (proof === null || rendered === undefined) return null;
  const found = { proof, rendered };
  asked.last = new WeakRef<Found>(found);
  return again(asked, found, readThrough);
}
