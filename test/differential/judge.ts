// Judges one answer by the set of answers that Chatwoot could have given at any moment within the promised ages. Pure.
//
// What is promised (design: promises, proof, freshness), and what is free:
//
//   rows       Each is one that the conversation had, in its very bytes, at a moment within the age of its part: HISTORY_TIMES ×
//              HISTORY_MAX_AGE; on the newest page a tenth of its own age, within bounds, or TAIL_MAX_AGE where it is not settled.
//   page       It is the finder's over those rows and all others that have been there for TAIL_MAX_AGE: membership, order, limit.
//              Rows of one microsecond are free in order, and in which of them make the cut. Younger rows may be missing; so may
//              those that are younger than a second, below another row, and back-dated ones for META_MAX_AGE on a full page of the oldest rows, if the last one is older than SETTLE.
//   meta       META_MAX_AGE on the newest page, META_TIMES as much elsewhere.
//   as of now  `no-cache`: the newest page, and every other that is not wholly settled, rows and meta, from after the request; with
//              leave to bypass, everything.
//   Age        Nothing is older than it says.
//   errors     Only while something is wrong with Chatwoot, and so is an answer past its age, by STALE_IF_ERROR at most.
//              404 only where the conversation was not there within MISSING_REMEMBERED_MS. Never a 500.
//
// Excused, and counted: what no evidence can rule out. A row committed late underneath a back-dated one of its conversation, and
// one whose id is below ids that were given out before it, may be missing for as long as the design allows.

import type { FinderParams } from '../support/fake-chatwoot/finder.ts';
import { FINDER_LIMIT } from '../support/fake-chatwoot/finder.ts';
import type { KnownVersion, Life, Past } from './past.ts';
import type { Promises } from './promises.ts';
import { HISTORY_TIMES, LATE_MS, META_TIMES, MISSING_REMEMBERED_MS } from './promises.ts';

export type View = 'agent' | 'customer';

/** What was asked, and what came. Times in ms of the clock that pasts are told in. */
export interface Observation {
  readonly sentAt: number;
  readonly receivedAt: number;
  /** As the view asks it: a customer's has `publicOnly`. */
  readonly query: FinderParams;
  readonly view: View;
  readonly demand: 'whatever is fresh' | 'as of now' | 'bypass';
  /** False where the caller's credential does not cover the conversation. */
  readonly inScope: boolean;
  readonly status: number;
  /** Of an error. */
  readonly code: string | undefined;
  readonly isStale: boolean;
  /** The `Age` header, seconds. */
  readonly ageS: number | undefined;
  /** The JSON of meta and rows; undefined where no page came, or where it is not known which one a HEAD stands for. */
  readonly page: { readonly meta: string; readonly rows: readonly string[] } | undefined;
}

export interface Circumstances {
  readonly past: Past;
  readonly promises: Promises;
  /** Whether something was wrong with Chatwoot at some moment from `from` to `until`, the time to recover from it included. */
  readonly wasTroubled: (from: number, until: number) => boolean;
}

export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'excused'; readonly why: 'under a back-dated row' | 'below ids given out before' | 'the machine was late' }
  | { readonly kind: 'wrong'; readonly why: string };

const RIGHT: Verdict = { kind: 'right' };

/** The clocks of two processes round differently. */
const SLACK_MS = 20;

const TROUBLE_CODES: ReadonlySet<string> = new Set([
  'upstream_error',
  'upstream_unreachable',
  'upstream_redirect',
  'upstream_invalid',
  'upstream_busy',
  'upstream_timeout',
]);

export function judge(seen: Observation, circumstances: Circumstances): Verdict {
  const { status, inScope, isStale, page, sentAt, receivedAt } = seen;
  const { wasTroubled } = circumstances;
  if (!inScope && status !== 404) return wrong(`${status} for a conversation outside the caller's scope`);
  if (status === 404) return judgeMissing(seen, circumstances);
  if (status !== 200 && status !== 304) {
    if (seen.code === 'overloaded') return { kind: 'excused', why: 'the machine was late' };
    if (!TROUBLE_CODES.has(seen.code ?? '')) return wrong(`status ${status}, code ${seen.code}`);
    return wasTroubled(sentAt, receivedAt) ? RIGHT : wrong(`${seen.code} while nothing was wrong with Chatwoot`);
  }
  if (isStale && seen.demand === 'bypass') return wrong('stale for a caller that bypasses the cache');
  if (isStale && !wasTroubled(sentAt, receivedAt)) return wrong('stale while nothing was wrong with Chatwoot');
  return page === undefined ? RIGHT : judgePage(seen, page, circumstances);
}

function judgeMissing({ code, inScope, sentAt, receivedAt, demand }: Observation, { past }: Circumstances): Verdict {
  if (code !== 'not_found') return wrong(`404 with code ${code}`);
  if (!inScope) return RIGHT;
  const from = demand === 'whatever is fresh' ? sentAt - MISSING_REMEMBERED_MS - SLACK_MS : sentAt;
  const wasThere = past.existed.some((span) => span.from <= from && span.until > receivedAt);
  return wasThere ? wrong('404 for a conversation that was there') : RIGHT;
}

function judgePage(seen: Observation, page: NonNullable<Observation['page']>, { past, promises }: Circumstances): Verdict {
  const { query, view } = seen;
  const highestBackDated = past.lives.reduce((max, { id, backDated }) => (backDated ? Math.max(max, id) : max), -1);
  const isNewest = isNewestPage(query, past);
  const isBelowOthers = query.before !== undefined && past.lives.some(({ id }) => id >= query.before!);
  const endsInHistory = isFullOfOldHistory(seen, page, past, promises);
  const reachesTail = isNewest || (!endsInHistory && holdsYoung(seen, past, { highestBackDated, settleMs: promises.settleMs }));
  const ages = agesOf(seen, { isNewest, isBelowOthers, reachesTail, endsInHistory, highestBackDated }, promises);

  if (!past.metas.some((version) => version[view] === page.meta)) return wrong('its meta was never said');
  if (!past.metas.some((version) => version[view] === page.meta && version.until > ages.metaFrom))
    return wrong(
      `its meta is too old, by ${lateBy(
        past.metas.filter((version) => version[view] === page.meta),
        ages.metaFrom,
      )} ms`,
    );

  const shown: KnownVersion[] = [];
  for (const [at, text] of page.rows.entries()) {
    const known = past.find(view, text);
    if (known === undefined) return wrong(`row ${at} was never said of this conversation: ${text.slice(0, 120)}`);
    const from = ages.rowFrom(known.life);
    if (known.version.until <= from)
      return wrong(
        `row ${known.life.id} is too old, by ${(from - known.version.until).toFixed(0)} ms of ${(seen.sentAt - from).toFixed(0)}`,
      );
    shown.push(known);
  }

  const lives = shown.map(({ life }) => life);
  const onPage = new Set(lives);
  const there = past.lives.filter(
    (life) => !onPage.has(life) && life.from <= ages.presentFrom(life) && life.until > seen.receivedAt,
  );
  const why = whyNotTheFinders(lives, there, query);
  if (why === null) return RIGHT;
  // Only what is missing may be excused.
  const isUnder = ({ id, handedOutAt }: Life): boolean =>
    id < highestBackDated && seen.sentAt - handedOutAt <= HEALED_AFTER_SETTLES * promises.settleMs + SLACK_MS;
  if (
    whyNotTheFinders(
      lives,
      there.filter((life) => !isUnder(life)),
      query,
    ) === null
  )
    return { kind: 'excused', why: 'under a back-dated row' };
  const isBelow = ({ belated, from }: Life): boolean => belated && seen.sentAt - from <= ages.belatedForMs;
  if (
    whyNotTheFinders(
      lives,
      there.filter((life) => !isUnder(life) && !isBelow(life)),
      query,
    ) === null
  )
    return { kind: 'excused', why: 'below ids given out before' };
  return wrong(why);
}

/**
 * What rests on a back-dated row is believed for SETTLE, by when an id given out within SETTLE before is 2 × SETTLE old. That ids
 * are out of step is heard of within SETTLE of a turn that is at most SETTLE away; not at all where ids have passed the old ones
 * by then, and then a range is believed to be whole for as long as history is shown.
 */
const HEALED_AFTER_SETTLES = 2;

interface Ages {
  /** A version of meta must have stood at this moment or later. */
  readonly metaFrom: number;
  readonly rowFrom: (life: Life) => number;
  /** If it was there from this moment on, it may not be missing. */
  readonly presentFrom: (life: Life) => number;
  /** A row below ids given out before may be missing for so long, ms. */
  readonly belatedForMs: number;
}

interface Kind {
  readonly isNewest: boolean;
  /** It ends below a row that may be known. */
  readonly isBelowOthers: boolean;
  /** Surely not settled as a whole. */
  readonly reachesTail: boolean;
  readonly endsInHistory: boolean;
  readonly highestBackDated: number;
}

function agesOf(
  seen: Observation,
  { isNewest, isBelowOthers, reachesTail, endsInHistory, highestBackDated }: Kind,
  promises: Promises,
): Ages {
  const { sentAt, receivedAt, ageS } = seen;
  const { tailMaxAgeMs, metaMaxAgeMs, historyMaxAgeMs, settleMs, staleIfErrorMs } = promises;
  const extraMs = seen.isStale ? staleIfErrorMs : 0;
  const bypass = seen.demand === 'bypass';
  const asOfNow = (bypass || (seen.demand === 'as of now' && reachesTail)) && !seen.isStale;
  const told = ageS === undefined ? -Infinity : sentAt - (ageS + 1) * 1000;
  const since = (ageMs: number): number => Math.max(sentAt - ageMs - extraMs, told) - SLACK_MS;
  const historyMs = HISTORY_TIMES * historyMaxAgeMs;
  const soonMs = isBelowOthers ? Math.max(tailMaxAgeMs, LATE_MS) : tailMaxAgeMs;
  const rowAgeMs = (life: Life): number => {
    if (bypass || (asOfNow && isNewest)) return 0;
    if (!isNewest) return historyMs;
    // Only rows that are back-dated, or ids that run ahead, can make it seem to be settled.
    const isYoung = receivedAt - life.handedOutAt < settleMs && !life.belated && life.id > highestBackDated;
    if (isYoung) return tailMaxAgeMs;
    return Math.min(Math.max(META_TIMES * metaMaxAgeMs, (receivedAt - life.createdAtUs / 1000) / 10), historyMaxAgeMs);
  };
  return {
    metaFrom: since(asOfNow ? 0 : isNewest ? metaMaxAgeMs : META_TIMES * metaMaxAgeMs),
    rowFrom: (life) => since(rowAgeMs(life)),
    presentFrom: ({ backDated }) => since(asOfNow ? 0 : endsInHistory && backDated ? metaMaxAgeMs : soonMs),
    // Of each conversation that is polled, the newest page is read as it was asked once in SETTLE: what shows that ids are out of
    // step. For those who want it as of now it is read so each time.
    belatedForMs:
      asOfNow && isNewest ? 0 : Math.max(HEALED_AFTER_SETTLES * settleMs + tailMaxAgeMs, isNewest ? 0 : historyMs) + extraMs,
  };
}

/** True where the query reaches beyond every id that can be known of the conversation. */
function isNewestPage({ before, after }: FinderParams, { lives }: Past): boolean {
  return after === undefined && (before === undefined || lives.every(({ id }) => id < before));
}

/** True for as many of the oldest rows as the finder takes, where whatever is written on time from SETTLE ago on comes after them. */
function isFullOfOldHistory(
  { query, view, receivedAt }: Observation,
  { rows }: NonNullable<Observation['page']>,
  past: Past,
  { settleMs }: Promises,
): boolean {
  const last = rows.at(-1);
  if (query.after === undefined || last === undefined || rows.length < limitOf(query)) return false;
  const edge = past.find(view, last)?.life;
  return edge !== undefined && edge.createdAtUs / 1000 <= receivedAt - settleMs;
}

/** True where an id of the query's range was surely not settled by then, or the range has no end. */
function holdsYoung(
  { query, receivedAt }: Observation,
  { lives }: Past,
  { highestBackDated, settleMs }: { readonly highestBackDated: number; readonly settleMs: number },
): boolean {
  if (query.before === undefined) return true;
  return lives.some(
    (life) => matches(life, query) && receivedAt - life.handedOutAt < settleMs && !life.belated && life.id > highestBackDated,
  );
}

/** Null where `page` may be what the finder returns over its own rows and `others`; else what is wrong with it. */
function whyNotTheFinders(page: readonly Life[], others: readonly Life[], query: FinderParams): string | null {
  const strange = page.find((life) => !matches(life, query));
  if (strange !== undefined) return `row ${strange.id} does not belong on this page`;
  if (new Set(page.map(({ id }) => id)).size < page.length) return 'a row stands twice';
  for (const [at, life] of page.entries()) {
    const previous = page[at - 1];
    if (previous !== undefined && previous.createdAtUs > life.createdAtUs)
      return `rows ${previous.id} and ${life.id} stand in the wrong order`;
  }
  const takesNewest = query.after === undefined;
  const limit = limitOf(query);
  if (page.length > limit) return `${page.length} rows, where the limit is ${limit}`;
  const edge = page.length < limit ? undefined : takesNewest ? page[0] : page.at(-1);
  const isBeyond = (life: Life): boolean =>
    edge !== undefined && (takesNewest ? life.createdAtUs <= edge.createdAtUs : life.createdAtUs >= edge.createdAtUs);
  const missing = others.filter((life) => matches(life, query) && !isBeyond(life)).map(({ id }) => id);
  return missing.length === 0
    ? null
    : `missing: ${missing.slice(0, 20).join(' ')}${missing.length > 20 ? ` and ${missing.length - 20} more` : ''}`;
}

function limitOf({ before, after }: FinderParams): number {
  if (after === undefined) return FINDER_LIMIT.newest;
  return before === undefined ? FINDER_LIMIT.after : FINDER_LIMIT.between;
}

function matches({ id, internal }: Life, { before = Infinity, after, publicOnly = false }: FinderParams): boolean {
  const low = after === undefined ? -Infinity : before === Infinity ? after + 1 : after;
  return id >= low && id < before && !(publicOnly && internal);
}

function lateBy(versions: readonly { readonly until: number }[], from: number): string {
  return (from - Math.max(...versions.map(({ until }) => until))).toFixed(0);
}

function wrong(why: string): Verdict {
  return { kind: 'wrong', why };
}
