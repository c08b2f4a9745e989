// Whether a read has told anything: a plan that is followed goes on only while each of its reads does.
//
//   before   ├── known ──┤  ├ to 10:00 ░░┤
//   after    ├── known ──────┤ to 09:30 ░┤     more: an id that nothing was said of, or less unknown
//
// Measured in whole seconds, so that what is more once is not less the next time: a bound that moves within one second, as
// rows of the same moment change places at a page's edge, is no progress.

import { statementLifetime } from '../freshness.ts';
import type { Statement, Statements, Window } from '../statement.ts';
import type { Timeline } from '../timeline.ts';
import type { PlanContext } from './planned.ts';

/** True if `after` says more of some id than `before` did, of what is not too old by now. */
export function tellsMore(before: Timeline, after: Timeline, context: PlanContext): boolean {
  return (
    saysMore(before.statements, after.statements, context) || saysMore(before.publicStatements, after.publicStatements, context)
  );
}

function saysMore(before: Statements, after: Statements, { now, freshness }: PlanContext): boolean {
  const isUsable = ({ standing, askedAt }: Statement): boolean =>
    now - askedAt <= statementLifetime(freshness, standing).usableMs;
  const old = before.filter(isUsable);
  return after.filter(isUsable).some((statement) => {
    let reached = statement.lo;
    for (const earlier of old) {
      if (earlier.hi <= reached) continue;
      if (earlier.lo > reached || earlier.lo >= statement.hi) break;
      if (isStronger(statement, earlier)) return true;
      reached = earlier.hi;
    }
    return reached < statement.hi;
  });
}

function isStronger(statement: Statement, earlier: Statement): boolean {
  return lasts(statement) > lasts(earlier) || isNarrower(statement.unknown, earlier.unknown);
}

function lasts({ standing }: Statement): number {
  return standing === 'durable' ? 2 : standing === 'settling' ? 1 : 0;
}

function isNarrower(window: Window | null, earlier: Window | null): boolean {
  if (earlier === null) return false;
  if (window === null) return true;
  const startsLater = (window.from?.createdAt ?? -Infinity) > (earlier.from?.createdAt ?? -Infinity);
  const endsEarlier = (window.to?.createdAt ?? Infinity) < (earlier.to?.createdAt ?? Infinity);
  return startsLater || endsEarlier;
}
