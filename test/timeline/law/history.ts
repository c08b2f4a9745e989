// One random history: writes, reads, time, evictions and restarts, told by a string of bytes (so that fast-check can
// shrink it), with the law checked at every step: whenever `prove` answers, the model answers the same.
//
// Excepted, as the promises have it: a row may be missing while it is younger than TAIL_MAX_AGE, or than a second below a known one; a
// back-dated one on a full page of the oldest rows that are all older than SETTLE while it is younger than META_MAX_AGE; a row that was deleted or edited without a
// word may live on for HISTORY_MAX_AGE (twice that while it is refreshed behind).

import type { compareAnswers } from '../../../src/timeline/compare.ts';
import type { Freshness } from '../../../src/timeline/freshness.ts';
import type { vouchedFrontier } from '../../../src/timeline/frontier.ts';
import type { learn } from '../../../src/timeline/learn.ts';
import type { prove } from '../../../src/timeline/prove.ts';
import type { Query } from '../../../src/timeline/query.ts';
import { idRange, takesNewest } from '../../../src/timeline/query.ts';
import type { Reading, Row } from '../../../src/timeline/reading.ts';
import type { sawRows, Sequence } from '../../../src/timeline/sequence.ts';
import type { Timeline } from '../../../src/timeline/timeline.ts';
import type { ModelRow } from './model.ts';
import { find, isVisible, matches, whyNotPermitted } from './model.ts';

/** The functions under test; mutation tests hand in broken ones. */
export interface Subject {
  readonly prove: typeof prove;
  readonly learn: typeof learn;
  readonly sawRows: typeof sawRows;
  readonly vouchedFrontier: typeof vouchedFrontier;
  readonly NOTHING_SEEN: Sequence;
  readonly compareAnswers: typeof compareAnswers;
  readonly EMPTY_TIMELINE: Timeline;
  readonly PAGE_LIMIT: Record<Query['mode'], number>;
}

export interface Rules {
  /**
   * Whether rows may carry a created_at from before they were written. `guarded`: by more than a second only, and each right
   * after a plain public row, which shows it up where it is read.
   */
  readonly backDating: boolean | 'guarded';
  /** Whether ids may be handed out before their rows are committed. */
  readonly lateCommits: boolean;
  /** Shortest time from an id's handing out to its late commit, ms. */
  readonly commitDelayMinMs: number;
  /** Longest time from an id's handing out to its commit, ms. Beyond `settleMs` the law may break until it is healed. */
  readonly commitDelayMaxMs: number;
  readonly freshness: Freshness;
  /** Who answers need not have learnt all that was read: others did, and told of it late or never. */
  readonly readByOthers?: boolean;
  /**
   * How histories begin, beside rows of all ages. `under-back-dated`: a late row, then a back-dated one, and what shows both
   * is read. `under-vouched`: a late row, then SETTLE goes by, and what does not show it is read. `overtaken`: a reading from
   * before a deletion is learnt after one from after it. `imports`: under a late row, many old rows are imported and read in
   * the middle of a walk, twice. `restored`, `stray`: what is known is vouched for, then ids begin again further down, or a row
   * has one far above all others; so once more now and then. Default: in no special way.
   */
  readonly opening?: 'under-back-dated' | 'under-vouched' | 'overtaken' | 'imports' | 'restored' | 'stray' | undefined;
}

/** Small pages, so that short histories fill them. */
export const SMALL_LIMITS = { latest: 3, before: 3, after: 4, between: 5 } as const;

export const FRESHNESS: Freshness = {
  tailMaxAgeMs: 1_000,
  metaMaxAgeMs: 10_000,
  historyMaxAgeMs: 900_000,
  staleIfErrorMs: 3_600_000,
  settleMs: 120_000,
};

export interface Tally {
  proofs: number;
  /** Proofs of a full page, of a short one, of one that reached into the tail. */
  full: number;
  history: number;
  contradictions: number;
  /** How often ids were found not to rise, and rows of answers whose places others took in what upstream said next. */
  refutations: number;
  traded: number;
  /** Wrong answers that the excuse covers. */
  excused: number;
}

export const NO_TALLY: Tally = {
  proofs: 0,
  full: 0,
  history: 0,
  contradictions: 0,
  refutations: 0,
  traded: 0,
  excused: 0,
};

/** True for a row that may be missing from an answer for another reason than the promises; such answers are counted. */
export type Excuse = (row: ModelRow, world: World) => boolean;

/**
 * What no evidence can rule out (frontier.ts): the row was handed out within the last SETTLE, under the id of a row that is
 * back-dated and so seemed to be older than SETTLE.
 */
export const underBackDated: Excuse = (row, { now, backDated }) => isUnder(backDated, row, now);

/** The same, but only where no reading has shown what would show the back-dated row up, as far as it has not been forgotten. */
export const underHidden: Excuse = (row, world) => {
  const hidden = world.rows.filter((other) => world.backDated.has(other.id) && !world.isShownUp(other));
  return isUnder(new Set(hidden.map(({ id }) => id)), row, world.now);
};

function isUnder(ids: ReadonlySet<number>, row: ModelRow, now: number): boolean {
  return now - row.versions[0]! <= 2 * FRESHNESS.settleMs && [...ids].some((id) => id > row.id);
}

/** A row that was committed later than SETTLE: until a reading shows it, all is forgotten, or what says otherwise is too old. */
export const beyondSettle: Excuse = (row, world) => {
  const { committedAt } = row;
  if (committedAt === null || committedAt - row.versions[0]! <= FRESHNESS.settleMs || world.wasShown(row)) return false;
  return committedAt > world.knownSince && world.now - committedAt <= 2 * FRESHNESS.historyMaxAgeMs;
};

/**
 * A row whose id was handed out after a higher one: until a row that is SETTLE younger than a sight of a higher id is read.
 * Then all is forgotten, and the law is in force again.
 */
export const belowOthers: Excuse = (row, world) => {
  const writtenAt = row.versions[0]!;
  const isLong = world.now - writtenAt > 2 * FRESHNESS.historyMaxAgeMs;
  return row.isBelowOthers && !isLong && !world.wasShown(row) && world.refutedAt < row.committedAt!;
};

export class LawBroken extends Error {}

/** Plain, back-dated, in the second before, in the microsecond before, committed late. */
const WRITES = [0, 1, 2, 3, 4, 4, 2, 0];
const START_MS = 1_800_000_000_000;
const WAITS_MS = [0, 1, 300, 900, 1_100, 5_000, 31_000, 90_000, 125_000, 300_000, 700_000, 1_000_000, 2_000_000];
const BACKDATED_MS = [1_000, 3_000, 60_000, 180_000, 3_600_000, 86_400_000];

/** For so long a row may be missing that was committed after one with a higher id. */
const LATE_MS = 1_000;

/** The state of one history. */
export class World {
  readonly rows: ModelRow[] = [];
  now = START_MS;
  timeline: Timeline;
  readonly tally: Tally = { ...NO_TALLY };
  readonly #subject: Subject;
  readonly #rules: Rules;
  readonly #excuse: Excuse;
  #sequence: Sequence;
  #nextId = 100;
  #highestId = 0;
  /** Breaks of the sequence that may still show. */
  #breaks = 0;
  #wasBroken = false;
  /** When ids were read first, in order of time. */
  readonly #sights: { readonly id: number; readonly at: number }[] = [];
  #clockOffsetMs = 0;
  #lastUs = 0;
  #open: { row: ModelRow; due: number }[] = [];
  #pending: Reading[] = [];

  constructor(subject: Subject, rules: Rules, excuse: Excuse = () => false) {
    this.#subject = subject;
    this.#rules = rules;
    this.#excuse = excuse;
    this.timeline = subject.EMPTY_TIMELINE;
    this.#sequence = subject.NOTHING_SEEN;
  }

  /** Rows whose created_at lies before that of a lower id of this conversation, or far before they were written. */
  backDated = new Set<number>();
  /** When a row was last read whose id surely was handed out below one that had been seen, ms. */
  refutedAt = -Infinity;
  /** All that is known was read at this moment or later, ms. */
  knownSince = START_MS;
  /** Rows that readings have shown, and rows that they have shown to be gone, as far as it has not been forgotten. */
  readonly #shown = new Set<ModelRow>();
  readonly #gone = new Set<ModelRow>();

  /** True if a reading has shown the row, and that has not been forgotten. */
  wasShown(row: ModelRow): boolean {
    return this.#shown.has(row);
  }

  /** True if a reading has shown a row of a lower id and a later second, and that has not been forgotten. */
  isShownUp({ id, us }: ModelRow): boolean {
    return [...this.#shown].some((other) => other.id < id && Math.floor(other.us / 1e6) > Math.floor(us / 1e6));
  }

  write(wanted: number, argument: number): void {
    const kind = this.#permitted(wanted);
    if (kind === 1 && this.#rules.backDating === 'guarded') this.write(0, 0);
    const id = this.#nextId++;
    const row = this.#add(id, this.#createdAt(id, kind, argument), argument % 4 === 1);
    const { commitDelayMinMs, commitDelayMaxMs } = this.#rules;
    if (kind === 4)
      this.#open.push({ row, due: this.now + commitDelayMinMs + ((argument * 7919) % (commitDelayMaxMs - commitDelayMinMs)) });
    else row.committedAt = this.now;
  }

  #add(id: number, us: number, internal: boolean): ModelRow {
    const isBelowOthers = id <= this.#highestId;
    this.#highestId = Math.max(this.#highestId, id);
    const row: ModelRow = { id, us, internal, isBelowOthers, committedAt: null, deletedAt: null, versions: [this.now] };
    this.rows.push(row);
    return row;
  }

  /** Old rows under fresh ids, as imports write them. */
  importRows(count: number, ageMs: number): void {
    const from = Math.floor((this.now - ageMs) / 1000);
    for (let n = 0; n < count; n++) {
      this.backDated.add(this.#nextId);
      const row = this.#add(this.#nextId++, (from + n) * 1e6, false);
      row.imported = true;
      row.committedAt = this.now;
    }
  }

  /** The database comes back from a backup: the last rows were never written, and their ids are handed out again. */
  restore(argument: number): void {
    this.#nextId = Math.max(100, this.#nextId - 1 - (argument % 12));
    this.#open = [];
    for (const row of this.rows) if (row.id >= this.#nextId && row.deletedAt === null) row.deletedAt = this.now;
    this.wait(5000);
  }

  /** As the rules have it. */
  breakSequence(argument: number): void {
    this.#breaks++;
    this.#wasBroken = true;
    if (this.#rules.opening === 'restored') this.restore(argument);
    if (this.#rules.opening === 'stray') this.stray(argument);
  }

  get topId(): number {
    return this.#nextId - 1;
  }

  /** A row far above the sequence, which goes on below it. */
  stray(argument: number): void {
    const id = Math.max(this.#nextId, this.#highestId) + 1000 + argument;
    this.backDated.add(id);
    this.#add(id, this.#createdAt(id, 0, argument), false).committedAt = this.now;
  }

  #permitted(kind: number): number {
    const { lateCommits, backDating } = this.#rules;
    if (kind === 4) return lateCommits ? 4 : 0;
    return backDating === true || (backDating === 'guarded' && kind === 1) ? kind : 0;
  }

  #createdAt(id: number, kind: number, argument: number): number {
    const clock = (this.now + this.#clockOffsetMs) * 1000;
    let us = clock + (argument % 7);
    if (kind === 1) us = clock - BACKDATED_MS[argument % BACKDATED_MS.length]! * 1000;
    if (kind === 2) us = Math.floor(this.#lastUs / 1e6) * 1e6 + ((argument * 37_777) % 1_000_000);
    if (kind === 3) us = this.#lastUs;
    if (us <= 0) us = clock;
    if (us < clock - 2_000_000) this.backDated.add(id);
    this.#lastUs = us;
    return us;
  }

  editSilently(argument: number): void {
    const row = this.#pick(argument);
    row?.versions.push(this.now);
  }

  deleteSilently(argument: number): void {
    const row = this.#pick(argument);
    if (row !== undefined && row.deletedAt === null) row.deletedAt = this.now;
  }

  #pick(argument: number): ModelRow | undefined {
    const visible = this.rows.filter((row) => isVisible(row, this.now));
    return visible[argument % Math.max(1, visible.length)];
  }

  wait(ms: number): void {
    const until = this.now + ms;
    this.#open = this.#open.filter(({ row, due }) => {
      if (due > until) return true;
      row.committedAt = due;
      return false;
    });
    this.now = until;
  }

  stepUpstreamClock(argument: number): void {
    if (this.#rules.backDating !== true) return; // A clock that steps back is back-dating by another name.
    this.#clockOffsetMs = ((argument % 5) - 2) * 700;
  }

  /** Ids handed out to, and read in, other conversations. */
  readElsewhere(argument: number): void {
    this.#nextId += 1 + (argument % 3);
    const createdAt = Math.floor((this.now + this.#clockOffsetMs) / 1000);
    this.#highestId = Math.max(this.#highestId, this.#nextId - 1);
    this.#see([{ id: this.#nextId - 1, createdAt, internal: false, raw: '' }]);
  }

  evict(): void {
    this.timeline = this.#subject.EMPTY_TIMELINE;
    this.#forgot(this.now);
  }

  #forgot(since: number): void {
    this.knownSince = since;
    this.#shown.clear();
    this.#gone.clear();
  }

  restart(): void {
    this.evict();
    this.#sequence = this.#subject.NOTHING_SEEN;
    if (this.#wasBroken) this.#breaks++; // What a stray row vouches for is learnt anew.
    this.#pending = [];
  }

  query(mode: number, first: number, second: number): Query {
    const ids = this.rows.map((row) => row.id);
    const cursor = (argument: number): number =>
      (ids[(argument >> 2) % Math.max(1, ids.length)] ?? 100) + ((argument & 3) === 3 ? 1 : 0);
    const publicOnly = mode % 8 >= 6;
    switch (mode % 4) {
      case 0:
        return { mode: 'latest', publicOnly };
      case 1:
        return { mode: 'before', before: cursor(first), publicOnly };
      case 2:
        return { mode: 'after', after: cursor(first) - (first & 1), publicOnly };
      default:
        return { mode: 'between', after: cursor(first), before: cursor(second), publicOnly };
    }
  }

  /** Asks upstream. The reading is learnt now or, like an answer on a slow line, at a later step. */
  read(query: Query, salt: number, late: boolean): void {
    const rows = this.#ask(query, salt);
    const reading: Reading = { query, rows, envelope: { head: '{"payload":[', tail: ']}' }, askedAt: this.now };
    if (late) this.#pending.push(reading);
    else this.#learn(reading);
  }

  /** What the finder answers now. Ids may come twice, so a row says which it is, and in which version. */
  #ask(query: Query, salt: number): readonly Row[] {
    const tie = (id: number): number => (Math.imul(id ^ salt, 2_654_435_761) >>> 0) % 1009;
    const visible = this.rows.filter((row) => isVisible(row, this.now));
    return find(visible, query, this.#subject.PAGE_LIMIT, tie).map((row) => ({
      id: row.id,
      createdAt: Math.floor(row.us / 1e6),
      internal: row.internal,
      imported: row.imported === true,
      raw: `${this.rows.indexOf(row)} ${row.versions.filter((at) => at <= this.now).length - 1}`,
    }));
  }

  #rowOf(row: Row): ModelRow {
    return this.rows[Number(row.raw.split(' ')[0])]!;
  }

  learnPending(): void {
    const reading = this.#pending.shift();
    if (reading !== undefined && this.now - reading.askedAt <= 10_000) this.#learn(reading);
  }

  #see(rows: readonly Row[]): void {
    const { settleMs } = this.#rules.freshness;
    const { sequence, refutation } = this.#subject.sawRows(this.#sequence, rows, this.now, settleMs);
    this.#sequence = sequence;
    if (refutation !== null) {
      if (this.#breaks-- === 0) throw new LawBroken('ids were refuted that do rise, or twice for one break');
      this.tally.refutations++;
      this.evict();
      this.#pending = [];
      this.#refuted();
    }
    for (const { id, createdAt } of rows) {
      const sight = this.#sights.find((each) => each.id >= id);
      // A mark may be up to a sixteenth of SETTLE younger than the sight.
      if (sight !== undefined && createdAt * 1000 - sight.at > settleMs * (1 + 1 / 16)) this.#refuted();
    }
    const highest = Math.max(0, ...rows.map(({ id }) => id));
    if (highest > (this.#sights.at(-1)?.id ?? 0)) this.#sights.push({ id: highest, at: this.now });
  }

  #refuted(): void {
    this.refutedAt = this.now;
    this.#sights.length = 0;
  }

  #learn(reading: Reading): void {
    const { settleMs, historyMaxAgeMs } = this.#rules.freshness;
    this.#see(reading.rows);
    const vouched = this.#subject.vouchedFrontier(this.#sequence.seen, reading.askedAt, settleMs);
    const context = { vouched, settleMs, expiredBefore: reading.askedAt - 2 * historyMaxAgeMs };
    const { timeline, outcome } = this.#subject.learn(this.timeline, reading, context);
    if (outcome === 'contradiction') {
      this.tally.contradictions++;
      this.#forgot(reading.askedAt);
    }
    this.timeline = timeline;
    if (outcome === 'learnt') this.knownSince = Math.min(this.knownSince, reading.askedAt);
    if (outcome === 'learnt' || outcome === 'contradiction') this.#note(reading);
  }

  /** What a reading tells of rows: those that it shows, and those that it would show if they still were there. */
  #note({ query, rows, askedAt }: Reading): void {
    const shown = new Set(rows.map((row) => this.#rowOf(row)));
    const limit = this.#subject.PAGE_LIMIT[query.mode];
    const edge = rows.length < limit ? undefined : takesNewest(query) ? rows[0]! : rows.at(-1)!;
    for (const row of this.rows) {
      if (shown.has(row)) this.#shown.add(row);
      if (row.deletedAt === null || row.deletedAt >= askedAt || !matches(row, query)) continue;
      // Within the second of the edge nothing is sure.
      const second = Math.floor(row.us / 1e6);
      const isInside = edge === undefined || (takesNewest(query) ? second > edge.createdAt : second < edge.createdAt);
      if (isInside) this.#gone.add(row);
    }
  }

  /** The law for one query. */
  check(query: Query): void {
    const { freshness } = this.#rules;
    const proof = this.#subject.prove(this.timeline, query, { now: this.now, freshness });
    if (!proof.proved) return;
    this.tally.proofs++;
    if (proof.rows.length === this.#subject.PAGE_LIMIT[query.mode]) this.tally.full++;
    if (query.mode === 'before' || query.mode === 'between') this.tally.history++;

    const answer = proof.rows.map((row) => this.#rowOf(row));
    const shown = new Set(answer);
    const oldestMs = 2 * freshness.historyMaxAgeMs;
    const mayBeMissing = this.#whatMayBeMissing(query, answer);
    const rows = this.rows.filter((row) => {
      if (isVisible(row, this.now)) return shown.has(row) || !mayBeMissing(row);
      return shown.has(row) && row.deletedAt !== null && this.now - row.deletedAt <= oldestMs && !this.#isKnownGone(row);
    });
    const limits = this.#subject.PAGE_LIMIT;
    const stale = this.#whyStale(
      answer,
      proof.rows.map((row) => Number(row.raw.split(' ')[1])),
      oldestMs,
    );
    const wrong = stale ?? whyNotPermitted(answer, rows, query, limits);
    if (wrong === null) {
      this.#checkComparison(query, proof.rows, answer);
      return;
    }
    const excused = rows.filter((row) => shown.has(row) || !this.#excuse(row, this));
    if (stale === null && whyNotPermitted(answer, excused, query, limits) === null) {
      this.tally.excused++;
      return;
    }
    throw new LawBroken(`${wrong}: ${JSON.stringify(query)} was answered with ${answer.map((row) => row.id).join(' ')}`);
  }

  #isKnownGone(row: ModelRow): boolean {
    return this.#rules.readByOthers !== true && this.#gone.has(row);
  }

  #whatMayBeMissing(query: Query, answer: readonly ModelRow[]): (row: ModelRow) => boolean {
    const { tailMaxAgeMs, metaMaxAgeMs, settleMs } = this.#rules.freshness;
    const isBelowKnown = idRange(query).hi <= Math.max(-1, ...this.timeline.rows.map(({ id }) => id));
    const soonMs = isBelowKnown ? Math.max(tailMaxAgeMs, LATE_MS) : tailMaxAgeMs;
    const isFullOfOldest = !takesNewest(query) && answer.length === this.#subject.PAGE_LIMIT[query.mode];
    const inHistory = isFullOfOldest && answer.at(-1)!.us / 1000 <= this.now - settleMs;
    return (row) => this.now - row.committedAt! <= (inHistory && isBackDated(row) ? metaMaxAgeMs : soonMs);
  }

  /** A right answer is not called different from what upstream says next. Ids that come twice nobody tells apart. */
  #checkComparison(query: Query, proved: readonly Row[], answer: readonly ModelRow[]): void {
    const mayBeMissing = this.#whatMayBeMissing(query, answer);
    const isOld = (row: ModelRow): boolean => !isVisible(row, this.now) || !mayBeMissing(row);
    if (!this.rows.every((row) => isOld(row) && !row.isBelowOthers)) return;
    const read = this.#ask(query, this.tally.proofs);
    const comparison = this.#subject.compareAnswers(query, proved, read, Infinity);
    const readIds = new Set(read.map(({ id }) => id));
    if (answer.some((row) => !readIds.has(row.id) && isVisible(row, this.now))) this.tally.traded++;
    const isThere = (id: number): boolean => this.rows.some((row) => row.id === id && isVisible(row, this.now));
    if (comparison.kind !== 'different' && !(comparison.kind === 'deleted' && comparison.gone.some(isThere))) return;
    throw new LawBroken(
      `${JSON.stringify(query)} is ${comparison.kind}: ${proved.map(idOf).join(' ')}, then ${read.map(idOf).join(' ')}`,
    );
  }

  #whyStale(answer: readonly ModelRow[], versions: readonly number[], oldestMs: number): string | null {
    for (const [at, row] of answer.entries()) {
      const replacedAt = row.versions[versions[at]! + 1];
      if (replacedAt !== undefined && this.now - replacedAt > oldestMs) return `row ${row.id} is too old a version`;
    }
    return null;
  }
}

/** By more than clocks and cut-off microseconds explain. */
function isBackDated({ us, versions }: ModelRow): boolean {
  return us / 1000 < versions[0]! - 2_000;
}

function idOf({ id }: Row): number {
  return id;
}

/** Begins a history so that what late commits and back-dated rows may do together does happen. */
function open(world: World, script: Uint8Array, { opening, freshness }: Rules): void {
  const read = (at: number, late = false): void => {
    world.read(world.query(script[at]!, script[at + 1]!, script[at + 2]!), script[at]!, late);
  };
  switch (opening) {
    case undefined:
      return;
    case 'under-back-dated':
      world.write(4, script[1]!);
      world.write(1, script[2]!);
      world.write(0, script[3]!);
      break;
    case 'under-vouched':
      world.write(4, script[1]!);
      world.write(0, script[3]!);
      world.readElsewhere(0);
      world.wait(freshness.settleMs + 1);
      break;
    case 'imports':
      for (let round = 0; round < 2; round++) {
        world.write(4, script[1 + round]!);
        read(4);
        world.importRows(24, 86_400_000 + round);
        const first = world.topId - 24;
        for (let page = 0; page < 8; page++) world.read({ mode: 'after', after: first + 3 * page, publicOnly: false }, 0, false);
        world.wait(1000 * (script[5 + round]! % 120));
      }
      break;
    case 'restored':
    case 'stray':
      world.write(0, script[1]!);
      world.readElsewhere(0);
      world.wait(freshness.settleMs + 1);
      for (const at of [4, 7, 10]) read(at);
      world.breakSequence(script[5]!);
      world.wait(1000 * script[6]!);
      world.write(0, script[7]!);
      world.wait(1100);
      break;
    case 'overtaken':
      read(1, true);
      world.wait(1);
      world.deleteSilently(script[2]!);
      world.wait(1);
      read(4);
      world.learnPending();
      return;
  }
  for (const at of [4, 7, 10]) read(at);
}

/** Runs the history that `script` tells. @throws LawBroken */
export function runHistory(script: Uint8Array, subject: Subject, rules: Rules, excuse?: Excuse): Tally {
  const world = new World(subject, rules, excuse);
  for (let row = 0; row < script[0]! % 16; row++) {
    world.write(row % 5 === 4 ? 2 : 0, script[row]!);
    world.wait(40_000);
  }
  open(world, script, rules);
  for (let at = 0; at + 3 < script.length; at += 4) {
    const [op, a, b, c] = [script[at]! % 32, script[at + 1]!, script[at + 2]!, script[at + 3]!];
    if (op < 8) world.write(WRITES[op]!, a);
    else if (op === 8) world.editSilently(a);
    else if (op === 9) world.deleteSilently(a);
    else if (op < 20) world.read(world.query(a, b, c), c, op === 19);
    else if (op === 20) world.learnPending();
    else if (op < 26) world.wait(WAITS_MS[a % WAITS_MS.length]!);
    else if (op === 26) world.readElsewhere(a);
    else if (op === 27) world.stepUpstreamClock(a);
    else if (op === 28 && a < 60) world.evict();
    else if (op === 29 && a < 60) world.restart();
    else if (op === 30 && a < 40) world.breakSequence(b);
    world.check(world.query(b, c, a));
    world.check(world.query(c, a, b));
    world.check(world.query(a, b, c));
    world.check(world.query(a + 1, c, b));
  }
  return world.tally;
}
