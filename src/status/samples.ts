// What the counters of /metrics came to between two moments: one row of numbers for the plots.

import type { Registry } from 'prom-client';
import { READ_REASONS } from '../cache/observer.ts';
import { OUTCOMES } from '../cache/outcome.ts';

const REQUEST_OUTCOMES = [...OUTCOMES, 'none'];

/** What the numbers of a row are, in order: moment, requests by outcome, calls by reason, quantiles, memory. */
export const COLUMNS: readonly string[] = [
  'at',
  ...REQUEST_OUTCOMES,
  ...READ_REASONS,
  'medianMs',
  'p99Ms',
  'cacheBytes',
  'rssBytes',
];

/** Totals since the start. */
export interface Totals {
  readonly requests: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, number>>;
  /** Requests answered with a page. */
  readonly pages: number;
}

export interface Reading extends Totals {
  readonly at: number;
  /** Requests no longer than each bound, in seconds, ascending. */
  readonly durations: ReadonlyMap<number, number>;
  readonly cacheBytes: number;
  readonly rssBytes: number;
}

/** Reads the counters as /metrics would now. */
export async function readCounters(registry: Registry, at: number): Promise<Reading> {
  const [requests, calls, durations, cache] = await Promise.all(
    [
      'backscroll_requests_total',
      'backscroll_upstream_reads_total',
      'backscroll_request_duration_seconds',
      'backscroll_cache_bytes',
    ].map(async (name) => valuesOf(registry, name)),
  );
  const bounds = new Map<number, number>();
  for (const { labels, value } of durations!) {
    if (labels['le'] === undefined) continue;
    const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
    bounds.set(bound, (bounds.get(bound) ?? 0) + value);
  }
  return {
    at,
    requests: sumBy(requests!, 'outcome', REQUEST_OUTCOMES),
    calls: sumBy(calls!, 'reason', READ_REASONS),
    pages: requests!.reduce((sum, { labels, value }) => sum + (isPage(labels['status']) ? value : 0), 0),
    durations: new Map([...bounds].toSorted(([a], [b]) => a - b)),
    cacheBytes: cache![0]?.value ?? 0,
    rssBytes: process.memoryUsage.rss(),
  };
}

/** The row for the time between two readings. */
export function rowOf(before: Reading, after: Reading): readonly (number | null)[] {
  const counts = (part: 'requests' | 'calls'): number[] =>
    Object.entries(after[part]).map(([name, value]) => value - (before[part][name] ?? 0));
  const durations = [...after.durations].map(([bound, value]) => [bound, value - (before.durations.get(bound) ?? 0)] as const);
  return [
    Math.round(after.at / 1000),
    ...counts('requests'),
    ...counts('calls'),
    quantileMs(durations, 0.5),
    quantileMs(durations, 0.99),
    after.cacheBytes,
    after.rssBytes,
  ];
}

/** As Prometheus' histogram_quantile: even within a bucket; null where there was nothing. */
function quantileMs(cumulative: readonly (readonly [number, number])[], share: number): number | null {
  const total = cumulative.at(-1)?.[1] ?? 0;
  if (total === 0) return null;
  const rank = share * total;
  let [lowBound, below] = [0, 0];
  for (const [bound, count] of cumulative) {
    if (count >= rank) {
      const seconds = bound === Infinity ? lowBound : lowBound + ((bound - lowBound) * (rank - below)) / (count - below);
      return Math.round(seconds * 1e5) / 100;
    }
    [lowBound, below] = [bound, count];
  }
  return null;
}

/** One value of a metric. */
export interface Value {
  /** Of the parts of a histogram, its own name. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

/** @throws where there is no such metric */
export async function valuesOf(registry: Registry, name: string): Promise<readonly Value[]> {
  const metric = registry.getSingleMetric(name);
  if (metric === undefined) throw new Error(`there is no metric ${name}`);
  return (await metric.get()).values;
}

function sumBy(values: readonly Value[], label: string, names: readonly string[]): Record<string, number> {
  const sums = Object.fromEntries(names.map((name) => [name, 0]));
  for (const { labels, value } of values) {
    const name = String(labels[label]);
    sums[name] = (sums[name] ?? 0) + value;
  }
  return sums;
}

function isPage(status: string | number | undefined): boolean {
  return String(status) === '200' || String(status) === '304';
}
