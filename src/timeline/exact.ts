// The exact mode: a page answers only the very query that it was read for. For forks whose finder orders differently, and
// for conversations whose readings contradict each other.

import { lastDueAt, NOTHING_DUE, rowDueAt } from './changes.ts';
import { apparentFrontier, MANY_ROWS } from './frontier.ts';
import type { LearnContext } from './learn.ts';
import type { Proof, ProveContext, Gap } from './prove.ts';
import { fedLifetime, metaLifetime, statementLifetime } from './freshness.ts';
import type { Query } from './query.ts';
import { idRange, queryKey } from './query.ts';
import type { Reading, Row } from './reading.ts';
import type { Standing } from './statement.ts';
import type { KnownEnvelope } from './timeline.ts';

interface ExactPage {
  readonly rows: readonly Row[];
  readonly askedAt: number;
  /** Whether its ids were settled when it was read: then no new message belongs on it. */
  readonly standing: Standing;
  readonly rawBytes: number;
}

/** Pages of one conversation by query, the most recently read last. An immutable value. */
export interface ExactPages {
  readonly pages: ReadonlyMap<string, ExactPage>;
  readonly envelope: KnownEnvelope | null;
  readonly rawBytes: number;
}

/** Callers choose cursors freely, so a conversation keeps no more pages than this; the one read longest ago goes first. */
export const EXACT_PAGES_MAX = 64;

export const NO_PAGES: ExactPages = { pages: new Map(), envelope: null, rawBytes: 0 };

export function learnExact(known: ExactPages, reading: Reading, context: LearnContext): ExactPages {
  const { query, rows, askedAt } = reading;
  const key = queryKey(query);
  const pages = new Map(known.pages);
  const earlier = pages.get(key);
  if (earlier === undefined || earlier.askedAt <= askedAt) {
    const { hi } = idRange(query);
    const isBelow = (witnesses: number): boolean =>
      hi <= apparentFrontier({ rows, gone: [], late: new Set() }, askedAt, context.settleMs, witnesses);
    const isDurable = hi <= context.vouched || isBelow(MANY_ROWS);
    const standing = isDurable ? 'durable' : isBelow(1) ? 'settling' : 'transient';
    const rawBytes = rows.reduce((sum, row) => sum + row.raw.length, 0);
    pages.delete(key);
    pages.set(key, { rows, askedAt, standing, rawBytes });
  }
  for (const oldest of pages.keys()) {
    if (pages.size <= EXACT_PAGES_MAX) break;
    pages.delete(oldest);
  }
  const newest = known.envelope === null || known.envelope.askedAt <= askedAt;
  const envelope = newest ? { ...reading.envelope, askedAt } : known.envelope;
  const pageBytes = [...pages.values()].reduce((sum, page) => sum + page.rawBytes, 0);
  return { pages, envelope, rawBytes: pageBytes + envelope.head.length + envelope.tail.length };
}

export function proveExact(known: ExactPages, query: Query, context: ProveContext): Proof | Gap {
  const gap: Gap = { proved: false, lacks: 'rows' };
  const page = known.pages.get(queryKey(query));
  if (page === undefined || known.envelope === null) return gap;
  const { now, freshness, cameAt = now, asOf = -Infinity, due = NOTHING_DUE, fedSince } = context;
  const extraMs = context.stale === true ? freshness.staleIfErrorMs : 0;
  const isTail = page.standing === 'transient';
  const ownLife = statementLifetime(freshness, page.standing);
  const pageLife = isTail ? fedLifetime(freshness, ownLife, page.askedAt, fedSince) : ownLife;
  const metaLife = fedLifetime(freshness, metaLifetime(freshness, isTail), known.envelope.askedAt, fedSince);
  const pageAge = (isTail ? cameAt : now) - page.askedAt;
  const metaAge = now - known.envelope.askedAt;
  if (pageAge > pageLife.usableMs + extraMs || metaAge > metaLife.usableMs + extraMs) return gap;
  if (isTail && Math.min(known.envelope.askedAt, page.askedAt) < asOf) return gap;
  const pageDueAt = Math.max(isTail ? due.tailAt : -Infinity, ...page.rows.map((row) => rowDueAt(due, row, page.askedAt)));
  const isDue = (askedAt: number, dueAt: number): boolean => askedAt < Math.min(dueAt, cameAt);
  const anyIsDue = isDue(page.askedAt, pageDueAt) || isDue(known.envelope.askedAt, due.envelopeAt);
  if (anyIsDue && context.stale !== true) return gap;
  return {
    proved: true,
    rows: page.rows,
    envelope: known.envelope,
    asOf: Math.min(page.askedAt, known.envelope.askedAt),
    freshUntil: Math.min(
      page.askedAt + pageLife.freshMs,
      known.envelope.askedAt + metaLife.freshMs,
      anyIsDue ? lastDueAt(due) : Infinity,
    ),
    usesTail: isTail,
    refresh: { history: pageAge > pageLife.freshMs, meta: metaAge > metaLife.freshMs },
  };
}

const PAGE_OVERHEAD_BYTES = 300;
const ROW_OVERHEAD_BYTES = 100;

/** About what the pages hold of memory, in bytes. */
export function exactMemoryBytes(known: ExactPages): number {
  let rows = 0;
  for (const page of known.pages.values()) rows += page.rows.length;
  return known.rawBytes + known.pages.size * PAGE_OVERHEAD_BYTES + rows * ROW_OVERHEAD_BYTES;
}
