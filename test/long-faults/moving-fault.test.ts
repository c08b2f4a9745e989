// Every fault, at every read: what `npm test` tries with one of each sort.

import { testMovingFaults } from '../faults/moving-fault.ts';

testMovingFaults('all');
