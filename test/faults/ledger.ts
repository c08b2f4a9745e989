// What a conversation said, and when: every state of it with its time, to judge answers that may be older than now.

import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { findRows, type FinderParams } from '../support/fake-chatwoot/finder.ts';
import type { MessageRow } from '../support/fake-chatwoot/message-row.ts';

interface State {
  until: number;
  readonly rows: readonly MessageRow[];
  /** Their JSON. */
  readonly texts: ReadonlySet<string>;
  readonly meta: string;
}

/** An answer as its caller sees it. */
export interface Seen {
  readonly body: string;
  readonly params: FinderParams;
  /** Nothing of it may be from before this moment, ms. */
  readonly notBefore: number;
  /** Which rows are on the page must be as of this moment or later, ms. */
  readonly idsNotBefore: number;
}

export class Ledger {
  readonly #chatwoot: FakeChatwoot;
  readonly #conversation: number;
  readonly #now: () => number;
  #states: State[] = [];

  constructor(chatwoot: FakeChatwoot, conversation: number, now: () => number) {
    this.#chatwoot = chatwoot;
    this.#conversation = conversation;
    this.#now = now;
    this.forget();
  }

  /** Only the present is known. */
  forget(): void {
    this.#states = [this.#present()];
  }

  /** Notes the state of the table after a change of it. The clock must have moved since the last. */
  note(): void {
    const last = this.#states.at(-1)!;
    last.until = this.#now();
    this.#states.push(this.#present());
  }

  /** What is wrong with the answer, or null. */
  problemOf({ body, params, notBefore, idsNotBefore }: Seen): string | null {
    const { meta, rows } = parts(body);
    const since = (moment: number): State[] => this.#states.filter(({ until }) => until > moment);
    if (!since(notBefore).some((state) => state.meta === meta)) return 'its meta was never said, or too long ago';
    const states = since(notBefore);
    const foreign = rows.find((row) => !states.some(({ texts }) => texts.has(row)));
    if (foreign !== undefined) return `a row was never said, or too long ago: ${foreign.slice(0, 100)}`;
    const ids = rows.map(idOf).join(' ');
    const pages = since(idsNotBefore).map((state) => findRows({ rows: state.rows, idsRise: true }, params));
    const page = pages.map((expected) => expected.map(({ id }) => id).join(' '));
    return page.includes(ids) ? null : `its rows are ${ids}, those of Chatwoot ${page.join(' or ')}`;
  }

  #present(): State {
    const { table } = this.#chatwoot;
    const rows = table.rows(1, this.#conversation);
    return { until: Infinity, rows, texts: new Set(rows.map(({ json }) => json)), meta: table.metaJson(1, this.#conversation) };
  }
}

/** The JSON text of meta and of each row, as the fake writes them. */
function parts(body: string): { meta: string; rows: string[] } {
  const cut = body.indexOf(',"payload":[');
  if (!body.startsWith('{"meta":') || cut < 0 || !body.endsWith(']}')) throw new Error(`no page: ${body.slice(0, 100)}`);
  const inner = body.slice(cut + ',"payload":['.length, -2);
  return { meta: body.slice('{"meta":'.length, cut), rows: inner === '' ? [] : inner.split(/,(?=\{"id":\d+,"content":)/) };
}

function idOf(row: string): number {
  return Number(/^\{"id":(\d+)/.exec(row)?.[1]);
}
