// Callers wait for no read behind answers: one that asks the same while a caller's is under way does not become the callers' next.

import { expect, test } from 'vitest';
import type { ReadPriority, Upstream } from '../../src/upstream/upstream.ts';
import { testClock } from '../support/backscroll.ts';
import { libraryOver } from './library.ts';

const CONVERSATION = { accountId: 1, conversationId: 2 };
const QUERY = { mode: 'after', after: 5, publicOnly: false } as const;

test('a caller joins no read that waits behind', async () => {
  const clock = testClock();
  const asked: ReadPriority[] = [];
  const answers: (() => void)[] = [];
  const upstream: Upstream = {
    read: (_conversation, query, _signal, options) =>
      new Promise((resolve) => {
        asked.push(options!.priority);
        options!.onTurn?.(Promise.resolve());
        const answer = { rows: [], envelope: { head: '{"meta":{},"payload":[', tail: ']}' }, askedAt: clock.now() };
        answers.push(() => resolve({ kind: 'unlearnable', because: 'members', answer: { ...answer, ...query } }));
      }),
    check: () => Promise.resolve(null),
    close: () => Promise.resolve(),
  };
  const library = libraryOver(upstream, clock.now);
  const read = (priority: ReadPriority) => library.read(CONVERSATION, QUERY, { reason: 'fill', priority }).result;

  const first = read('caller');
  await Promise.resolve();
  await Promise.resolve();
  clock.advance(1000);
  const behind = read('behind');
  const later = read('caller');
  answers[0]!();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toEqual(['caller', 'behind', 'caller']);
  for (const answer of answers) answer();
  await Promise.all([behind, later]);
});
