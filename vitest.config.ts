import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longer than 10 s: `npm run test:long`. */
export const LONG: readonly string[] = ['test/long-faults/**/*.test.ts', 'test/**/*.long.test.ts'];

/** Begins with what lasts longest whatever the machine, so that the rest runs beside it. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files); // oxlint-disable-line unicorn/no-array-sort -- not that of arrays
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

function isLong({ moduleId }: TestSpecification): boolean {
  return moduleId.endsWith('/differential.test.ts');
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...LONG],
    globalSetup: ['test/support/build.ts'],
    setupFiles: ['test/support/setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A busy machine takes its time; what comes at all is met at once.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongFirst },
    pool: 'forks',
    // The longest files wait more than they work.
    maxWorkers: availableParallelism() + 2,
    // Loading Fastify and its like once for each of the files takes longer than many of them run. A file leaves things as it found them.
    isolate: false,
  },
});
