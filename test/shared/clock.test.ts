// Moments of a server whose clock is anywhere.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ServerClock } from '../../src/shared/clock.ts';

const way = fc.integer({ min: 0, max: 100 });

test('nothing is taken for younger than it is, nor for much older', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1e8, max: 1e8 }),
      fc.integer({ min: -1e8, max: 1e8 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 600_000 }), way, way), { minLength: 1, maxLength: 20 }),
      (writerAhead, readerAhead, exchanges) => {
        const [writer, reader] = [new ServerClock(), new ServerClock()];
        let now = 1e12;
        for (const [waitMs, there, back] of exchanges) {
          now += waitMs;
          for (const [clock, ahead] of [
            [writer, writerAhead],
            [reader, readerAhead],
          ] as const) {
            const told = { sentAt: now + ahead, toldMs: now + there, receivedAt: now + there + back + ahead };
            expect(clock.sample(told)).toBe(0);
          }
          now += there + back;
          const askedAt = now - 5000;
          const taken = reader.toOurs(writer.toServer(askedAt + writerAhead)) - readerAhead;
          expect(taken).toBeLessThanOrEqual(askedAt);
          expect(taken).toBeGreaterThan(askedAt - 2 * (there + back) - 2);
          expect(reader.toOursAtMost(now) - readerAhead).toBeGreaterThanOrEqual(now);
        }
      },
    ),
  );
});

test('a clock that is set back is noticed, one that is set forward makes nothing younger', () => {
  const clock = new ServerClock();
  const at = (now: number, toldMs: number): number => clock.sample({ sentAt: now, toldMs, receivedAt: now + 2 });
  expect(at(0, 1_000)).toBe(0);
  expect(at(1_000, 2_001)).toBe(0);
  expect(at(2_000, 33_000)).toBe(0);
  expect(clock.toOurs(33_000)).toBeLessThanOrEqual(2_000);
  expect(at(3_000, 3_000)).toBeGreaterThan(30_000 - 10);
  expect(at(4_000, 4_001)).toBe(0);
});

test('clocks that drift apart are not taken for set back, nor anything for younger than it is', () => {
  for (const driftShare of [-1 / 2500, 1 / 2500]) {
    const clock = new ServerClock();
    const serverAt = (now: number): number => 1e9 + now * (1 + driftShare);
    // The first exchange says most: the others take their time.
    for (let [now, tookMs] = [0, 0]; now < 3_600_000; now += 5_000, tookMs = 100) {
      expect(clock.sample({ sentAt: now - tookMs / 2, toldMs: serverAt(now), receivedAt: now + tookMs / 2 })).toBe(0);
      // But for what numbers are rounded by.
      expect(clock.toOurs(serverAt(now))).toBeLessThanOrEqual(now + 0.01);
      expect(clock.toOurs(serverAt(now))).toBeGreaterThan(now - 150);
      expect(clock.toOursAtMost(serverAt(now))).toBeGreaterThanOrEqual(now - 0.01);
    }
  }
});

test('a step of the server’s clock counts where it is more than what clocks do anyway', () => {
  const stepped = (backMs: number): number => {
    const clock = new ServerClock();
    clock.sample({ sentAt: 0, toldMs: 1e9, receivedAt: 0 });
    return clock.sample({ sentAt: 1_000, toldMs: 1e9 + 1_000 - backMs, receivedAt: 1_000 });
  };
  expect([stepped(40), stepped(60) > 50]).toEqual([0, true]);
});
