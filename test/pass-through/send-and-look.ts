// Messages are sent one after the other, and each time somebody looks at the newest page, while others poll it.

import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';
import { KEY, messagesOf } from '../support/backscroll.ts';
import { OWN, RUNNING, startPassingHouse } from './house.ts';

/** As old as a page may be for a cache that hears of no write: what shows them is that it does. */
export const OLD = {
  UPSTREAM_RATE: '1000000/1s',
  TAIL_MAX_AGE: '1m',
  META_MAX_AGE: '1h',
  HISTORY_MAX_AGE: '1d',
  SETTLE: '1s',
};

interface Row {
  readonly id: number;
}

/** @returns how many messages were not on the next page, and how often was polled meanwhile. */
export async function sendAndLook(times: number): Promise<{ readonly missed: number; readonly polls: number }> {
  const { backscroll } = await startPassingHouse({ env: OLD, clock: RUNNING });
  const agent = new Agent({ connections: 4 });
  onTestFinished(() => agent.close());
  const send = async (token: string, method: 'GET' | 'POST' = 'GET', body: string | null = null): Promise<unknown> => {
    const headers = { 'api-access-token': token, 'content-type': 'application/json' };
    const answer = await request(backscroll.url + messagesOf(5), { dispatcher: agent, method, headers, body });
    return answer.body.json();
  };
  const over = new AbortController();
  let polls = 0;
  const poll = async (token: string): Promise<void> => {
    while (!over.signal.aborted) {
      await send(token);
      await sleep(5);
      polls++;
    }
  };
  const pollers = [poll(KEY), poll(OWN)];
  let missed = 0;
  for (let n = 0; n < times; n++) {
    const sent = (await send(OWN, 'POST', `{"content":"message ${n}"}`)) as Row;
    const { payload: page } = (await send(n % 2 === 0 ? OWN : KEY)) as { payload: readonly Row[] };
    if (page.at(-1)?.id !== sent.id) missed++;
  }
  over.abort();
  await Promise.all(pollers);
  return { missed, polls };
}
