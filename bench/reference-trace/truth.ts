// What Chatwoot's finder would have answered at any moment of the trace. Rows are only added and edited, never deleted.

import type { Query } from '../../src/timeline/query.ts';
import { idRange, PAGE_LIMIT, takesNewest } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { comesBefore } from '../../test/support/fake-chatwoot/finder.ts';
import type { MessageRow } from '../../test/support/fake-chatwoot/message-row.ts';

interface Version {
  readonly at: number;
  readonly raw: string;
}

interface TrueRow {
  readonly row: MessageRow;
  /** When its id was handed out, and when it became visible. */
  readonly handedOutAt: number;
  readonly committedAt: number;
  /** What it looked like from when on; the first from its commit. */
  readonly versions: Version[];
}

/**
 * - `right`: what the finder answered at some moment that the freshness rules allow.
 * - `wrong-rows`: at no such moment did the finder answer these ids in this order.
 * - `old-content`: a row stands as it did longer ago than allowed.
 * A row whose id was handed out SETTLE ago is history: its content may be as old as that of history, on the newest page too.
 */
export type Verdict = 'right' | 'wrong-rows' | 'old-content';

export interface Judgement {
  readonly verdict: Verdict;
  /** A row that belongs on the page and had been there for longer than the bound is missing. */
  readonly missesRow: boolean;
  /** Right, but a settled row of it stands as it did longer ago than `rowsMaxAgeMs`. */
  readonly showsPast: boolean;
}

export interface Claim {
  readonly conversationId: number;
  readonly query: Query;
  readonly rows: readonly Row[];
  readonly askedAt: number;
  readonly answeredAt: number;
  /** How old the list of rows may be when asked for, the content of settled rows, and that of the others, ms. */
  readonly rowsMaxAgeMs: number;
  readonly settledMaxAgeMs: number;
  readonly unsettledMaxAgeMs: number;
  readonly settleMs: number;
}

export class Truth {
  readonly #conversations = new Map<number, TrueRow[]>();
  readonly #byId = new Map<number, TrueRow>();
  /** When rows appeared in a conversation, ascending. */
  readonly #changes = new Map<number, number[]>();

  committed(row: MessageRow, raw: string, { handedOutAt, at }: { readonly handedOutAt: number; readonly at: number }): void {
    const rows = this.#conversations.get(row.conversationId) ?? [];
    this.#conversations.set(row.conversationId, rows);
    let place = rows.length;
    while (place > 0 && comesBefore(row, rows[place - 1]!.row)) place--;
    const added = { row, handedOutAt, committedAt: at, versions: [{ at, raw }] };
    rows.splice(place, 0, added);
    this.#byId.set(row.id, added);
    const changes = this.#changes.get(row.conversationId) ?? [];
    this.#changes.set(row.conversationId, changes);
    changes.push(at);
  }

  edited(id: number, raw: string, at: number): void {
    this.#byId.get(id)!.versions.push({ at, raw });
  }

  judge(claim: Claim): Judgement {
    const { conversationId, query, askedAt, answeredAt, rowsMaxAgeMs } = claim;
    const earliest = askedAt - rowsMaxAgeMs;
    const now = this.#findAt(conversationId, query, answeredAt);
    const isRight =
      sameIds(now, claim.rows) ||
      this.#moments(conversationId, earliest, answeredAt).some((moment) =>
        sameIds(this.#findAt(conversationId, query, moment), claim.rows),
      );
    if (!isRight) {
      const shown = new Set(claim.rows.map((row) => row.id));
      const missesRow = now.some(({ row, committedAt }) => committedAt <= earliest && !shown.has(row.id));
      return { verdict: 'wrong-rows', missesRow, showsPast: false };
    }
    const isCurrent = claim.rows.every((row) => this.#wasSo(row, askedAt - this.#contentMaxAgeMs(row, claim), answeredAt));
    const showsPast = isCurrent && !claim.rows.every((row) => this.#wasSo(row, earliest, answeredAt));
    return { verdict: isCurrent ? 'right' : 'old-content', missesRow: false, showsPast };
  }

  /** True if the answer lacks a message that belongs on it, and that had been told of when it was asked for. */
  lacksTold(
    {
      conversationId,
      query,
      rows,
      askedAt,
      answeredAt,
    }: Pick<Claim, 'conversationId' | 'query' | 'rows' | 'askedAt' | 'answeredAt'>,
    told: ReadonlyMap<number, number>,
  ): boolean {
    const shown = new Set(rows.map(({ id }) => id));
    return this.#findAt(conversationId, query, answeredAt).some(
      ({ row, committedAt }) => !shown.has(row.id) && committedAt < askedAt && (told.get(row.id) ?? Infinity) <= askedAt,
    );
  }

  /** True if the row's id was handed out so long before that it is settled. */
  isSettled(id: number, at: number, settleMs: number): boolean {
    return at - this.#byId.get(id)!.handedOutAt >= settleMs;
  }

  #contentMaxAgeMs({ id }: Row, { askedAt, settleMs, settledMaxAgeMs, unsettledMaxAgeMs }: Claim): number {
    return this.isSettled(id, askedAt, settleMs) ? settledMaxAgeMs : unsettledMaxAgeMs;
  }

  /** Which rows an answer lacks or has too many, and when they appeared. For people. */
  explain({ conversationId, query, rows, answeredAt }: Pick<Claim, 'conversationId' | 'query' | 'rows' | 'answeredAt'>): string {
    const now = this.#findAt(conversationId, query, answeredAt);
    const shown = new Set(rows.map((row) => row.id));
    const right = new Set(now.map(({ row }) => row.id));
    const tell = ({ row, committedAt, versions }: TrueRow): string =>
      `${row.id} (created ${ago(answeredAt - row.createdAtUs / 1000)}, committed ${ago(answeredAt - committedAt)}, ${versions.length} versions, last ${ago(answeredAt - versions.at(-1)!.at)})`;
    const lacks = now.filter(({ row }) => !shown.has(row.id)).map(tell);
    const extra = rows.filter(({ id }) => !right.has(id)).map(({ id }) => tell(this.#byId.get(id)!));
    const old = rows
      .filter(({ id, raw }) => this.#byId.get(id)!.versions.at(-1)!.raw !== raw)
      .map(({ id }) => tell(this.#byId.get(id)!));
    return `lacks [${lacks.join(', ')}], has [${extra.join(', ')}], outdated [${old.join(', ')}]`;
  }

  /** `from`, and every moment up to `to` at which a row appeared. */
  #moments(conversationId: number, from: number, to: number): number[] {
    const changes = this.#changes.get(conversationId) ?? [];
    const moments = [from];
    for (let at = changes.length - 1; at >= 0 && changes[at]! > from; at--) if (changes[at]! <= to) moments.push(changes[at]!);
    return moments;
  }

  #findAt(conversationId: number, query: Query, moment: number): TrueRow[] {
    const rows = this.#conversations.get(conversationId) ?? [];
    const { lo, hi } = idRange(query);
    const newest = takesNewest(query);
    const limit = PAGE_LIMIT[query.mode];
    const page: TrueRow[] = [];
    const step = newest ? -1 : 1;
    for (let at = newest ? rows.length - 1 : 0; at >= 0 && at < rows.length && page.length < limit; at += step) {
      const found = rows[at]!;
      if (found.row.id >= lo && found.row.id < hi && found.committedAt <= moment) page.push(found);
    }
    return newest ? page.toReversed() : page;
  }

  /** True if the row stood like this at some moment from `from` to `to`. */
  #wasSo(shown: Row, from: number, to: number): boolean {
    const { versions } = this.#byId.get(shown.id)!;
    for (let at = versions.length - 1; at >= 0; at--) {
      const version = versions[at]!;
      if (version.at <= to && version.raw === shown.raw) return true;
      if (version.at <= from) return false; // Whatever is earlier had ended by then.
    }
    return false;
  }
}

function ago(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s ago`;
}

function sameIds(rows: readonly TrueRow[], shown: readonly Row[]): boolean {
  return rows.length === shown.length && rows.every(({ row }, at) => row.id === shown[at]!.id);
}
