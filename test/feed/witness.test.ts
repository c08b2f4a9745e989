// Which messages count as missed, and that both memories are bounded.

import { expect, test } from 'vitest';
import { Witness } from '../../src/feed/witness.ts';

const READING = { askedAt: 100, previousAskedAt: 90 };

test('A message is missed when nothing announced it, before it was read or within the time that an event may take', () => {
  const witness = new Witness({ patienceMs: 5 });
  witness.announced(1, 95);
  witness.appeared(7, [1, 2, 3], READING, 100);
  witness.announced(2, 104);
  expect(witness.overdue(104)).toEqual([]);
  expect(witness.overdue(105)).toEqual([{ accountId: 7, previousAskedAt: 90, judgedAt: 105 }]);
  expect(witness.overdue(1000)).toEqual([]);
});

test('Of what was announced before the memory reaches, nothing is judged', () => {
  const witness = new Witness({ patienceMs: 5 });
  for (let id = 1; id <= 50_001; id++) witness.announced(id, id);
  witness.appeared(7, [1], { askedAt: 60_000, previousAskedAt: 1 }, 60_000);
  expect(witness.overdue(70_000)).toEqual([]);
  witness.appeared(7, [1], { askedAt: 60_000, previousAskedAt: 2 }, 60_000);
  expect(witness.overdue(70_000)).toHaveLength(1);
});

test('The memory for suspects is bounded', () => {
  const witness = new Witness({ patienceMs: 5 });
  witness.appeared(
    7,
    Array.from({ length: 20_000 }, (_, id) => id),
    READING,
    100,
  );
  expect(witness.overdue(200)).toHaveLength(10_000);
});
