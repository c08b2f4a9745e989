// What Cache-Status says depends on nothing that was said before.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { OUTCOMES } from '../../src/cache/outcome.ts';
import { cacheStatus } from '../../src/http/cache-status.ts';

const answers = fc.record({
  outcome: fc.constantFrom(...OUTCOMES),
  level: fc.constantFrom('memory' as const, 'shared' as const),
  ttlMs: fc.option(fc.integer({ min: -2000, max: 2000 })),
  stored: fc.boolean(),
});

test('each answer is told as it would be alone', () => {
  fc.assert(
    fc.property(fc.array(answers, { minLength: 2 }), (all) => {
      for (const answer of all) {
        const { outcome, level, ttlMs, stored } = answer;
        const said = cacheStatus(answer);
        const isHit = outcome === 'hit' || outcome === 'stale';
        expect(said.includes('; hit')).toBe(isHit);
        expect(said.includes('; fwd=stale')).toBe(outcome === 'stale');
        expect(said.includes('; collapsed')).toBe(outcome === 'coalesced');
        expect(said.includes('; stored')).toBe(!isHit && stored);
        expect(/; ttl=(-?\d+)/.exec(said)?.[1]).toBe(isHit && ttlMs !== null ? String(Math.floor(ttlMs / 1000)) : undefined);
        expect(said.endsWith('; detail=shared')).toBe(isHit && level === 'shared');
      }
    }),
  );
});
