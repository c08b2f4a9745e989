// `backscroll demo`: Backscroll before a built-in sample Chatwoot. Needs no account, no Redis, no container.

import { SAMPLE_ACCOUNT_ID, SAMPLE_TOKEN, startSampleChatwoot } from '../test/support/fake-chatwoot/sample-account.ts';
import closeWithGrace from 'close-with-grace';
import { loadConfig } from './config.ts';
import { createLogger, start } from './main.ts';

const DEMO_KEY = 'demo-key-for-trying';
/** The sample account's longest conversation: about 400 messages. */
const LONG_CONVERSATION = 1;

/** Starts both and prints calls to paste. `HOST`, `PORT` and `LOG_LEVEL` are the caller's to set; the rest is the demo's. */
export async function demo(env: NodeJS.ProcessEnv): Promise<void> {
  const chatwoot = await startSampleChatwoot();
  const { HOST = '127.0.0.1', PORT = '8080', LOG_LEVEL = 'warn' } = env;
  const config = loadConfig({
    HOST,
    PORT,
    LOG_LEVEL,
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
    CLIENT_KEYS: `demo=${DEMO_KEY}`,
  });
  const { app, url } = await start(config, createLogger(config));
  closeWithGrace({ delay: config.shutdownTimeoutMs, logger: false }, async () => {
    await app.close();
    await chatwoot.close();
  });

  const ids = chatwoot.table.rows(SAMPLE_ACCOUNT_ID, LONG_CONVERSATION);
  const middle = ids[Math.floor(ids.length / 2)]!.id;
  process.stdout.write(
    explain(url, `${url}/api/v1/accounts/${SAMPLE_ACCOUNT_ID}/conversations/${LONG_CONVERSATION}/messages`, middle),
  );
}

function explain(origin: string, messages: string, historyId: number): string {
  const key = `-H 'api_access_token: ${DEMO_KEY}'`;
  return `
Backscroll is up at ${origin}, in front of a sample Chatwoot. Paste these in another terminal.

The newest page. Cache-Status says fwd=miss: read from Chatwoot. Again within a second: hit.

  curl -si ${key} '${messages}'

A history page, twice. First fwd=miss, then hit: proved from what was read, Chatwoot was not asked.

  for i in 1 2; do curl -si ${key} '${messages}?before=${historyId}' | grep -i '^cache-status'; done

What was read from Chatwoot, and why:

  curl -s ${origin}/metrics | grep ^backscroll_upstream_reads_total

Ctrl-C ends it.
`;
}
