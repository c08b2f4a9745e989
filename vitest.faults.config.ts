// Faults that take their time, beyond what `npm test` may take.

import { defineConfig } from 'vitest/config';
import base, { LONG_FAULTS } from './vitest.config.ts';

export default defineConfig({
  test: { ...base.test, include: [LONG_FAULTS], exclude: [], testTimeout: 300_000, hookTimeout: 300_000 },
});
