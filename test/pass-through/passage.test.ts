// The line before the connections for what is passed, filled to its end.

import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { Passage } from '../../src/pass-through/passage.ts';
import { Budget } from '../../src/upstream/budget.ts';
import { newQuestionId } from '../../src/upstream/misplaced.ts';
import { listen } from '../upstream/house.ts';

test('of one caller a quarter of the connections have requests, a thousand wait, and more are told so', async () => {
  const silent = createServer(() => {});
  const port = await listen(silent);
  const passage = new Passage({
    baseUrl: new URL(`http://127.0.0.1:${port}`),
    connections: 16,
    proxies: { http: undefined, https: undefined, except: undefined },
    timeoutMs: 60_000,
    budget: new Budget({ max: 1_000_000, windowMs: 1000 }),
    now: () => performance.now(),
  });
  onTestFinished(async () => {
    await passage.close();
    silent.close();
    silent.closeAllConnections();
  });
  const gone = Array.from({ length: 1020 }, () => new AbortController());
  let sent = 0;
  const refused: unknown[] = [];
  const fates = gone.map(({ signal }) => {
    const exchange = { method: 'GET', target: '/api', headers: [], questionId: newQuestionId(), body: null };
    const request = { ...exchange, who: 'one', signal, onSent: () => sent++ };
    return passage.send(request).catch((error: unknown) => refused.push(error));
  });
  await expect.poll(() => refused.length).toBe(16);
  expect(refused).toEqual(Array(16).fill(expect.objectContaining({ code: 'overloaded' })));
  expect([sent, passage.running]).toEqual([4, 4]);
  for (const one of gone) one.abort(new Error('the caller has gone'));
  await Promise.all(fates);
  expect([sent, passage.running]).toEqual([4, 0]);
});
