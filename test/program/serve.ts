// `serve` before a sample Chatwoot, listening.

import { onTestFinished } from 'vitest';
import { KEY, plantToken } from '../support/backscroll.ts';
import { CANARY } from '../support/canary.ts';
import type { FakeChatwoot } from '../support/fake-chatwoot/fake-chatwoot.ts';
import { sendRaw } from '../support/fake-chatwoot/raw-request.ts';
import { freePort } from '../support/free-port.ts';
import { startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { startChild, type Child, type ChildOptions } from './child.ts';

export interface Serve {
  readonly child: Child;
  readonly port: number;
  readonly chatwoot: FakeChatwoot;
}

/** The settings of a program with one client, before this Chatwoot. */
export function settings(chatwoot: FakeChatwoot, env: Readonly<Record<string, string>>): Record<string, string> {
  return { CHATWOOT_URL: chatwoot.url, CHATWOOT_API_TOKEN: CANARY, CLIENT_KEYS: `test=${KEY}`, PORT: '0', ...env };
}

export async function startServe(env: Readonly<Record<string, string>> = {}, options: ChildOptions = {}): Promise<Serve> {
  const chatwoot = await startSampleChatwoot();
  onTestFinished(() => chatwoot.close());
  plantToken(chatwoot);
  if (options.stdout === undefined) {
    const child = startChild(['serve'], settings(chatwoot, env), options);
    const [, port] = await child.printed(/listening at http:\/\/127\.0\.0\.1:(\d+)/i);
    return { child, port: Number(port), chatwoot };
  }
  // Nothing tells the port that it takes.
  const port = await freePort();
  const child = startChild(['serve'], settings(chatwoot, { ...env, PORT: String(port) }), options);
  for (let isUp = false; !isUp;) {
    if (child.process.exitCode !== null) throw new Error(`ended with ${child.process.exitCode}: ${child.stderr()}`);
    isUp = await sendRaw(port, { method: 'GET', target: '/healthz', headers: [] }).then(
      () => true,
      () => false,
    );
  }
  return { child, port, chatwoot };
}

/** The value of a metric, with its labels. */
export async function metricOf(port: number, name: string): Promise<number> {
  const { body } = await sendRaw(port, { method: 'GET', target: '/metrics', headers: [] });
  const line = body
    .toString()
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name} `));
  if (line === undefined) throw new Error(`there is no metric ${name}`);
  return Number(line.slice(name.length + 1));
}
