// From rows and envelope to body and ETag, as a view shows them. Pages that are asked for again are rendered once, and are kept
// no longer than what they were made of: erased words stand in them too.

import { LRUCache } from 'lru-cache';
import { joinBodySteps } from '../cache/join-body.ts';
import { extentTest, type Extent } from '../cache/extent.ts';
import { conversationKey } from '../cache/memory-store.ts';
import type { View } from '../clients/client.ts';
import { CUSTOMER_AT_ONCE_BYTES, customerPageSteps } from '../clients/view.ts';
import { atOnce, inTurns, STEP_BYTES, type Steps } from '../steps.ts';
import type { Envelope, Row } from '../timeline/reading.ts';
import { Readers } from '../upstream/readers.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import { CODINGS, type Coding } from './codings.ts';
import { etagSteps } from './entity-tags.ts';
import { RenderLine } from './render-line.ts';

/** A page as it is sent. */
export interface Representation {
  readonly body: Buffer;
  readonly etag: string;
  /** Null for plain bytes. */
  readonly coding: Coding | null;
}

export interface Rendered extends Representation {
  /** What it is kept by, where it is. */
  readonly key: string;
  /** The same in a coding; until it is, whether it was asked for in that, or tried to be made. */
  readonly coded: Partial<Record<Coding, Representation | 'asked' | 'tried'>>;
}

interface Page {
  readonly rows: readonly Row[];
  readonly envelope: Envelope;
  /** The bytes that these were cut from, where they are at hand. */
  readonly body?: Buffer | undefined;
}

interface Kept extends Rendered, Omit<Page, 'body'> {
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

/** The entry, and what it says of its codings. */
const ENTRY_BYTES = 500;

/** Who asks for a large page. */
export interface Asker {
  /** By whom turns are shared. */
  readonly reader: string;
  /** Whether it may still have the page, asked when its turn comes. */
  readonly mayHave: () => boolean;
}

interface UnderWay extends Page {
  readonly rendered: Promise<Rendered | null>;
  readonly askers: Asker[];
  readonly readers: Readers;
}

export class Renderer {
  readonly #kept: LRUCache<string, Kept>;
  /** The keys of kept pages by conversation. */
  readonly #keysOf = new Map<string, Set<string>>();
  /** Large pages that are being rendered. */
  readonly #underWay = new Map<string, UnderWay>();
  readonly #line = new RenderLine();
  readonly #onWithheld: (rows: number) => void;
  readonly #codedBytes: Record<Coding, number> = { br: 0, gzip: 0 };
  #forgets = 0;

  /**
   * @param bytesMax what rendered pages may hold beside the rows they are made of.
   * @param onWithheld is told of internal rows that the internal filter let through and the customer view left out.
   */
  constructor(bytesMax: number, onWithheld: (rows: number) => void = () => {}) {
    this.#onWithheld = onWithheld;
    this.#kept = new LRUCache({
      maxSize: Math.max(1, bytesMax),
      sizeCalculation: bytesOf,
      dispose: (page) => this.#dropped(page),
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
    return this.kept(subject, page) ?? atOnce(this.#steps(subject, page));
  }

  /** The same, but null for a large page that is not kept. */
  renderNow(subject: Subject, page: Page): Rendered | null {
    return isLarge(page, subject.view) ? (this.kept(subject, page) ?? null) : this.render(subject, page);
  }

  /**
   * The same, a large page in several turns of the event loop, once for all who ask for it meanwhile, and one page after the other:
   * those that wait hold no body.
   * @returns null where by its turn none of those who asked for it may have it
   */
  renderInTurns(subject: Subject, page: Page, asker: Asker): Rendered | Promise<Rendered | null> {
    const now = this.renderNow(subject, page);
    if (now !== null) return now;
    const key = keyOf(subject);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined && isSamePage(underWay, page)) {
      underWay.askers.push(asker);
      underWay.readers.join(asker.reader);
      return underWay.rendered;
    }
    const [askers, readers] = [[asker], new Readers(asker.reader)];
    const rendered = this.#line
      .run(readers, async () => (askers.some(({ mayHave }) => mayHave()) ? inTurns(this.#steps(subject, page)) : null))
      .finally(() => {
        if (this.#underWay.get(key)?.rendered === rendered) this.#underWay.delete(key);
      });
    this.#underWay.set(key, { rows: page.rows, envelope: page.envelope, rendered, askers, readers });
    return rendered;
  }

  *#steps(subject: Subject, page: Page): Steps<Rendered> {
    const { conversation, view, forgets } = subject;
    const { rows, envelope } = page;
    const body = yield* this.#bodyOf(page, view);
    const etag = yield* etagSteps(body);
    const of = conversationKey(conversation);
    const rendered: Kept = { key: keyOf(subject), of, rows, envelope, body, etag, coding: null, coded: {} };
    if (forgets === this.#forgets) this.#keep(rendered);
    return rendered;
  }

  /** Whether this very page is kept. What was forgotten never is again: it is rendered anew. */
  holds(page: Rendered): boolean {
    return this.#find(page) !== undefined;
  }

  /** Keeps a page in a coding too, as long as the page itself is kept. @returns whether it is */
  keepCoded(page: Rendered, coding: Coding, coded: Representation): boolean {
    const kept = this.#find(page);
    if (kept === undefined || bytesOf(kept) + coded.body.length > this.#kept.maxSize) return false;
    // Its size is taken anew only of one that was not there.
    this.#kept.delete(kept.key);
    kept.coded[coding] = coded;
    this.#keep(kept);
    return true;
  }

  #find(page: Rendered): Kept | undefined {
    const kept = this.#kept.peek(page.key);
    return kept === page ? kept : undefined;
  }

  #keep(page: Kept): void {
    const { key, of } = page;
    this.#kept.set(key, page);
    if (!this.#kept.has(key)) return; // Larger than all that may be kept.
    const keys = this.#keysOf.get(of);
    if (keys === undefined) this.#keysOf.set(of, new Set([key]));
    else keys.add(key);
    this.#countCoded(page, 1);
  }

  #dropped(page: Kept): void {
    const { key, of } = page;
    const keys = this.#keysOf.get(of);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOf.delete(of);
    this.#countCoded(page, -1);
  }

  #countCoded(page: Kept, change: 1 | -1): void {
    for (const coding of CODINGS) this.#codedBytes[coding] += change * codedBytesOf(page, coding);
  }

  *#bodyOf(page: Page, view: View): Steps<Buffer> {
    switch (view) {
      case 'agent':
        return page.body ?? (yield* joinBodySteps(page.envelope, page.rows));
      case 'customer': {
        const { envelope, rows, withheld } = yield* customerPageSteps(page);
        if (withheld > 0) this.#onWithheld(withheld);
        return yield* joinBodySteps(envelope, rows);
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

  /** What of it pages in this coding hold. */
  codedBytes(coding: Coding): number {
    return this.#codedBytes[coding];
  }
}

function bytesOf(page: Kept): number {
  const coded = CODINGS.reduce((sum, coding) => sum + codedBytesOf(page, coding), 0);
  return ENTRY_BYTES + page.body.length + 8 * page.rows.length + coded;
}

function codedBytesOf({ coded }: Rendered, coding: Coding): number {
  const kept = coded[coding];
  return typeof kept === 'object' ? kept.body.length : 0;
}

/** The bytes of what a page is made of. */
export function sizeOf({ rows, envelope }: Page): number {
  let bytes = envelope.head.length + envelope.tail.length;
  for (const { raw } of rows) bytes += raw.length;
  return bytes;
}

function isLarge(page: Page, view: View): boolean {
  return sizeOf(page) > (view === 'customer' ? CUSTOMER_AT_ONCE_BYTES : STEP_BYTES);
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
