// The Cache-Status header (RFC 9211): what the cache did for this answer. Part of the interface; the README documents it.

import { serializeList, Token } from 'structured-headers';
import type { Answer } from '../cache/read-through.ts';

const NAME = new Token('backscroll');
const MISS = new Token('miss');
const BYPASS = new Token('bypass');
const STALE = new Token('stale');

/** Seconds as RFC 9211's ttl counts them: negative for an answer past its freshness. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export function cacheStatus({ outcome, ttlMs, stored }: Pick<Answer, 'outcome' | 'ttlMs' | 'stored'>): string {
  const parameters = new Map<string, number | boolean | Token>();
  switch (outcome) {
    case 'hit':
      parameters.set('hit', true);
      break;
    case 'stale':
      parameters.set('hit', true);
      parameters.set('fwd', STALE);
      break;
    case 'miss':
      parameters.set('fwd', MISS);
      break;
    case 'coalesced':
      parameters.set('fwd', MISS);
      break;
    case 'bypass':
      parameters.set('fwd', BYPASS);
      break;
  }
  if (outcome === 'hit' || outcome === 'stale') {
    if (ttlMs !== null) parameters.set('ttl', seconds(ttlMs));
  } else {
    if (stored) parameters.set('stored', true);
    if (outcome === 'coalesced') parameters.set('collapsed', true);
  }
  return serializeList([[NAME, parameters]]).replaceAll(';', '; '); // As RFC 9211 prints it; no value here holds a semicolon.
}
