// The law of trust: fed since a moment means that every condition held at every moment since then, and at none before it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterEvent, judge, type Trust, type TrustBounds, type TrustEvent, UNTRUSTED } from '../../src/feed/trust.ts';

const BOUNDS: TrustBounds = { pingAgeMaxMs: 6, frameAgeMaxMs: 20, lagMaxMs: 5, lagCalmMs: 15, distrustMs: 8, distrustMaxMs: 40 };

interface Happening {
  readonly at: number;
  readonly event: TrustEvent;
}

const event = fc.oneof(
  { weight: 8, arbitrary: fc.constant<TrustEvent>({ kind: 'ping' }) },
  { weight: 4, arbitrary: fc.constant<TrustEvent>({ kind: 'frame' }) },
  { weight: 2, arbitrary: fc.constant<TrustEvent>({ kind: 'confirmed' }) },
  { weight: 1, arbitrary: fc.constant<TrustEvent>({ kind: 'ended', why: 'closed' }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 6 }).map((lagMs): TrustEvent => ({ kind: 'lag', lagMs })) },
  { weight: 1, arbitrary: fc.constant<TrustEvent>({ kind: 'missed' }) },
);
/** Mostly close to each other, as pings are. */
const history = fc
  .array(fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 4 }) }, fc.integer({ min: 0, max: 40 })), event), {
    maxLength: 60,
  })
  .map((steps) => {
    let at = 0;
    const first = [
      { at: 0, event: { kind: 'confirmed' } as const },
      { at: 0, event: { kind: 'frame' } as const },
    ];
    return [...first, ...steps.map(([gap, what]) => ({ at: (at += gap), event: what }))];
  });

/** Whether everything held at a moment, looked up in the history alone. */
function holds(happened: readonly Happening[], now: number, forgivenAt: number): boolean {
  const past = happened.filter(({ at }) => at <= now);
  const last = past.findLastIndex(({ event: { kind } }) => kind === 'confirmed' || kind === 'ended');
  if (past[last]?.event.kind !== 'confirmed') return false;
  const since = past.slice(last);
  const alive = since.findLast(({ event: { kind } }) => kind === 'ping' || kind === 'confirmed');
  const heard = since.findLast(({ event: { kind } }) => kind === 'frame');
  if (alive === undefined || now - alive.at > BOUNDS.pingAgeMaxMs) return false;
  if (heard === undefined || now - heard.at > BOUNDS.frameAgeMaxMs) return false;
  const late = past.findLastIndex(({ event: what }) => what.kind === 'lag' && what.lagMs > BOUNDS.lagMaxMs);
  const calm =
    late === -1 ? null : past.slice(late).find(({ event: what }) => what.kind === 'lag' && what.lagMs <= BOUNDS.lagMaxMs);
  if (calm === undefined || (calm !== null && now < calm.at + BOUNDS.lagCalmMs)) return false;
  return now >= forgivenAt;
}

function run(happened: readonly Happening[]): Trust {
  return happened.reduce((trust, { at, event: what }) => afterEvent(trust, what, at, BOUNDS), UNTRUSTED);
}

test('Fed since then: all conditions have held since, without a break', () => {
  let fed = 0;
  fc.assert(
    fc.property(history, fc.integer({ min: 0, max: 25 }), (happened, later) => {
      const now = happened.at(-1)!.at + later;
      const trust = run(happened);
      const forgivenAt = trust.missed?.until ?? -Infinity;
      const judgement = judge(trust, now, BOUNDS);
      expect('since' in judgement).toBe(holds(happened, now, forgivenAt));
      if (!('since' in judgement)) return;
      fed++;
      const { since } = judgement;
      expect(since).toBeLessThanOrEqual(now);
      for (let at = since; at <= now; at++) {
        const until = happened.filter((one) => one.at <= at);
        expect(holds(until, at, run(until).missed?.until ?? -Infinity)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
  expect(fed).toBeGreaterThan(200);
});

test('What was missed ends trust for a time that doubles, up to a bound, and begins anew after a long while without', () => {
  const healthy = run([
    { at: 0, event: { kind: 'confirmed' } },
    { at: 0, event: { kind: 'frame' } },
  ]);
  const times: number[] = [];
  let trust = healthy;
  let at = 0;
  for (let index = 0; index < 5; index++) {
    trust = afterEvent(trust, { kind: 'missed' }, at, BOUNDS);
    times.push(trust.missed!.until - at);
    at = trust.missed!.until;
  }
  expect(times).toEqual([8, 16, 32, 40, 40]);
  // While there is no trust, nothing new follows of what was missed.
  const during = afterEvent(trust, { kind: 'missed' }, trust.missed!.until - 1, BOUNDS);
  expect(during.missed).toEqual(trust.missed);
  const muchLater = afterEvent(trust, { kind: 'missed' }, trust.missed!.until + 41, BOUNDS);
  expect(muchLater.missed!.forMs).toBe(8);
});

test.each([
  ['no-pings', 7],
  ['no-frames', 21],
] as const)('The reason is %s where that is what is overdue', (why, now) => {
  let trust = run([
    { at: 0, event: { kind: 'confirmed' } },
    { at: 0, event: { kind: 'frame' } },
  ]);
  if (why === 'no-frames') for (let at = 1; at <= now; at++) trust = afterEvent(trust, { kind: 'ping' }, at, BOUNDS);
  expect(judge(trust, now, BOUNDS)).toEqual({ why });
});
