// An agent that a webhook wakes asks for the newest page 0 to 50 ms later, while two pollers ask for it every second. Time is
// virtual; the sockets, the cable and the webhooks are real.

import { createServer } from 'node:http';
import { expect, onTestFinished } from 'vitest';
import { messagesOf, startHouse } from '../support/backscroll.ts';
import { seededRandom } from '../support/fake-chatwoot/seeded-random.ts';
import { listen } from '../upstream/house.ts';

export interface Turns {
  readonly turns: number;
  /** Turns in which the message that woke the agent was not on the page. */
  readonly missed: number;
  /** Reads of Chatwoot, the pollers' included. */
  readonly reads: number;
  /** Answers that were given, the pollers' included. */
  readonly answers: number;
}

const CONVERSATION = 2;

/** Runs so many turns with these settings. */
export async function agentTurns(count: number, env: Readonly<Record<string, string>>): Promise<Turns> {
  const { chatwoot, backscroll, clock } = await startHouse({ env });
  const random = seededRandom(7);
  let wake: () => void = () => undefined;
  const receiver = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200).end();
      wake();
    });
  });
  chatwoot.webhooks.register(1, `http://127.0.0.1:${await listen(receiver)}/`, ['message_created']);
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  if (env['FEED'] === 'cable') {
    await expect.poll(async () => (await backscroll.metrics()).includes('backscroll_feed_fed{account="1"} 1')).toBe(true);
  }
  clock.advance(1);
  let answers = 0;
  const ask = async (): Promise<string> => {
    answers++;
    return (await backscroll.get(messagesOf(CONVERSATION))).body.toString();
  };
  /** Lets virtual time pass, in which two pollers ask once a second. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0;) {
      const now = clock.now();
      const step = Math.min(left, 500 - (now % 500));
      clock.advance(step);
      left -= step;
      // One after the other, as time passes.
      // oxlint-disable-next-line no-await-in-loop
      if (clock.now() % 500 === 0) await ask();
    }
  };
  let missed = 0;
  for (let turn = 0; turn < count; turn++) {
    // oxlint-disable-next-line no-await-in-loop
    await pass(1 + Math.floor(random() * 2500));
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const { id } = chatwoot.table.insert({ accountId: 1, conversationId: CONVERSATION, messageType: 1 });
    // oxlint-disable-next-line no-await-in-loop
    await woken;
    // oxlint-disable-next-line no-await-in-loop
    await pass(Math.floor(random() * 51));
    // oxlint-disable-next-line no-await-in-loop
    if (!(await ask()).includes(`{"id":${id},`)) missed++;
  }
  return { turns: count, missed, reads: chatwoot.log.count(({ path }) => path.endsWith('/messages')), answers };
}
