import { expect, test } from 'vitest';
import {
  historyLifetime,
  metaLifetime,
  newestRowLifetime,
  statementLifetime,
  tailLifetime,
} from '../../src/timeline/freshness.ts';
import { FRESHNESS, MINUTES, SECONDS } from './rows.ts';

test('history is fresh for HISTORY_MAX_AGE and answered up to twice that', () => {
  expect(historyLifetime(FRESHNESS)).toEqual({ freshMs: 15 * MINUTES, usableMs: 30 * MINUTES });
});

test('the tail is fresh for TAIL_MAX_AGE and not answered beyond', () => {
  expect(tailLifetime(FRESHNESS)).toEqual({ freshMs: 1 * SECONDS, usableMs: 1 * SECONDS });
});

test('`meta` is fresh for META_MAX_AGE and answered up to six times that, beside the newest page not beyond', () => {
  expect(metaLifetime(FRESHNESS, false)).toEqual({ freshMs: 10 * SECONDS, usableMs: 60 * SECONDS });
  expect(metaLifetime(FRESHNESS, true)).toEqual({ freshMs: 10 * SECONDS, usableMs: 10 * SECONDS });
});

test('a settled row on the newest page is read again after a tenth of its age, within a minute at first, never later than history', () => {
  const usable = (rowAgeMs: number, freshness = FRESHNESS): number => {
    const { freshMs, usableMs } = newestRowLifetime(freshness, rowAgeMs);
    expect(freshMs).toBe(usableMs);
    return usableMs;
  };
  expect([-1 * MINUTES, 0, 10 * MINUTES].map((age) => usable(age))).toEqual([60 * SECONDS, 60 * SECONDS, 60 * SECONDS]);
  expect([20 * MINUTES, 100 * MINUTES].map((age) => usable(age))).toEqual([2 * MINUTES, 10 * MINUTES]);
  expect([150 * MINUTES, 1e9 * MINUTES].map((age) => usable(age))).toEqual([15 * MINUTES, 15 * MINUTES]);
  expect(usable(0, { ...FRESHNESS, historyMaxAgeMs: 30 * SECONDS })).toBe(30 * SECONDS);
});

test('a durable statement lives as history does, a transient one as the tail', () => {
  expect(statementLifetime(FRESHNESS, 'durable')).toEqual(historyLifetime(FRESHNESS));
  expect(statementLifetime(FRESHNESS, 'transient')).toEqual(tailLifetime(FRESHNESS));
});

test('a settling statement lives for SETTLE, and never outlives the freshness of history', () => {
  const settle = { freshMs: 2 * MINUTES, usableMs: 2 * MINUTES };
  expect(statementLifetime(FRESHNESS, 'settling')).toEqual(settle);
  const shorter = { ...FRESHNESS, historyMaxAgeMs: 30 * SECONDS };
  expect(statementLifetime(shorter, 'settling')).toEqual({ freshMs: 30 * SECONDS, usableMs: 30 * SECONDS });
});

test('a lifetime of 0 allows nothing but the moment itself', () => {
  const never = { ...FRESHNESS, tailMaxAgeMs: 0, metaMaxAgeMs: 0, historyMaxAgeMs: 0 };
  for (const life of [
    historyLifetime(never),
    tailLifetime(never),
    metaLifetime(never, false),
    newestRowLifetime(never, 1 * MINUTES),
    statementLifetime(never, 'settling'),
  ]) {
    expect(life).toEqual({ freshMs: 0, usableMs: 0 });
  }
});
