// The shared level of one process without its engine, and readings to put into it.

import { onTestFinished } from 'vitest';
import type { SharedReading } from '../../src/cache/shared-level.ts';
import { RedisLevel } from '../../src/shared/level.ts';
import type { SharedObserver } from '../../src/shared/observer.ts';
import { deriveSecrets } from '../../src/shared/secrets.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { FRESHNESS } from '../cache/library.ts';
import type { RedisServer } from '../support/redis.ts';
import { PATIENT, SILENT } from './house.ts';
import { SampleTexts } from './sample-texts.ts';

export const CONVERSATION = { accountId: 1, conversationId: 2 };

/** A level without an engine, ended with the test. */
export async function levelOver(
  { url }: Pick<RedisServer, 'url'>,
  options: Partial<ConstructorParameters<typeof RedisLevel>[0]> = {},
): Promise<{
  level: RedisLevel;
  /** Why entries were not used. */
  refused: string[];
  /** How many entries were written. */
  written: () => number;
  /** How often changes may have been missed. */
  cutOffs: () => number;
  /** What it was told to do. */
  told: unknown[][];
}> {
  const refused: string[] = [];
  const told: unknown[][] = [];
  let written = 0;
  let cutOffs = 0;
  const observer: SharedObserver = {
    ...SILENT,
    moved: (direction) => void (written += direction === 'out' ? 1 : 0),
    refused: (reason) => void refused.push(reason),
    cutOff: () => void cutOffs++,
  };
  const level = new RedisLevel({
    urls: [url],
    isCluster: false,
    prefix: 'backscroll',
    secrets: deriveSecrets({ chatwootUrl: 'http://chatwoot', tokenOf: () => 'token', tokens: ['token'] }),
    freshness: FRESHNESS,
    now: () => performance.timeOrigin + performance.now(),
    observer,
    times: PATIENT,
    ...options,
  });
  onTestFinished(() => level.close());
  level.listen({
    hear: (change) => void told.push(['hear', change]),
    lose: () => void told.push(['lose']),
    forget: (extent, marksFrom) => void told.push(['forget', extent, marksFrom]),
  });
  await level.isSharing();
  return { level, refused, written: () => written, cutOffs: () => cutOffs, told };
}

/** Any number of rows, a minute apart, the last an hour ago. */
export function rowsUpTo(count: number): readonly Row[] {
  const texts = new SampleTexts();
  const last = Math.floor(Date.now() / 1000) - 3600;
  return Array.from({ length: count }, (_, at) => ({
    id: 1000 + at,
    createdAt: last - 60 * (count - at),
    internal: false,
    raw: texts.row(1000 + at, last - 60 * (count - at)),
  }));
}

export function readingOf(rows: readonly Row[], query: Query): SharedReading {
  const envelope = { head: '{"meta":{"labels":[]},"payload":[', tail: ']}' };
  return { vouched: 0, reading: { query, rows, envelope, askedAt: performance.timeOrigin + performance.now() } };
}
