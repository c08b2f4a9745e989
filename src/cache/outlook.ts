// What a query would meet if it were asked now: what is known, whether the page follows from it, and otherwise which read would be
// sent. It says what read-through.ts would do and does nothing.

import { planFill } from '../timeline/plan/fill.ts';
import type { PlanContext } from '../timeline/plan/planned.ts';
import { planSeal } from '../timeline/plan/seal.ts';
import type { Gap, Proof } from '../timeline/prove.ts';
import type { MessageId, Query } from '../timeline/query.ts';
import type { HistoryMode, Knowledge } from './knowledge.ts';
import type { ReadReason } from './observer.ts';

/** The first read that would be sent for a caller. */
export interface NextRead {
  readonly reason: Extract<ReadReason, 'forward' | 'fill' | 'seal'>;
  readonly query: Query;
  /** The newest page is read as it is asked although less would do: a row that refutes that ids rise would show (timeline/sequence.ts). */
  readonly isInTurn: boolean;
}

export interface Outlook {
  /** Now, ms of the engine's clock. */
  readonly now: number;
  readonly knowledge: Knowledge;
  readonly mode: HistoryMode;
  /** Upstream has just said that it is not there. */
  readonly isMissing: boolean;
  readonly found: Proof | Gap;
  /** Null where the page is proved. */
  readonly next: NextRead | null;
  /** Whether it would be shown if upstream failed now. */
  readonly isShownStale: boolean;
  /** One above the highest id that is surely committed in the installation; 0 where none was seen long enough ago. */
  readonly frontier: MessageId;
}

export interface NextReadContext extends PlanContext {
  readonly mode: HistoryMode;
  readonly isNewestDue: boolean;
}

export function nextRead(
  { timeline, walk }: Knowledge,
  query: Query,
  gap: Gap,
  { mode, isNewestDue, ...context }: NextReadContext,
): NextRead {
  const isInTurn = isNewestDue && mode === 'proved';
  const forward: NextRead = { reason: 'forward', query, isInTurn };
  if (isNewestDue || mode === 'exact') return forward;
  const fill = planFill(timeline, query, gap, context);
  if (fill !== null) return { reason: 'fill', query: fill, isInTurn };
  const seal = planSeal(timeline, query, walk, context);
  return seal === null ? forward : { reason: 'seal', query: seal, isInTurn };
}
