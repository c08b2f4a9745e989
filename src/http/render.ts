// From rows and envelope to body and ETag, as a view shows them. Pages that are asked for again are rendered once, and are kept
// no longer than what they were made of: erased words stand in them too.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { joinBody } from '../cache/join-body.ts';
import { extentTest, type Extent } from '../cache/library.ts';
import { conversationKey } from '../cache/memory-store.ts';
import type { View } from '../clients/client.ts';
import { customerPage } from '../clients/view.ts';
import type { Envelope, Row } from '../timeline/reading.ts';
import type { ConversationId } from '../upstream/upstream.ts';

export interface Rendered {
  readonly body: Buffer;
  /** Strong: the SHA-256 of the body (RFC 9110 8.8.1). */
  readonly etag: string;
}

interface Page {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
}

interface Kept extends Rendered, Page {
  /** The key of its conversation. */
  readonly of: string;
}

/** Which page of which conversation. */
export interface PageName {
  readonly conversation: ConversationId;
  /** Names the query. */
  readonly query: string;
  readonly view: View;
  /** All of the above in one, where it has been made before. */
  readonly key?: string;
}

/** What a page shows. */
export interface Subject extends PageName {
  /** `Renderer.forgets` as it was before the page was made: what was forgotten since may be in it. */
  readonly forgets: number;
}

const ENTRY_BYTES = 500;

export class Renderer {
  readonly #kept: LRUCache<string, Kept>;
  /** The keys of kept pages by conversation. */
  readonly #keysOf = new Map<string, Set<string>>();
  readonly #onWithheld: (rows: number) => void;
  #forgets = 0;

  /**
   * @param bytesMax what rendered pages may hold beside the rows they are made of.
   * @param onWithheld is told of internal rows that the internal filter let through and the customer view left out.
   */
  constructor(bytesMax: number, onWithheld: (rows: number) => void = () => {}) {
    this.#onWithheld = onWithheld;
    this.#kept = new LRUCache({
      maxSize: Math.max(1, bytesMax),
      sizeCalculation: ({ body, rows }) => ENTRY_BYTES + body.length + 8 * rows.length,
      dispose: ({ of }, key, reason) => {
        if (reason === 'set') return;
        const keys = this.#keysOf.get(of);
        keys?.delete(key);
        if (keys?.size === 0) this.#keysOf.delete(of);
      },
    });
  }

  /** How often something was forgotten. Ask before what a page is made of. */
  get forgets(): number {
    return this.#forgets;
  }

  /** What was rendered before, if it was this very page. */
  kept(name: PageName, page: Page): Rendered | undefined {
    const kept = this.#kept.get(keyOf(name));
    return kept !== undefined && isSamePage(kept, page) ? kept : undefined;
  }

  /** A kept page is used only if its rows are the very same. */
  render(subject: Subject, page: Page): Rendered {
    const kept = this.kept(subject, page);
    if (kept !== undefined) return kept;
    const { conversation, view, forgets } = subject;
    const of = conversationKey(conversation);
    const body = this.#bodyOf(page, view);
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    if (forgets === this.#forgets) this.#keep(keyOf(subject), { of, body, etag, rows: page.rows, envelope: page.envelope });
    return { body, etag };
  }

  #keep(key: string, page: Kept): void {
    this.#kept.set(key, page);
    if (!this.#kept.has(key)) return; // Larger than all that may be kept.
    const keys = this.#keysOf.get(page.of);
    if (keys === undefined) this.#keysOf.set(page.of, new Set([key]));
    else keys.add(key);
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

  /** Forgets every page of these conversations, and keeps none that is being made. */
  forget(extent: Extent): void {
    this.#forgets++;
    const { accountId, conversationId } = extent;
    const conversations =
      accountId === undefined || conversationId === undefined
        ? [...this.#keysOf.keys()].filter(extentTest(extent))
        : [conversationKey({ accountId, conversationId })];
    for (const of of conversations) {
      for (const key of this.#keysOf.get(of) ?? []) this.#kept.delete(key);
    }
  }

  get bytes(): number {
    return this.#kept.calculatedSize;
  }
}

function keyOf({ conversation, view, query, key }: PageName): string {
  return key ?? `${conversationKey(conversation)} ${view} ${query}`;
}

/** The same page, under which it is found at once. */
export function withKey(name: PageName): PageName {
  return { ...name, key: keyOf(name) };
}

/** Rows and envelopes are immutable, so the same objects are the same bytes. */
function isSamePage(a: Page, b: Page): boolean {
  if (a.rows === b.rows && a.envelope === b.envelope) return true;
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
