// What tests of the engine share: a library over an upstream that tells nobody what it does, and the parts of that.

import { Library } from '../../src/cache/library.ts';
import type { CacheObserver } from '../../src/cache/observer.ts';
import type { Freshness } from '../../src/timeline/freshness.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { ConversationId, Upstream, UpstreamAnswer } from '../../src/upstream/upstream.ts';

/** The defaults of the settings, and how long things live with a feed. */
export const FRESHNESS: Freshness = {
  tailMaxAgeMs: 0,
  metaMaxAgeMs: 10_000,
  historyMaxAgeMs: 900_000,
  staleIfErrorMs: 3_600_000,
  settleMs: 120_000,
  feedMaxAgeMs: 60_000,
};

/** Of what goes on, nobody hears. */
export const SILENT: CacheObserver = {
  upstreamRead() {},
  learnt() {},
  behindFailed() {},
  shadowed() {},
  fellBackToExact() {},
  sequenceRefuted() {},
};

/** An upstream where each read has its turn at once. */
export function upstreamOf(answer: (conversation: ConversationId, query: Query) => Promise<UpstreamAnswer>): Upstream {
  return {
    read(conversation, query, _signal, options) {
      if (query.mode === 'before_timestamp') throw new Error('not asked here');
      const exchange = answer(conversation, query);
      options?.onTurn?.(exchange);
      return exchange;
    },
    check: async () => null,
    close: async () => undefined,
  };
}

export function libraryOver(upstream: Upstream, now: () => number): Library {
  return new Library({
    upstream,
    now,
    freshness: { ...FRESHNESS, staleIfErrorMs: 0 },
    memoryBytesMax: 1e6,
    mode: 'proved',
    observer: SILENT,
  });
}
