import { testLaws } from './laws.ts';

// A fifth; law.long.test.ts takes all.
testLaws(1 / 5);
