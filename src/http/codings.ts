// What a caller can read beside plain bytes, from its Accept-Encoding (RFC 9110 12.5.3).

import { LRUCache } from 'lru-cache';

export type Coding = 'br' | 'gzip';
/** The smaller first. */
export const CODINGS: readonly Coding[] = ['br', 'gzip'];

export interface Accepted {
  /** What a page is sent in where it is kept so; null for plain bytes. */
  readonly preferred: Coding | null;
  /** All that the caller can read beside plain bytes. */
  readonly readable: readonly Coding[];
}

/** Callers send few texts, of a few dozen characters. */
const KEPT_MAX = 100;
/** Whoever sends more gets plain bytes: reading it would cost more than the answer. */
const LENGTH_MAX = 256;
const NOTHING: Accepted = { preferred: null, readable: [] };

/** Whoever does not say can read anything (RFC 9110 12.5.3), but gets plain bytes, as clients that do not say expect. */
const UNSAID: Accepted = { preferred: null, readable: CODINGS };

export class AcceptedCodings {
  readonly #kept = new LRUCache<string, Accepted>({ max: KEPT_MAX });

  /**
   * What a header accepts. Plain bytes are sent to whoever accepts nothing that is kept, also where it refuses them
   * (`identity;q=0`): RFC 9110 12.4.1 lets a server disregard the header, and a page is worth more than a 406.
   */
  of(header: string | undefined): Accepted {
    if (header === undefined) return UNSAID;
    if (header.length > LENGTH_MAX) return NOTHING;
    const kept = this.#kept.get(header);
    if (kept !== undefined) return kept;
    const accepted = acceptedBy(header);
    this.#kept.set(header, accepted);
    return accepted;
  }
}

/** A coding and its weight; whatever has another form accepts nothing. */
const MEMBER = /^[ \t]*([!#$%&'*+.^_`|~\w-]+)[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*(0(?:\.\d*)?|1(?:\.0*)?)[ \t]*)?$/i;

function acceptedBy(header: string): Accepted {
  const weights = new Map<string, number>();
  for (const member of header.split(',')) {
    const [, name = '', weight = '1'] = MEMBER.exec(member) ?? [];
    const coding = name.toLowerCase();
    weights.set(coding === 'x-gzip' ? 'gzip' : coding, Number(weight));
  }
  // `*` names none, and gzip is what all can read that can read anything.
  const weightOf = (coding: Coding): number => weights.get(coding) ?? (coding === 'gzip' ? (weights.get('*') ?? 0) : 0);
  const readable = CODINGS.filter((coding) => weightOf(coding) > 0).toSorted((a, b) => weightOf(b) - weightOf(a));
  const [preferred = null] = readable;
  const isPlainRather = preferred !== null && (weights.get('identity') ?? 0) > weightOf(preferred);
  return { preferred: isPlainRather ? null : preferred, readable };
}
