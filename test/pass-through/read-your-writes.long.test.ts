// The same as in read-your-writes.test.ts, so often that what happens seldom happens.

import { expect, test } from 'vitest';
import { sendAndLook } from './send-and-look.ts';

test('a message sent is in the very next newest page, a thousand times, with pollers beside it', async () => {
  const { missed, polls } = await sendAndLook(1000);
  expect([missed, polls > 100]).toEqual([0, true]);
});
