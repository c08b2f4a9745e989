// What one policy answered, judged against the truth.

import type { Query } from '../../src/timeline/query.ts';
import { PAGE_LIMIT } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { percent } from '../table.ts';
import type { Policy } from './policies.ts';
import { FRESHNESS } from './policies.ts';
import type { Reader } from './readers.ts';
import type { World } from './world.ts';

export interface Answered {
  readonly reader: Reader;
  readonly conversationId: number;
  readonly query: Query;
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly rows: readonly Row[];
  readonly hit: boolean;
}

interface Score {
  reads: number;
  hits: number;
  rows: number;
  wrongRows: number;
  oldContent: number;
  missesRow: number;
  showsPast: number;
  /** Answers that lack a message although its event had come. */
  missesTold: number;
}

const EXAMPLES_MAX = 4;

function nothing(): Score {
  return { reads: 0, hits: 0, rows: 0, wrongRows: 0, oldContent: 0, missesRow: 0, showsPast: 0, missesTold: 0 };
}

export class Scores {
  readonly history = nothing();
  readonly newest = nothing();
  readonly byReader = new Map<Reader, { reads: number; hits: number }>();
  readonly examples: string[] = [];
  readonly #world: World;
  readonly #policy: Policy;
  readonly #misses = new Map<string, number>();
  /** When history of a conversation was last asked for. */
  readonly #lastReadAt = new Map<number, number>();
  readonly #historyReads = new Map<number, number>();

  constructor(world: World, policy: Policy) {
    this.#world = world;
    this.#policy = policy;
  }

  add(answered: Answered): void {
    const { reader, query, rows, hit } = answered;
    const isHistory = query.mode !== 'latest';
    const score = isHistory ? this.history : this.newest;
    score.reads++;
    score.rows += rows.length;
    if (hit) {
      score.hits++;
      this.#policy.upstream.used(rows);
    }
    if (isHistory || reader === 'poller') {
      const own = this.byReader.get(reader) ?? { reads: 0, hits: 0 };
      this.byReader.set(reader, { reads: own.reads + 1, hits: own.hits + (hit ? 1 : 0) });
    }
    if (isHistory) this.#classify(answered);
    this.#judge(answered, score);
  }

  missTable(): [string, number, string][] {
    const all = [...this.#misses.values()].reduce((sum, count) => sum + count, 0);
    return [...this.#misses].toSorted((a, b) => b[1] - a[1]).map(([what, count]) => [what, count, percent(count, all)]);
  }

  #classify({ reader, conversationId, query, rows, hit, askedAt }: Answered): void {
    const reads = this.#historyReads.get(conversationId) ?? 0;
    const lastReadAt = this.#lastReadAt.get(conversationId) ?? -Infinity;
    this.#historyReads.set(conversationId, reads + 1);
    this.#lastReadAt.set(conversationId, askedAt);
    if (hit) return;
    const newest = rows.at(-1);
    const sinceMs = askedAt - lastReadAt;
    const what =
      reads === 0
        ? 'first history read of the conversation'
        : reads === 1
          ? 'second'
          : sinceMs > 2 * FRESHNESS.historyMaxAgeMs
            ? 'not read for 2 x HISTORY_MAX_AGE'
            : newest !== undefined && askedAt - newest.createdAt * 1000 < FRESHNESS.settleMs
              ? 'page has rows younger than SETTLE'
              : rows.length < PAGE_LIMIT[query.mode]
                ? 'page reaches the start'
                : sinceMs < 10_000
                  ? 'other, going on with a walk'
                  : 'other';
    const key = `${reader}: ${what}`;
    this.#misses.set(key, (this.#misses.get(key) ?? 0) + 1);
  }

  #judge(answered: Answered, score: Score): void {
    const { conversationId, query, askedAt, answeredAt, rows } = answered;
    const isHistory = query.mode !== 'latest';
    const { told } = this.#policy;
    const tailMaxAgeMs = told === undefined ? FRESHNESS.tailMaxAgeMs : FRESHNESS.feedMaxAgeMs;
    if (told !== undefined && this.#world.truth.lacksTold(answered, told)) score.missesTold++;
    const { verdict, missesRow, showsPast } = this.#world.truth.judge({
      conversationId,
      query,
      rows,
      askedAt,
      answeredAt,
      rowsMaxAgeMs: tailMaxAgeMs,
      settledMaxAgeMs: 2 * FRESHNESS.historyMaxAgeMs,
      unsettledMaxAgeMs: isHistory ? 2 * FRESHNESS.historyMaxAgeMs : tailMaxAgeMs,
      settleMs: FRESHNESS.settleMs,
    });
    if (verdict === 'wrong-rows') score.wrongRows++;
    if (verdict === 'old-content') score.oldContent++;
    if (missesRow) score.missesRow++;
    if (showsPast) score.showsPast++;
    if (verdict === 'right' || this.examples.length >= EXAMPLES_MAX) return;
    const { truth } = this.#world;
    this.examples.push(
      `${verdict}${missesRow ? ', misses a row' : ''}: ${answered.reader}, conversation ${conversationId}, ${JSON.stringify(query)} at +${((askedAt - this.#world.startAt) / 1000).toFixed(2)} s, ${answered.hit ? 'hit' : 'miss'}; ${truth.explain({ conversationId, query, rows, answeredAt })}`,
    );
  }
}
