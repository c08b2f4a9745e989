// What an operator is told in the log of the feed: what is wrong, and what to do.

import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { FeedObserver } from '../../src/feed/observer.ts';
import { feedObserver } from '../../src/http/feed-told.ts';

test.each<[string, (observer: FeedObserver) => void, object]>([
  [
    'a change that could not be applied',
    (observer) => observer.failed(new Error('broken')),
    { level: 50, msg: expect.stringMatching(/^a mistake while a change was applied/), err: { message: 'broken' } },
  ],
  [
    'accounts that are too many',
    (observer) => observer.passedOver(10),
    { level: 40, accounts: 10, msg: expect.stringMatching(/a token of another user in CHATWOOT_ACCOUNT_TOKENS$/) },
  ],
  [
    'a cable that comes to nothing',
    (observer) => observer.unheard({ why: 'no-cable', text: 'there is none', retry: 'late' }),
    { level: 40, why: 'no-cable', msg: expect.stringMatching(/ages are the ordinary ones: there is none$/) },
  ],
])('%s is told', (_what, tell, line) => {
  const logs: string[] = [];
  const logger = pino({ base: null }, { write: (text: string) => void logs.push(text) });
  tell(feedObserver(new Registry(), logger, () => 0));
  expect(logs.map((text) => JSON.parse(text) as unknown)).toMatchObject([line]);
});

test('what comes late and what is no frame is counted', async () => {
  const registry = new Registry();
  const observer = feedObserver(registry, pino({ level: 'silent' }), () => 0);
  observer.lag(200);
  observer.lag(1300);
  observer.garbage();
  const text = await registry.metrics();
  expect(text).toContain('backscroll_feed_lag_seconds_sum 1.5\n');
  expect(text).toContain('backscroll_feed_lag_seconds_bucket{le="0.25"} 1\n');
  expect(text).toContain('backscroll_feed_garbage_total 1\n');
});
