// Which readings of a log still tell something: the others go when it is folded into one entry. Leaving one out is always right, since
// each reading is a fact by itself; keeping one that tells nothing costs its bytes.

import type { SharedReading } from '../cache/shared-level.ts';
import type { Freshness } from '../timeline/freshness.ts';
import { historyLifetime } from '../timeline/freshness.ts';
import { learn } from '../timeline/learn.ts';
import { tellsMore } from '../timeline/plan/progress.ts';
import { EMPTY_TIMELINE } from '../timeline/timeline.ts';

/** These stay whatever they tell: the tail and the envelope are in them. */
const NEWEST_KEPT = 2;
const READINGS_MAX = 256;

/** Raw bytes that one log may stand for. */
const RAW_BYTES_MAX = 16 * 1024 * 1024;

/** @param now in the same clock as the readings, ms. @returns those to keep, the oldest first */
export function foldReadings(
  shared: readonly SharedReading[],
  { now, freshness }: { readonly now: number; readonly freshness: Freshness },
): readonly SharedReading[] {
  const oldest = now - historyLifetime(freshness).usableMs - freshness.staleIfErrorMs;
  const kept: SharedReading[] = [];
  let timeline = EMPTY_TIMELINE;
  for (const each of shared.toSorted((one, other) => other.reading.askedAt - one.reading.askedAt)) {
    const { reading, vouched } = each;
    if (reading.askedAt < oldest || kept.length >= READINGS_MAX) break;
    const learnt = learn(timeline, reading, { vouched, settleMs: freshness.settleMs, expiredBefore: -Infinity });
    if (learnt.outcome !== 'learnt' || learnt.timeline.rawBytes > RAW_BYTES_MAX) continue;
    const isMore = learnt.timeline.rows.length > timeline.rows.length || tellsMore(timeline, learnt.timeline, { now, freshness });
    if (!isMore && kept.length >= NEWEST_KEPT) continue;
    kept.push(each);
    ({ timeline } = learnt);
  }
  return kept.toReversed();
}
