import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { behindShare, Budget, burst } from '../../src/upstream/budget.ts';

/** The most of these moments that lie in one window, its beginning included and its end not. */
function mostInOneWindow(moments: readonly number[], windowMs: number): number {
  return Math.max(0, ...moments.map((from) => moments.filter((at) => at >= from && at < from + windowMs).length));
}

describe('the budget', () => {
  it('lets no more than max through in any window, and of reads behind answers no more than half', () => {
    const arrivals = fc.array(fc.record({ afterMs: fc.oneof(fc.constant(0), fc.nat(40), fc.nat(400)), behind: fc.boolean() }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 10, max: 200 }), arrivals, (max, windowMs, reads) => {
        const budget = new Budget({ max, windowMs });
        const sent: number[] = [];
        const sentBehind: number[] = [];
        let now = 0;
        for (const { afterMs, behind } of reads) {
          now += afterMs;
          const priority = behind ? 'behind' : 'caller';
          // Some wait for as long as they are told to, as the line does; then it must be their turn.
          now += budget.waitMs(priority, 0, now);
          expect(budget.waitMs(priority, 0, now)).toBe(0);
          budget.spend(priority, now);
          sent.push(now);
          if (behind) sentBehind.push(now);
        }
        expect(mostInOneWindow(sent, windowMs)).toBeLessThanOrEqual(max);
        expect(mostInOneWindow(sentBehind, windowMs)).toBeLessThanOrEqual(behindShare(max));
      }),
    );
  });

  it('lets max through at once, and the next when the window is over', () => {
    const budget = new Budget({ max: 3, windowMs: 100 });
    for (let i = 0; i < 3; i++) {
      expect(budget.waitMs('caller', 0, 10)).toBe(0);
      budget.spend('caller', 10);
    }
    expect(budget.waitMs('caller', 0, 10)).toBe(100);
    expect(budget.waitMs('caller', 0, 60)).toBe(50);
    expect(budget.waitMs('caller', 0, 110)).toBe(0);
  });

  const arrivals = fc.array(fc.record({ afterMs: fc.oneof(fc.constant(0), fc.nat(40), fc.nat(4000)), reads: fc.nat(120) }), {
    maxLength: 40,
  });

  it('has a turn soon, however much was sent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 300 }), arrivals, (max, crowds) => {
        const windowMs = 10_000;
        const budget = new Budget({ max, windowMs });
        const sent: number[] = [];
        let now = 0;
        for (const { afterMs, reads } of crowds) {
          now += afterMs;
          for (let i = 0; i < reads; i++) {
            const waitMs = budget.waitMs('caller', 0, now);
            expect(waitMs).toBeLessThanOrEqual(windowMs / (max - burst(max)) + 1e-6);
            now += waitMs;
            budget.spend('caller', now);
            sent.push(now);
          }
        }
        expect(mostInOneWindow(sent, windowMs)).toBeLessThanOrEqual(max);
      }),
      { numRuns: 60 },
    );
  });

  it('loses nothing to its pace: what is wanted all the time gets the whole of it', () => {
    const budget = new Budget({ max: 2400, windowMs: 60_000 });
    let sent = 0;
    for (let now = 0; now < 300_000; now += budget.waitMs('caller', 0, now)) {
      budget.spend('caller', now);
      sent++;
    }
    expect(sent).toBeGreaterThanOrEqual(5 * 2400 - 1);
  });

  it('never foretells more than the wait will be', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 200 }), arrivals, fc.nat(150), (max, crowds, before) => {
        const budget = new Budget({ max, windowMs: 1000 });
        let now = 0;
        for (const { afterMs, reads } of crowds.slice(0, 5)) {
          now += afterMs;
          for (let i = 0; i < reads && budget.waitMs('caller', 0, now) === 0; i++) budget.spend('caller', now);
        }
        const foretold = now + budget.waitMs('caller', before, now);
        for (let i = 0; i < before; i++) {
          now += budget.waitMs('caller', 0, now);
          budget.spend('caller', now);
        }
        expect(now + budget.waitMs('caller', 0, now)).toBeGreaterThanOrEqual(foretold - 1e-6);
      }),
    );
  });

  it('foretells the wait of each in a line that goes as early as it can', () => {
    const ahead = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(60), { maxLength: 20 }), ahead, (max, gaps, before) => {
        const budget = new Budget({ max, windowMs: 100 });
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          if (budget.waitMs('caller', 0, now) === 0) budget.spend('caller', now);
        }
        const foretold = now + budget.waitMs('caller', before, now);
        for (let i = 0; i < before; i++) {
          now += budget.waitMs('caller', 0, now);
          budget.spend('caller', now);
        }
        expect(now + budget.waitMs('caller', 0, now)).toBe(foretold);
      }),
    );
  });

  it('counts what was sent before when it is limited to less', () => {
    const budget = new Budget({ max: 10, windowMs: 100 });
    for (let n = 0; n < 6; n++) budget.spend('caller', n);
    budget.limitTo(4);
    // The fourth of the last four is to be a window ago.
    expect(budget.waitMs('caller', 0, 10)).toBe(92);
    expect(budget.waitMs('caller', 1, 10)).toBe(93);
    expect(budget.left(10)).toBe(0);
    expect(budget.left(103)).toBe(2);
    expect(budget.sent(103)).toBe(2);
    budget.spend('behind', 103);
    budget.spend('behind', 103);
    expect(budget.waitMs('behind', 0, 110)).toBe(93);
    budget.limitTo(10);
    expect(budget.left(110)).toBe(8);
  });
});
