// What the command line says of the trace.

import { parseArgs } from 'node:util';
import { parse } from 'bytes';
import { FRESHNESS, MEMORY_BYTES } from './policies.ts';
import { READERS } from './readers.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    hours: { type: 'string', default: '3' },
    people: { type: 'string', default: String(READERS.people) },
    tail: { type: 'string', default: '0' },
    feed: { type: 'boolean', default: false },
    'feed-max-age': { type: 'string', default: '60000' },
    processes: { type: 'string' },
    memory: { type: 'string', default: String(MEMORY_BYTES) },
  },
});
FRESHNESS.tailMaxAgeMs = Number(values.tail);
FRESHNESS.feedMaxAgeMs = Number(values['feed-max-age']);

export interface TraceOptions {
  readonly seed: number;
  readonly hours: number;
  readonly people: number;
  /** Of each process, bytes. */
  readonly memoryBytes: number;
}

export const OPTIONS: TraceOptions = {
  seed: Number(values.seed),
  hours: Number(values.hours),
  people: Number(values.people),
  memoryBytes: parse(values.memory) ?? Number.NaN,
};

/** Whether to compare caches that hear of changes. */
export const WITH_FEED = values.feed;

/** How many processes to compare, each number by itself; null where caches are to be compared. */
export const PROCESSES: readonly number[] | null =
  values.processes === undefined ? null : values.processes.split(',').map(Number);
