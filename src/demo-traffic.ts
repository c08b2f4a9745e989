// A little traffic for the demo, so that its status page has something to show: two clients read old pages and new ones, and now and
// then somebody writes. The long conversation is left to whoever tries the demo.

import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { FakeChatwoot } from '../test/support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_ACCOUNT_ID } from '../test/support/fake-chatwoot/sample-account.ts';

const CLIENTS = [
  { name: 'crm', key: 'demo-key-of-the-crm' },
  { name: 'reports', key: 'demo-key-of-the-reports' },
] as const;

/** As CLIENT_KEYS has them. */
export const TRAFFIC_KEYS: readonly string[] = CLIENTS.map(({ name, key }) => `${name}=${key}`);

const CONVERSATIONS = [2, 3, 4, 5];
/** Between two requests; a message comes once for so many of them. */
const PACE_MS = 250;
const REQUESTS_A_MESSAGE = 40;

export interface Traffic {
  /** Resolves when nothing of it is under way. */
  end(): Promise<void>;
}

/** Reads and writes until it is told to end. A request that fails is not repeated: the next one comes soon. */
export function driveTraffic({ url, chatwoot }: { readonly url: string; readonly chatwoot: FakeChatwoot }): Traffic {
  const ending = new AbortController();
  const { signal } = ending;
  const drive = async (): Promise<void> => {
    for (let turn = 1; !signal.aborted; turn++) {
      if (turn % REQUESTS_A_MESSAGE === 0) write(chatwoot, pick(CONVERSATIONS));
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await ask(url, chatwoot, signal).catch(() => {});
      // oxlint-disable-next-line no-await-in-loop
      await sleep(PACE_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  };
  const driving = drive();
  return {
    async end() {
      ending.abort();
      await driving;
    },
  };
}

async function ask(url: string, chatwoot: FakeChatwoot, signal: AbortSignal): Promise<void> {
  const conversation = pick(CONVERSATIONS);
  const ids = chatwoot.table.rows(SAMPLE_ACCOUNT_ID, conversation).map(({ id }) => id);
  // Mostly history, as those who walk through it have it.
  const search = Math.random() < 0.2 ? '' : `?before=${pick(ids)}`;
  const target = `${url}/api/v1/accounts/${SAMPLE_ACCOUNT_ID}/conversations/${conversation}/messages${search}`;
  const { body } = await request(target, { headers: { api_access_token: pick(CLIENTS).key }, signal });
  await body.dump();
}

function write(chatwoot: FakeChatwoot, conversationId: number): void {
  chatwoot.table.insert({ accountId: SAMPLE_ACCOUNT_ID, conversationId, messageType: 0, content: 'Is there any news?' });
}

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}
