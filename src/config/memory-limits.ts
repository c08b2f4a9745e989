// What CACHE_MEMORY may be in this process: cached rows are strings on V8's heap, rendered pages are buffers beside it. V8 ends a
// process whose heap is full, a container's host one that takes more than it may.

import { getHeapStatistics } from 'node:v8';

export interface MemoryLimits {
  /** Of the part of V8's heap that holds what lives long: what `--max-old-space-size` sets. */
  readonly oldBytes: number;
  /** Of all that the process takes, as its control group has it; null where nothing limits it. */
  readonly processBytes: number | null;
  /** What the process takes at most beside what CACHE_MEMORY makes it take. */
  readonly besideBytes: number;
}

const MEBIBYTE = 1024 * 1024;

/** Since Node 24, V8 has more for what has just been made, and lets more buffers pile up that nobody needs any more. */
const HAS_LARGE_YOUNG = Number.parseInt(process.versions.v8, 10) >= 13;

/** Of CACHE_MEMORY, what rendered pages may hold; the rest is for rows. */
export const RENDERED_SHARE = 1 / 8;

/** How far V8 lets its heap grow before it looks for garbage, of what lived when it last did, where the cache is full. */
const HEAP_GROWING_PERCENT = 20;
/** The same at most: its default. */
const HEAP_GROWING_PERCENT_MAX = 100;

/** What V8 needs of heap for a byte of rows: with less to spare it looks for garbage all the time. */
const HEAP_FOR_ROWS = 1 + HEAP_GROWING_PERCENT / 100;
/** The program, and what it works with. */
const HEAP_BESIDE_BYTES = 32 * MEBIBYTE;
/** Bodies are buffers, their rows are on the heap: those of as many bodies as large as may be, before older ones have made room. */
const HEAP_FOR_BODY = 2;
/** What the process takes for a byte of CACHE_MEMORY, for one of young heap, and beside (measured by `npm run bench:memory`). */
const TAKEN_FOR_CACHE = 1.4;
const TAKEN_FOR_YOUNG = 0.7;
const TAKEN_BESIDE_BYTES = (HAS_LARGE_YOUNG ? 240 : 136) * MEBIBYTE;
/** Below this a limit is nothing to run in. */
const CACHE_BYTES_MIN = MEBIBYTE;

/**
 * How far V8 may let its heap grow, per cent of what lived when it last looked for garbage: to what lives with a full cache. To look
 * through all that is cached each time it is a fifth more would cost a good part of what filling it costs.
 */
export function heapGrowingPercent(rowBytes: number, cacheBytes: number): number {
  const fullBytes = cacheBytes * (1 - RENDERED_SHARE) + HEAP_BESIDE_BYTES;
  const percent = (fullBytes / (rowBytes + HEAP_BESIDE_BYTES) - 1) * 100;
  return Math.floor(Math.min(HEAP_GROWING_PERCENT_MAX, Math.max(HEAP_GROWING_PERCENT, percent)));
}

/** Those of this process. */
export function memoryLimits(): MemoryLimits {
  const { heap_size_limit: heapBytes } = getHeapStatistics();
  const oldBytes = oldBytesSet(`${process.env['NODE_OPTIONS'] ?? ''} ${process.execArgv.join(' ')}`);
  const youngBytes = oldBytes === null ? Math.min(YOUNG_BYTES, heapBytes / 2) : heapBytes - oldBytes;
  // Node says 0 or 2^64 where there is none.
  const constrained = process.constrainedMemory();
  const isKnown = constrained > 0 && constrained < Number.MAX_SAFE_INTEGER;
  return { oldBytes: heapBytes - youngBytes, processBytes: isKnown ? constrained : null, besideBytes: takenBeside(youngBytes) };
}

/** What the process takes at most without a cache, where V8 has so much for what has just been made. */
export function takenBeside(youngBytes: number): number {
  return youngBytes * TAKEN_FOR_YOUNG + TAKEN_BESIDE_BYTES;
}

/** V8's default. */
const YOUNG_BYTES = 3 * (HAS_LARGE_YOUNG ? 64 : 16) * MEBIBYTE;

/** The last one counts. */
function oldBytesSet(options: string): number | null {
  const megabytes = [...options.matchAll(/--max[-_]old[-_]space[-_]size[= ](\d+)/g)].at(-1)?.[1];
  return megabytes === undefined ? null : Number(megabytes) * MEBIBYTE;
}

export interface Room {
  /** The largest body that is read. */
  readonly bodyMaxBytes: number;
  readonly limits: MemoryLimits;
}

/** The largest CACHE_MEMORY within the limits, whole megabytes; less than one where there is no room for any. */
export function largestCacheBytes({ bodyMaxBytes, limits }: Room): number {
  const { oldBytes, processBytes } = limits;
  const inHeap = (oldBytes - heapBeside(bodyMaxBytes)) / (HEAP_FOR_ROWS * (1 - RENDERED_SHARE));
  const inProcess = processBytes === null ? Infinity : (processBytes - takenBytesMax(0, limits)) / TAKEN_FOR_CACHE;
  return Math.floor(Math.min(inHeap, inProcess) / MEBIBYTE) * MEBIBYTE;
}

/** What stands against a CACHE_MEMORY of so many bytes, and what helps; null for nothing. */
export function cacheProblem({ cacheBytes, ...room }: Room & { readonly cacheBytes: number }): string | null {
  const { bodyMaxBytes, limits } = room;
  const largest = largestCacheBytes(room);
  if (cacheBytes <= largest) return null;
  const orLess = largest < CACHE_BYTES_MIN ? '' : `, or CACHE_MEMORY=${inMegabytes(largest)}mb`;
  const oldBytes = cacheBytes * (1 - RENDERED_SHARE) * HEAP_FOR_ROWS + heapBeside(bodyMaxBytes);
  if (oldBytes > limits.oldBytes) {
    return (
      `of ${inMegabytes(cacheBytes)} MB does not fit into V8's heap of ${inMegabytes(limits.oldBytes)} MB beside bodies of up to ` +
      `UPSTREAM_BODY_MAX: set NODE_OPTIONS=--max-old-space-size=${inMegabytes(oldBytes)}${orLess}`
    );
  }
  return (
    `of ${inMegabytes(cacheBytes)} MB does not fit into the ${inMegabytes(limits.processBytes ?? 0)} MB that this process may take: ` +
    `give its container ${inMegabytes(takenBytesMax(cacheBytes, limits))} MB${orLess}`
  );
}

/** What the process takes at most with a CACHE_MEMORY of so many bytes, unread answers and bodies of many megabytes aside. */
export function takenBytesMax(cacheBytes: number, { besideBytes }: Pick<MemoryLimits, 'besideBytes'>): number {
  return cacheBytes * TAKEN_FOR_CACHE + besideBytes;
}

function heapBeside(bodyMaxBytes: number): number {
  return HEAP_BESIDE_BYTES + HEAP_FOR_BODY * bodyMaxBytes;
}

function inMegabytes(bytes: number): number {
  return Math.ceil(bytes / MEBIBYTE);
}
