// A fault of each sort, at every read: no answer is wrong, nothing wrong is kept, nobody waits too long, and nothing is left behind.

import { testMovingFaults } from './moving-fault.ts';

testMovingFaults('few');
