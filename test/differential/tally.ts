// What came of a run: answers by outcome, writes, faults, and every wrong answer with all that is needed to understand it.

import type { Asked } from './callers.ts';
import type { Verdict } from './judge.ts';
import type { Promises } from './promises.ts';

export interface Wrong {
  readonly why: string;
  /** The request, the answer in ids, and what was written of late; of the first ones only. */
  readonly told: string | undefined;
}

interface Circumstances {
  readonly seed: number;
  readonly promises: Promises;
  /** The latest writes of the conversation, with the seconds since `startedAt`, ms. */
  readonly writes: readonly string[];
  readonly startedAt: number;
}

const TOLD_MAX = 20;

export class Tally {
  readonly outcomes = new Map<string, number>();
  readonly excuses = new Map<string, number>();
  readonly writes = new Map<string, number>();
  readonly faults = new Set<string>();
  /** Of the program's own numbers, those that tell of trouble within. */
  readonly told = new Map<string, number>();
  readonly wrong: Wrong[] = [];
  readonly failures: string[] = [];
  answers = 0;
  /** Answers whose page was judged; the others are errors, and HEADs of pages that nobody got. */
  pages = 0;

  /** @param judged by what Chatwoot could have said; an answer that is flawed whatever that was is wrong besides */
  add(asked: Asked, judged: Verdict, circumstances: Circumstances): void {
    const verdict: Verdict = asked.flaw === undefined ? judged : { kind: 'wrong', why: asked.flaw };
    this.answers++;
    if (asked.observation.page !== undefined) this.pages++;
    count(this.outcomes, outcomeOf(asked));
    if (verdict.kind === 'excused') count(this.excuses, verdict.why);
    if (verdict.kind !== 'wrong') return;
    const isTold = this.wrong.length < TOLD_MAX;
    this.wrong.push({ why: verdict.why, told: isTold ? describe(asked, verdict.why, circumstances) : undefined });
  }

  addRound(writes: ReadonlyMap<string, number>, faults: readonly string[], metrics: string): void {
    for (const [kind, number] of writes) count(this.writes, kind, number);
    for (const fault of faults) this.faults.add(fault);
    for (const name of ['backscroll_contradictions_total', 'backscroll_exact_mode', 'backscroll_withheld_rows_total']) {
      count(this.told, name, Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1] ?? NaN));
    }
    for (const [, reason = '', number] of metrics.matchAll(/^backscroll_upstream_reads_total\{reason="(\w+)"\} (\d+)/gm)) {
      count(this.told, `reads: ${reason}`, Number(number));
    }
  }

  /** The run itself failed: the program ended, or a connection broke. */
  addFailure(what: string): void {
    this.failures.push(what);
  }

  /** Whether an answer was wrong in this way; never so for undefined. */
  wasWrong(why: RegExp | undefined): boolean {
    return why !== undefined && this.wrong.some((wrong) => why.test(wrong.why));
  }

  get isRight(): boolean {
    return this.wrong.length === 0 && this.failures.length === 0;
  }

  /** For people. */
  summary(): string {
    return [
      `answers ${this.answers}, of them judged pages ${this.pages}: ${list(this.outcomes)}`,
      `excused: ${list(this.excuses)}`,
      `writes: ${list(this.writes)}`,
      `lasting faults: ${[...this.faults].toSorted().join(', ') || 'none'}`,
      `the program: ${list(this.told)}`,
      ...this.wrong.flatMap(({ told }) => (told === undefined ? [] : [`\nWRONG ${told}`])),
      ...this.failures.map((what) => `\nFAILED ${what}`),
      `\nwrong answers: ${this.wrong.length}${this.failures.length === 0 ? '' : `, failures: ${this.failures.length}`}`,
    ].join('\n');
  }
}

/** What the cache did, or the error. */
function outcomeOf({ observation: { status, code }, cacheStatus }: Asked): string {
  if (status >= 400) return `${status} ${code ?? ''}`.trim();
  if (cacheStatus.includes('fwd=stale')) return 'stale';
  if (cacheStatus.includes('; hit')) return 'hit';
  if (cacheStatus.includes('collapsed')) return 'coalesced';
  return cacheStatus.includes('bypass') ? 'bypass' : 'miss';
}

function describe(
  { persona, method, target, headers, cacheStatus, observation }: Asked,
  why: string,
  { seed, promises, writes, startedAt }: Circumstances,
): string {
  const { status, code, ageS, sentAt, receivedAt, page } = observation;
  const ids = page?.rows.map((row) => /^\{"id":(\d+)/.exec(row)?.[1] ?? '?') ?? [];
  return [
    `(seed ${seed}) ${why}`,
    `  ${persona}: ${method} ${target} ${JSON.stringify(headers)}`,
    `  ${status} ${code ?? ''} ${cacheStatus}, age ${ageS}, sent at ${((sentAt - startedAt) / 1000).toFixed(3)} s, answered after ${(receivedAt - sentAt).toFixed(0)} ms`,
    `  TAIL_MAX_AGE ${promises.tailMaxAgeMs} ms; rows ${ids.join(' ')}`,
    ...writes.map((write) => `    ${write}`),
  ].join('\n');
}

function count(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

function list(counts: ReadonlyMap<string, number>): string {
  return (
    [...counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, number]) => `${name} ${number}`)
      .join(', ') || 'none'
  );
}
