// What a newcomer types works in a fresh clone.

import { vi } from 'vitest';
import { cloned, testServer } from './scripts.ts';

vi.setConfig({ testTimeout: 120_000 });

const clone = cloned();
testServer('start', clone);
testServer('demo', clone);
