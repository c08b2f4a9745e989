// The panel of the live feed, from its metrics.

import type { Registry } from 'prom-client';
import type { Panel } from './panel.ts';
import { valuesOf } from './samples.ts';

/** Accounts that are named; of more, how many. */
const NAMED_MAX = 5;

/** @param now ms since the epoch */
export async function feedPanel(registry: Registry, now: number): Promise<Panel> {
  const [since, missed, gaps] = await Promise.all([
    valuesOf(registry, 'backscroll_feed_fed_since_seconds'),
    valuesOf(registry, 'backscroll_feed_missed_total'),
    valuesOf(registry, 'backscroll_feed_gaps_total'),
  ]);
  const lag = await valuesOf(registry, 'backscroll_feed_lag_seconds');
  const fed = since.filter(({ value }) => value > 0).length;
  const named = since.slice(0, NAMED_MAX).map(({ labels, value }): readonly [string, string] => {
    const words = value > 0 ? `trusted for ${Math.max(0, Math.round((now / 1000 - value) / 60))} min` : 'not trusted';
    return [`Account ${labels['account']}`, words];
  });
  return {
    name: 'Live feed',
    state: fed === since.length && fed > 0 ? 'good' : 'warn',
    rows: [
      ...(since.length > NAMED_MAX ? [['Accounts', `${fed} of ${since.length} trusted`] as const] : named),
      ['Missed', String(missed[0]?.value ?? 0)],
      ['Gaps', String(gaps[0]?.value ?? 0)],
      ['Mean lag', meanOf(lag)],
    ],
  };
}

function meanOf(values: Awaited<ReturnType<typeof valuesOf>>): string {
  const valueOf = (suffix: string): number => values.find(({ metricName }) => metricName?.endsWith(suffix))?.value ?? 0;
  const count = valueOf('_count');
  return count === 0 ? 'no events yet' : `${Math.round((1000 * valueOf('_sum')) / count)} ms`;
}
