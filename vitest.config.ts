import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Minutes long; `npm run test:faults` runs it.
    exclude: process.env['FAULTS'] === 'all' ? [] : ['test/faults/moving-fault.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    maxWorkers: '100%',
  },
});
