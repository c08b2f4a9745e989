// The feed's standing with an account, with the bounds that it has, and what is told of it.

import { expect, test } from 'vitest';
import { FEED_BOUNDS } from '../../src/feed/feed.ts';
import type { Standing } from '../../src/feed/observer.ts';
import { Standings } from '../../src/feed/standings.ts';

const MINUTE = 60_000;

function house() {
  let now = 1_000_000;
  const told: string[] = [];
  let gaps = 0;
  const standings = new Standings({
    bounds: { ...FEED_BOUNDS.trust, lagMaxMs: 5000 },
    now: () => now,
    observer: {
      standing: (_account, standing: Standing) => told.push(standing.kind === 'fed' ? 'fed' : standing.why),
      gap: () => gaps++,
    },
  });
  const happened = (...kinds: readonly ('ping' | 'frame' | 'missed')[]): void => {
    for (const kind of kinds) standings.happened(1, { kind });
  };
  return {
    standings,
    told,
    happened,
    gaps: () => gaps,
    now: () => now,
    /** Lets time pass, in which each of these happens every second. */
    pass: (ms: number, ...kinds: readonly ('ping' | 'frame')[]): void => {
      for (const until = now + ms; now < until;) {
        now = Math.min(until, now + 1000);
        if (now < until || ms % 1000 === 0) happened(...kinds);
      }
    },
    trust: (): void => {
      standings.confirmed(1, true);
      happened('frame');
    },
  };
}

test('it is trusted since the first frame, for six seconds without a sign of life, and for a minute without a frame', () => {
  const { standings, told, pass, trust, now } = house();
  trust();
  const startedAt = now();
  expect(standings.fedSince(1)).toBe(startedAt);
  pass(MINUTE, 'ping');
  expect(standings.fedSince(1)).toBe(startedAt);
  pass(1);
  expect(standings.fedSince(1)).toBeNull();
  pass(999, 'ping');
  trust();
  pass(6000);
  expect(standings.fedSince(1)).not.toBeNull();
  pass(1);
  expect(standings.fedSince(1)).toBeNull();
  standings.look();
  standings.look();
  expect(told).toEqual(['fed', 'fed', 'no-pings']);
});

test('a late event ends it until all have been in time for a minute', () => {
  const { standings, pass, trust, now } = house();
  trust();
  standings.happened(1, { kind: 'lag', lagMs: 5000 });
  expect(standings.fedSince(1)).not.toBeNull();
  standings.happened(1, { kind: 'lag', lagMs: 5001 });
  expect(standings.fedSince(1)).toBeNull();
  pass(MINUTE, 'ping', 'frame');
  expect(standings.fedSince(1)).toBeNull();
  standings.happened(1, { kind: 'lag', lagMs: 10 });
  const inTimeAt = now();
  pass(MINUTE / 2, 'ping', 'frame');
  standings.happened(1, { kind: 'lag', lagMs: 10 });
  pass(MINUTE / 2 - 1000, 'ping', 'frame');
  expect(standings.fedSince(1)).toBeNull();
  pass(1000, 'ping', 'frame');
  expect(standings.fedSince(1)).toBe(inTimeAt + MINUTE);
});

test('a message that was missed ends it for a minute, then for two, and for an hour at most', () => {
  const { standings, pass, trust, happened } = house();
  trust();
  for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
    happened('missed');
    pass((minutes - 1) * MINUTE + 59_000, 'ping', 'frame');
    expect([minutes, standings.fedSince(1)]).toEqual([minutes, null]);
    pass(1000, 'ping', 'frame');
    expect([minutes, standings.fedSince(1)]).not.toEqual([minutes, null]);
  }
});

test('what is told is told once, and a gap only where there was a subscription', () => {
  const { standings, told, gaps, trust, happened, pass } = house();
  for (const _ of [1, 2]) standings.ended(1, { why: 'no-cable', text: 'there is none', retry: 'late' });
  expect([told, gaps()]).toEqual([['no-cable'], 0]);
  trust();
  pass(3000, 'ping', 'frame');
  for (const _ of [1, 2, 3]) standings.ended(1, { why: 'closed', text: 'it was closed', retry: 'soon' });
  happened('ping');
  expect([told, gaps()]).toEqual([['no-cable', 'fed', 'closed'], 1]);
});

test('where the user is no administrator it is never trusted, nor is an account of which nothing is known', () => {
  const { standings, told, happened } = house();
  standings.confirmed(1, false);
  happened('frame', 'ping');
  expect([standings.fedSince(1), standings.fedSince(2), told]).toEqual([null, null, ['not-administrator']]);
});
