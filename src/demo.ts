// `backscroll demo`: Backscroll before a built-in sample Chatwoot. Needs no account, no Redis, no container.

import type { FakeChatwoot } from '../test/support/fake-chatwoot/fake-chatwoot.ts';
import { SAMPLE_ACCOUNT_ID, SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import closeWithGrace from 'close-with-grace';
import { SignJWT } from 'jose';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildApp, type App } from './app.ts';
import { listen } from './http/listen.ts';
import { loadConfig } from './config/load-config.ts';
import { EXAMPLE_PAGE_PATH, examplePage } from './http/example-page.ts';
import { driveTraffic, TRAFFIC_KEYS } from './demo-traffic.ts';
import { createLogger, linesOf } from './main.ts';

const DEMO_KEY = 'demo-key-for-trying';
/** The password of the demo's status page. */
export const ADMIN_KEY = 'demo-admin-key-for-trying';
/** Plots that move while somebody looks on. */
const STATUS_EVERY_MS = 2000;
/** The sample account's longest conversation: about 400 messages. */
const LONG_CONVERSATION = 1;

/** How often somebody writes into that. */
const WRITES_EVERY_S = 20;
/** The calls are printed once the feed is trusted, or after so long. */
const FEED_WAIT_MS = 3000;

/** A running demo. */
export interface Demo {
  readonly app: App;
  readonly url: string;
  /** The example page's address, with a token for the customer of the long conversation. It holds for an hour. */
  readonly pageUrl: string;
  /** An id in the middle of the long conversation. */
  readonly historyId: number;
  readonly chatwoot: FakeChatwoot;
  close(): Promise<void>;
}

/** Starts both, has a little going on, and prints calls to paste. `HOST`, `PORT` and `LOG_LEVEL` are the caller's to set; the rest is the demo's. */
export async function demo(env: NodeJS.ProcessEnv): Promise<void> {
  const running = await startDemo(env);
  const traffic = driveTraffic(running);
  closeWithGrace({ delay: SHUTDOWN_MS, logger: false }, async () => {
    await traffic.end();
    await running.close();
  });
  process.stdout.write(explain(running));
}

const SHUTDOWN_MS = 10_000;

/** Starts both; the sample Chatwoot may be one that runs already. */
export async function startDemo(env: NodeJS.ProcessEnv, sample?: FakeChatwoot): Promise<Demo> {
  const chatwoot = sample ?? (await startSampleChatwoot());
  const { HOST = '127.0.0.1', PORT = '8080', LOG_LEVEL = 'warn' } = env;
  const secret = randomBytes(32).toString('base64url');
  const config = loadConfig({
    HOST,
    PORT,
    LOG_LEVEL,
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
    CLIENT_KEYS: [`demo=${DEMO_KEY}`, ...TRAFFIC_KEYS].join(','),
    ADMIN_KEYS: `demo=${ADMIN_KEY}`,
    JWT_SECRET: secret,
    FEED: 'cable',
  });
  const logger = createLogger(config);
  const app = await buildApp({ config, logger, answeredLines: linesOf(logger), statusEveryMs: STATUS_EVERY_MS });
  examplePage(app.http);
  const url = await listen(app.http, { host: config.host, port: config.port }).catch(async (error: unknown) => {
    await app.close();
    await chatwoot.close();
    throw error;
  });
  void app.readiness.recheck();
  const waitUntil = performance.now() + FEED_WAIT_MS;
  // oxlint-disable-next-line no-await-in-loop -- it is waited for
  while (app.feed?.fedSince(SAMPLE_ACCOUNT_ID) === null && performance.now() < waitUntil) await sleep(10);

  const writing = setInterval(() => writeOne(chatwoot), WRITES_EVERY_S * 1000).unref();
  const ids = chatwoot.table.rows(SAMPLE_ACCOUNT_ID, LONG_CONVERSATION);
  return {
    app,
    url,
    chatwoot,
    pageUrl: `${url}${EXAMPLE_PAGE_PATH}#account=${SAMPLE_ACCOUNT_ID}&conversation=${LONG_CONVERSATION}&token=${await customerToken(secret)}`,
    historyId: ids[Math.floor(ids.length / 2)]!.id,
    async close() {
      clearInterval(writing);
      await app.close();
      await chatwoot.close();
    },
  };
}

function writeOne({ table }: FakeChatwoot): void {
  const content = `It is ${new Date().toISOString().slice(11, 19)} now.`;
  table.insert({ accountId: SAMPLE_ACCOUNT_ID, conversationId: LONG_CONVERSATION, messageType: 1, content });
}

async function customerToken(secret: string): Promise<string> {
  return new SignJWT({ account: SAMPLE_ACCOUNT_ID, conversations: [LONG_CONVERSATION], view: 'customer' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('demo')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
}

function explain({ url, pageUrl, historyId }: Pick<Demo, 'url' | 'pageUrl' | 'historyId'>): string {
  const messages = `${url}/api/v1/accounts/${SAMPLE_ACCOUNT_ID}/conversations/${LONG_CONVERSATION}/messages`;
  const key = `-H 'api_access_token: ${DEMO_KEY}'`;
  return `
Backscroll is up at ${url}, in front of a sample Chatwoot. Paste these in another terminal.

The newest page. First Cache-Status says fwd=miss: read from Chatwoot. Again: hit, until somebody writes, which is every ${WRITES_EVERY_S} seconds here
and told by Chatwoot's live feed.

  curl -si ${key} '${messages}'

A history page, twice. First fwd=miss, then hit: proved from what was read, Chatwoot was not asked.

  for i in 1 2; do curl -si ${key} '${messages}?before=${historyId}' | grep -i '^cache-status'; done

What was read from Chatwoot, and why:

  curl -s ${url}/metrics | grep ^backscroll_upstream_reads_total

What was saved, and from whom, with a map of what is known of a conversation. Other clients of the demo read conversations 2 to 5:

  ${url}/status     any user name; the password is ${ADMIN_KEY}

A page for the customer of that conversation, without private notes. The address holds a token for it and for an hour:

  ${pageUrl}

Ctrl-C ends it.
`;
}
