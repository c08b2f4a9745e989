// Whole walks, as `npm run bench:walks` prints them.

import { expect, test } from 'vitest';
import { walkAll } from '../../bench/walks/house.ts';

test.each([0, 1000])(
  'with a tail of %i ms no walk, of agents or customers, takes more calls to Chatwoot than it may',
  async (tailMaxAgeMs) => {
    const walked = await walkAll(200, tailMaxAgeMs);
    expect(walked).toHaveLength(56);
    expect(walked.filter(({ calls, bound, wrong }) => calls > bound || wrong > 0)).toEqual([]);
  },
  60_000,
);
