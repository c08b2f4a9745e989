// The Cache-Status header (RFC 9211): what the cache did for this answer. Part of the interface; docs/requests-and-answers.md documents it.

import { serializeList, Token } from 'structured-headers';
import type { Outcome } from '../cache/outcome.ts';
import type { Answer } from '../cache/read-through.ts';

const NAME = new Token('backscroll');
const MISS = new Token('miss');
const BYPASS = new Token('bypass');
const STALE = new Token('stale');

/** Seconds as RFC 9211's ttl counts them: negative for an answer past its freshness. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export function cacheStatus({ outcome, level, ttlMs, stored }: Pick<Answer, 'outcome' | 'level' | 'ttlMs' | 'stored'>): string {
  if (outcome !== 'hit' && outcome !== 'stale') return stored ? STORED[outcome] : NOT_STORED[outcome];
  const header = ttlMs === null ? STORED[outcome] : withTtl(outcome, seconds(ttlMs));
  return level === 'shared' ? `${header}; detail=shared` : header;
}

/** Many answers in a second say the same. */
let last = { outcome: '', ttl: Number.NaN, header: '' };

function withTtl(outcome: Outcome, ttl: number): string {
  if (last.ttl !== ttl || last.outcome !== outcome) last = { outcome, ttl, header: `${STORED[outcome]}; ttl=${ttl}` };
  return last.header;
}

/** The header but for its ttl, which alone is different from answer to answer. */
function headersOf(stored: boolean): Readonly<Record<Outcome, string>> {
  const header = (outcome: Outcome): string => headerOf(outcome, stored);
  return {
    hit: header('hit'),
    stale: header('stale'),
    miss: header('miss'),
    coalesced: header('coalesced'),
    bypass: header('bypass'),
  };
}

function headerOf(outcome: Outcome, stored: boolean): string {
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
  if (outcome !== 'hit' && outcome !== 'stale') {
    if (stored) parameters.set('stored', true);
    if (outcome === 'coalesced') parameters.set('collapsed', true);
  }
  return serializeList([[NAME, parameters]]).replaceAll(';', '; '); // As RFC 9211 prints it; no value here holds a semicolon.
}

const STORED = headersOf(true);
const NOT_STORED = headersOf(false);
