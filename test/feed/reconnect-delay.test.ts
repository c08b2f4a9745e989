// How long a cable waits before it comes back.

import { expect, test } from 'vitest';
import { CABLE_BOUNDS, reconnectDelayMs } from '../../src/feed/cable.ts';
import type { EndedBecause } from '../../src/feed/cable-endings.ts';

const CLOSED: EndedBecause = { why: 'closed', text: '', retry: 'soon' };
const TOLD_TO_STAY_AWAY: EndedBecause = { why: 'closed', text: '', retry: 'late' };
const ABSENT: EndedBecause = { why: 'no-cable', text: '', retry: 'late' };

test.each<[string, EndedBecause, number, boolean, number]>([
  ['a second after the first loss', CLOSED, 0, true, 1_000],
  ['twice as long after the next', CLOSED, 1, false, 2_000],
  ['longer with each', CLOSED, 5, true, 32_000],
  ['never longer than a minute', CLOSED, 6, true, 60_000],
  ['nor after thousands', CLOSED, 5_000, true, 60_000],
  ['a minute where it was told not to come back', TOLD_TO_STAY_AWAY, 0, true, 60_000],
  ['five minutes where there is no cable', ABSENT, 0, false, 300_000],
  ['be it the tenth time', ABSENT, 10, false, 300_000],
  ['a second where there was one', ABSENT, 0, true, 1_000],
  ['a minute where there was one long ago', ABSENT, 100, true, 60_000],
])('It waits %s, and half of that is chance', (_what, because, attempts, wasThere, ms) => {
  const delays = Array.from({ length: 1_000 }, () => reconnectDelayMs(because, { attempts, wasThere }, CABLE_BOUNDS));
  const [least, most] = [Math.min(...delays), Math.max(...delays)];
  expect(least).toBeGreaterThanOrEqual(ms / 2);
  expect(least).toBeLessThan(ms * 0.55);
  expect(most).toBeLessThanOrEqual(ms);
  expect(most).toBeGreaterThan(ms * 0.95);
});
