// Scripts of package.json that serve until they are told to end, tried in a fresh clone, where nothing is built yet.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { cloneWithoutBuild, Command, removeClone } from './clone.ts';

const SETTINGS = {
  CHATWOOT_URL: 'http://127.0.0.1:9',
  CHATWOOT_API_TOKEN: 'a-token',
  CLIENT_KEYS: 'crm=a-key-for-a-client',
  PORT: '0',
};

/** By what each prints when it serves. */
export const SERVERS = {
  start: /Server listening at (http:\/\/127\.0\.0\.1:\d+)/,
  dev: /Server listening at (http:\/\/127\.0\.0\.1:\d+)/,
  demo: /Backscroll is up at (http:\/\/127\.0\.0\.1:\d+)/,
} as const satisfies Readonly<Record<string, RegExp>>;

/** A clone for the tests of a file, without what an earlier one has built. @returns its folder, once tests run */
export function cloned(): () => string {
  let clone: string;
  beforeAll(async () => {
    clone = await cloneWithoutBuild();
  });
  afterAll(() => removeClone(clone));
  beforeEach(() => rm(join(clone, 'dist'), { recursive: true, force: true }));
  return () => clone;
}

export function testServer(script: keyof typeof SERVERS, clone: () => string): void {
  test(`npm run ${script} serves`, async () => {
    const command = new Command(`npm run ${script}`, clone(), SETTINGS);
    onTestFinished(() => command.end());
    const [, url] = await command.printed(SERVERS[script]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
}
