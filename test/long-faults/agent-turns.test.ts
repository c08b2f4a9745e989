// A thousand turns of an agent beside two pollers, with the feed, without one, and with pages that may be a second old.

import { expect, test } from 'vitest';
import { agentTurns } from '../http/agent-turns.ts';

const TURNS = 1000;

test('Of a thousand turns none misses its message, with the feed and at the default settings', async () => {
  const rows: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['FEED=cable', { FEED: 'cable' }],
    ['default', {}],
    ['TAIL_MAX_AGE=1s', { TAIL_MAX_AGE: '1s' }],
  ];
  const missed: number[] = [];
  for (const [name, env] of rows) {
    // oxlint-disable-next-line no-await-in-loop -- one machine
    const turns = await agentTurns(TURNS, env);
    process.stdout.write(
      `${name.padEnd(16)} turns ${turns.turns}  missed ${turns.missed}  answers ${turns.answers}  reads ${turns.reads}\n`,
    );
    missed.push(turns.missed);
  }
  expect(missed.slice(0, 2)).toEqual([0, 0]);
  expect(missed[2]).toBeGreaterThan(0);
});
