// Runs before every test file: no test passes in which Backscroll gave its token away.

import { afterAll, afterEach, expect } from 'vitest';
import { takeLeaks } from './canary.ts';

function expectNoLeaks(): void {
  expect(takeLeaks()).toEqual([]);
}

afterEach(expectNoLeaks);
afterAll(expectNoLeaks);
