// What takes longer than `npm test` may.

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import base, { LONG } from './vitest.config.ts';

export default defineConfig({
  test: {
    ...base.test,
    include: [...LONG],
    exclude: [],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // These work more than they wait, and some hold the program to times.
    maxWorkers: availableParallelism(),
  },
});
