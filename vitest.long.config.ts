// What takes longer than `npm test` may.

import { defineConfig } from 'vitest/config';
import base, { LONG } from './vitest.config.ts';

export default defineConfig({
  test: { ...base.test, include: [...LONG], exclude: [], testTimeout: 300_000, hookTimeout: 300_000 },
});
