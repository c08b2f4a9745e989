// A library over an upstream, that tells nobody what it does.

import { Library } from '../../src/cache/library.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

export function libraryOver(upstream: Upstream, now: () => number): Library {
  return new Library({
    upstream,
    now,
    freshness: { tailMaxAgeMs: 0, metaMaxAgeMs: 10_000, historyMaxAgeMs: 900_000, staleIfErrorMs: 0, settleMs: 120_000 },
    memoryBytesMax: 1e6,
    mode: 'proved',
    observer: {
      upstreamRead() {},
      learnt() {},
      behindFailed() {},
      shadowed() {},
      fellBackToExact() {},
      sequenceRefuted() {},
    },
  });
}
