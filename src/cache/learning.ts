// How a reading becomes knowledge, whichever process sent the read. What it shows of the ids of the whole installation is seen first:
// ids that do not rise end all that is known.

import { highestId } from '../timeline/prove.ts';
import type { Freshness } from '../timeline/freshness.ts';
import { historyLifetime } from '../timeline/freshness.ts';
import { vouchedFrontier } from '../timeline/frontier.ts';
import type { LearnOutcome } from '../timeline/learn.ts';
import { endsOpen } from '../timeline/plan/seal-forward.ts';
import type { MessageId } from '../timeline/query.ts';
import type { Reading } from '../timeline/reading.ts';
import type { Sequence } from '../timeline/sequence.ts';
import { heardOfId, NOTHING_SEEN, sawRows, withoutMarks } from '../timeline/sequence.ts';
import type { ConversationId } from '../upstream/upstream.ts';
import type { Dues } from './dues.ts';
import type { HistoryMode, Knowledge } from './knowledge.ts';
import { exactly, learnInto } from './knowledge.ts';
import type { MemoryStore } from './memory-store.ts';
import type { CacheObserver } from './observer.ts';
import type { SharedReading } from './shared-level.ts';

export interface LearningOptions {
  /** The engine's clock, ms. */
  readonly now: () => number;
  readonly freshness: Freshness;
  readonly observer: CacheObserver;
  readonly store: MemoryStore;
  readonly dues: Dues;
  /** That of the installation, now. */
  readonly mode: () => HistoryMode;
  /** Whether rows may be learnt of others after they became due. */
  readonly mayComeLate: boolean;
  /** Forgets everything, here and elsewhere: rows created before this second vouch for nothing. */
  readonly onRefuted: (marksFrom: number) => void;
}

export class Learning {
  readonly #options: LearningOptions;
  #sequence: Sequence = NOTHING_SEEN;

  constructor(options: LearningOptions) {
    this.#options = options;
  }

  /** One above the highest id that was surely committed in the installation at this moment (ms); 0 where none was seen long enough before. */
  vouchedAt(at: number): MessageId {
    return vouchedFrontier(this.#sequence.seen, at, this.#options.freshness.settleMs);
  }

  /** Another process found that ids do not rise: nothing that was seen vouches, nor do rows created before this second. */
  distrustMarks(marksFrom: number): void {
    this.#sequence = withoutMarks(this.#sequence, marksFrom);
  }

  /** An id has been handed out: whoever told of it had read it. */
  heardOf(id: MessageId): void {
    this.#sequence = heardOfId(this.#sequence, id, this.#options.now(), this.#options.freshness.settleMs);
  }

  /** Sees that ids rise. @returns whether they do not, so that all is forgotten */
  see(reading: Reading): boolean {
    const { now, freshness, observer, onRefuted } = this.#options;
    const { sequence, refutation } = sawRows(this.#sequence, reading.rows, now(), freshness.settleMs);
    this.#sequence = sequence;
    if (refutation === null) return false;
    // Of what is known, nobody can say what rested on it. After a restore, rows are gone and their ids are others' besides.
    onRefuted(sequence.marksFrom);
    observer.sequenceRefuted(refutation);
    return true;
  }

  /** Learns what was seen. @returns it as others may take it, or null where it is not kept */
  learn(conversation: ConversationId, reading: Reading): SharedReading | null {
    const { observer, store } = this.#options;
    const before = store.get(conversation);
    const vouched = this.vouchedAt(reading.askedAt);
    const outcome = this.#learnInto(conversation, reading, vouched);
    observer.learnt(outcome, conversation);
    if (observer.appeared !== undefined) this.#tellOfAppeared(conversation, before, reading);
    return outcome === 'learnt' || outcome === 'contradiction' ? { reading, vouched } : null;
  }

  /** Sees and learns what another process has read. What it said of the conversation is not newer than what is remembered here. */
  learnOfOthers(conversation: ConversationId, { reading, vouched }: SharedReading): void {
    const { now, freshness, observer } = this.#options;
    if (now() - reading.askedAt > historyLifetime(freshness).usableMs + freshness.staleIfErrorMs) return;
    if (this.see(reading)) return;
    const outcome = this.#learnInto(conversation, reading, Math.max(this.vouchedAt(reading.askedAt), vouched));
    observer.learntOfOthers?.(outcome, conversation);
  }

  /** An answer came that the finder does not give. It ends proofs for the conversation, where what it brings is kept. */
  distrust(conversation: ConversationId, isKept: boolean): void {
    const { observer, store } = this.#options;
    observer.learnt('foreign', conversation);
    if (isKept) store.set(conversation, exactly(store.get(conversation)));
  }

  #learnInto(conversation: ConversationId, reading: Reading, vouched: MessageId): LearnOutcome {
    const { freshness, store, dues, mode, mayComeLate } = this.#options;
    const context = {
      vouched,
      settleMs: freshness.settleMs,
      expiredBefore: reading.askedAt - historyLifetime(freshness).usableMs,
      mayComeLate,
    };
    const before = { ...store.get(conversation), due: dues.of(conversation) };
    const { knowledge, outcome } = learnInto(before, mode(), reading, context);
    dues.keep(conversation, knowledge);
    return outcome;
  }

  #tellOfAppeared(conversation: ConversationId, { timeline }: Knowledge, { rows, askedAt }: Reading): void {
    const highest = highestId(timeline);
    const last = timeline.statements.at(-1);
    if (highest < 0 || last === undefined || last.hi !== Infinity || endsOpen(timeline, { publicOnly: false })) return;
    const ids = rows.map(({ id }) => id).filter((id) => id > highest);
    if (ids.length === 0 || last.askedAt > askedAt) return;
    this.#options.observer.appeared?.(conversation, ids, { askedAt, previousAskedAt: last.askedAt });
  }
}
