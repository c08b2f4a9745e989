import { configDefaults, defineConfig } from 'vitest/config';

/** Tests that take longer than 10 s each: `npm run test:faults`. */
export const LONG_FAULTS = 'test/long-faults/**/*.test.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, LONG_FAULTS],
    globalSetup: ['test/support/build.ts'],
    setupFiles: ['test/support/setup.ts'],
    testTimeout: 30_000,
    pool: 'forks',
    maxWorkers: '100%',
    // Loading Fastify and its like once for each of the files takes longer than many of them run. A file leaves things as it found them.
    isolate: false,
  },
});
