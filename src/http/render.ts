// From rows and envelope to body and ETag, as a view shows them. Pages that are asked for again are rendered once.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { joinBody } from '../cache/join-body.ts';
import type { View } from '../clients/client.ts';
import { customerPage } from '../clients/view.ts';
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
  readonly #onWithheld: (rows: number) => void;

  /**
   * @param bytesMax what rendered pages may hold beside the rows they are made of.
   * @param onWithheld is told of internal rows that the internal filter let through and the customer view left out.
   */
  constructor(bytesMax: number, onWithheld: (rows: number) => void = () => {}) {
    this.#onWithheld = onWithheld;
    this.#kept = new LRUCache({
      maxSize: Math.max(1, bytesMax),
      sizeCalculation: ({ body, rows }) => ENTRY_BYTES + body.length + 8 * rows.length,
    });
  }

  /** @param key names the conversation and the query; a kept page is used only if its rows are the very same. */
  render(key: string, page: Page, view: View): Rendered {
    const viewKey = `${view} ${key}`;
    const kept = this.#kept.get(viewKey);
    if (kept !== undefined && isSamePage(kept, page)) return kept;
    const body = this.#bodyOf(page, view);
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    this.#kept.set(viewKey, { body, etag, rows: page.rows, envelope: page.envelope });
    return { body, etag };
  }

  #bodyOf(page: Page, view: View): Buffer {
    switch (view) {
      case 'agent':
        return joinBody(page.envelope, page.rows);
      case 'customer': {
        const { envelope, rows, withheld } = customerPage(page);
        if (withheld > 0) this.#onWithheld(withheld);
        return joinBody(envelope, rows);
      }
    }
  }

  /** Forgets every page. */
  clear(): void {
    this.#kept.clear();
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
