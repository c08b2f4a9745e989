// From rows and envelope to body and ETag. Pages that are asked for again are rendered once.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { joinBody } from '../cache/join-body.ts';
import type { Envelope, Row } from '../timeline/reading.ts';

export interface Rendered {
  readonly body: Buffer;
  /** Strong: the SHA-256 of the body (RFC 9110 8.8.1). */
  readonly etag: string;
}

interface Page {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
}

interface Kept extends Rendered, Page {}

const ENTRY_BYTES = 500;

export class Renderer {
  readonly #kept: LRUCache<string, Kept>;

  /** @param bytesMax what rendered pages may hold beside the rows they are made of. */
  constructor(bytesMax: number) {
    this.#kept = new LRUCache({
      maxSize: Math.max(1, bytesMax),
      sizeCalculation: ({ body, rows }) => ENTRY_BYTES + body.length + 8 * rows.length,
    });
  }

  /** @param key names the conversation, the query and the view; a kept page is used only if its rows are the very same. */
  render(key: string, page: Page): Rendered {
    const kept = this.#kept.get(key);
    if (kept !== undefined && isSamePage(kept, page)) return kept;
    const body = joinBody(page.envelope, page.rows);
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    this.#kept.set(key, { body, etag, rows: page.rows, envelope: page.envelope });
    return { body, etag };
  }

  get bytes(): number {
    return this.#kept.calculatedSize;
  }
}

/** Rows and envelopes are immutable, so the same objects are the same bytes. */
function isSamePage(a: Page, b: Page): boolean {
  return (
    a.envelope.head === b.envelope.head &&
    a.envelope.tail === b.envelope.tail &&
    a.rows.length === b.rows.length &&
    a.rows.every((row, at) => row === b.rows[at] || (row.id === b.rows[at]!.id && row.raw === b.rows[at]!.raw))
  );
}

/** True if an If-None-Match header names this ETag (RFC 9110 13.1.2: weak comparison, lists and `*` included). */
export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((candidate) => {
    const tag = candidate.trim();
    return tag === '*' || tag === etag || tag === `W/${etag}`;
  });
}
