// All that Chatwoot could have said of one conversation, and when: what answers are judged by.

/** From `from` until just before `until`, ms of one steady clock; until Infinity where it still lasts. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** The JSON of a row or of `meta` while it stood, as each view shows it. */
export interface Version extends Span {
  readonly agent: string;
  readonly customer: string;
}

/** One row from its commit to its deletion. After a restore from a backup, another row may live under the same id. */
export interface Life extends Span {
  readonly id: number;
  readonly createdAtUs: number;
  readonly internal: boolean;
  /** When the sequence gave the id out, ms. */
  readonly handedOutAt: number;
  /** Its created_at lies before that, by more than clocks and cut-off microseconds explain. */
  readonly backDated: boolean;
  /** A higher id had been given out before: the sequence was set back, or a stray id was ahead of it. */
  readonly belated: boolean;
}

export interface KnownVersion {
  readonly life: Life;
  readonly version: Version;
}

export interface Past {
  /** When the conversation was there. */
  readonly existed: readonly Span[];
  readonly metas: readonly Version[];
  readonly lives: readonly Life[];
  /** What a row of this text was, as `view` shows it; undefined for what was never said of this conversation. */
  find(view: 'agent' | 'customer', text: string): KnownVersion | undefined;
}
