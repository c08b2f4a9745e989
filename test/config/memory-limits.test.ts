// CACHE_MEMORY is held against what V8 and the process's control group allow, before either ends the process.

import { execFileSync } from 'node:child_process';
import { getHeapStatistics } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/load-config.ts';
import { cacheProblem, heapGrowingPercent, largestCacheBytes, memoryLimits } from '../../src/config/memory-limits.ts';

const MEBIBYTE = 1024 * 1024;
/** In megabytes; what is taken beside the cache as on Node 20. */
const limits = (old: number, process: number | null) => ({
  oldBytes: old * MEBIBYTE,
  processBytes: process === null ? null : process * MEBIBYTE,
  besideBytes: 160 * MEBIBYTE,
});
const base = { CHATWOOT_URL: 'https://chat.example.com', CHATWOOT_API_TOKEN: 'a-token', CLIENT_KEYS: 'crm=a-key-of-the-crm' };
const noFiles = (): string => {
  throw new Error('no file is read here');
};

/** CACHE_MEMORY in megabytes, or what stands against it. */
function cacheWithin(heap: number, process: number | null, text = ''): number | string {
  try {
    return loadConfig({ ...base, CACHE_MEMORY: text }, noFiles, limits(heap, process)).cacheMemoryBytes / MEBIBYTE;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n');
    throw error;
  }
}

describe('the limits of a process', () => {
  const oldMegabytes = (args: readonly string[], nodeOptions = ''): number => {
    const file = new URL('../../src/config/memory-limits.ts', import.meta.url).href;
    const program = `import { memoryLimits } from ${JSON.stringify(file)}; console.log(memoryLimits().oldBytes)`;
    const options = { env: { ...process.env, NODE_OPTIONS: nodeOptions }, encoding: 'utf8' } as const;
    const printed = execFileSync(process.execPath, [...args, '--import', 'tsx', '--input-type=module', '-e', program], options);
    return Number(printed) / MEBIBYTE;
  };

  test('are known where none is set', () => {
    const { oldBytes, processBytes, besideBytes } = memoryLimits();
    expect(oldBytes).toBeGreaterThan(32 * MEBIBYTE);
    expect(oldBytes).toBeLessThan(getHeapStatistics().heap_size_limit);
    expect(processBytes === null || processBytes > 32 * MEBIBYTE).toBe(true);
    expect(besideBytes).toBeGreaterThan(150 * MEBIBYTE);
  });

  test('are those that are set, the one on the command line before the other', () => {
    expect(oldMegabytes(['--max-semi-space-size=8', '--max_old_space_size=128'])).toBe(128);
    expect(oldMegabytes([], '--max-old-space-size=256')).toBe(256);
    expect(oldMegabytes(['--max-old-space-size=128'], '--max-old-space-size=256')).toBe(128);
  });
});

describe('by default', () => {
  test.each([
    [4096, null, 256],
    [4096, 1024, 256],
    [256, null, 152],
    [128, null, 30],
    [256, 300, 100],
    [4096, 256, 68],
  ])('a heap of %i MB and %s MB for the process make it %i MB', (heap, process, megabytes) => {
    expect(cacheWithin(heap, process)).toBe(megabytes);
  });

  test('where there is no room for any, the program does not start', () => {
    expect(cacheWithin(64, null)).toBe(
      "CACHE_MEMORY of 1 MB does not fit into V8's heap of 64 MB beside bodies of up to UPSTREAM_BODY_MAX: set NODE_OPTIONS=--max-old-space-size=98",
    );
    expect(cacheWithin(4096, 64)).toBe(
      'CACHE_MEMORY of 1 MB does not fit into the 64 MB that this process may take: give its container 162 MB',
    );
  });
});

describe('one that is set', () => {
  test('is taken where it fits, and is not made larger', () => {
    expect(cacheWithin(4096, null, '1gb')).toBe(1024);
    expect(cacheWithin(4096, null, '16mb')).toBe(16);
  });

  test("is refused beyond V8's heap, with what to set", () => {
    expect(cacheWithin(256, null, '1gb')).toBe(
      "CACHE_MEMORY of 1024 MB does not fit into V8's heap of 256 MB beside bodies of up to UPSTREAM_BODY_MAX: set NODE_OPTIONS=--max-old-space-size=1172, or CACHE_MEMORY=152mb",
    );
  });

  test('is refused beyond what the container has, with what to give it', () => {
    expect(cacheWithin(4096, 512, '512mb')).toBe(
      'CACHE_MEMORY of 512 MB does not fit into the 512 MB that this process may take: give its container 877 MB, or CACHE_MEMORY=251mb',
    );
  });

  test('that is no size is told about once', () => {
    expect(cacheWithin(64, null, 'much')).toMatch(/^CACHE_MEMORY must be a size [^\n]*$/);
  });
});

test('what is advised is enough', () => {
  const cacheBytes = 700 * MEBIBYTE;
  const advised = (problem: string | null): number => Number(/(?:size=|container )(\d+)/.exec(problem ?? '')?.[1]);
  for (const bodyMaxBytes of [MEBIBYTE, 32 * MEBIBYTE, 256 * MEBIBYTE]) {
    const heapOf = (megabytes: number) => ({ bodyMaxBytes, limits: limits(megabytes, null) });
    const heap = advised(cacheProblem({ cacheBytes, ...heapOf(256) }));
    expect(cacheProblem({ cacheBytes, ...heapOf(heap) })).toBeNull();
    expect(cacheProblem({ cacheBytes, ...heapOf(heap - 1) })).not.toBeNull();
    const containerOf = (megabytes: number) => ({ bodyMaxBytes, limits: limits(4096, megabytes) });
    const container = advised(cacheProblem({ cacheBytes, ...containerOf(512) }));
    expect(cacheProblem({ cacheBytes, ...containerOf(container) })).toBeNull();
    expect(cacheProblem({ cacheBytes, ...containerOf(container - 1) })).not.toBeNull();
    const largest = largestCacheBytes(containerOf(512));
    expect(cacheProblem({ ...containerOf(512), cacheBytes: largest })).toBeNull();
  }
});

test('the heap may double as long as that is no more than lives with a full cache', () => {
  const cacheBytes = 256 * MEBIBYTE;
  const fullBytes = (cacheBytes * 7) / 8;
  const grown = (rowBytes: number): number => (rowBytes + 32 * MEBIBYTE) * (1 + heapGrowingPercent(rowBytes, cacheBytes) / 100);
  expect(heapGrowingPercent(0, cacheBytes)).toBe(100);
  expect(heapGrowingPercent(96 * MEBIBYTE, cacheBytes)).toBe(100);
  expect(heapGrowingPercent(fullBytes * 0.75, cacheBytes)).toBe(28);
  expect(heapGrowingPercent(fullBytes, cacheBytes)).toBe(20);
  expect(heapGrowingPercent(fullBytes * 1.1, cacheBytes)).toBe(20);
  for (let rows = 0; rows <= fullBytes; rows += MEBIBYTE)
    expect(grown(rows)).toBeLessThanOrEqual(Math.max(fullBytes + 32 * MEBIBYTE, (rows + 32 * MEBIBYTE) * 1.2));
});
