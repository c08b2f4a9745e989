// What the documents tell about answers happens: the four calls at the top of the README, and the example of a proof.

import { pino } from 'pino';
import { expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { EMPTY_TIMELINE, type Timeline } from '../../src/timeline/timeline.ts';
import { learn } from '../../src/timeline/learn.ts';
import { prove } from '../../src/timeline/prove.ts';
import type { Query } from '../../src/timeline/query.ts';
import type { Row } from '../../src/timeline/reading.ts';
import { SAMPLE_TOKEN, startSampleChatwoot } from '../support/fake-chatwoot/sample-account.ts';
import { codeBlocks, section, textOf } from './markdown.ts';

const README = textOf('README.md');

function withoutTtl(status: unknown): string {
  return String(status).replace(/ttl=\d+/, 'ttl=N');
}

test('the calls at the top get the Cache-Status that stands below them', async () => {
  const [, calls, shown] = codeBlocks(README);
  const path = /messages=http:\/\/[^/]+(\S+)/.exec(calls!.text)![1]!;
  const key = /-H '(\w+): ([\w-]+)'/.exec(calls!.text)!;
  const queries = [.../for query in (.+); do/.exec(calls!.text)![1]!.matchAll(/'([^']*)'/g)].map(([, query = '']) => query);

  const chatwoot = await startSampleChatwoot();
  const config = loadConfig({
    CHATWOOT_URL: chatwoot.url,
    CHATWOOT_API_TOKEN: SAMPLE_TOKEN,
    CLIENT_KEYS: `demo=${key[2]}`,
    FEED: 'cable',
  });
  const app = await buildApp({ config, logger: pino({ level: 'silent' }) });
  const statuses: unknown[] = [];
  for (const query of queries) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as in the shell
    const { headers } = await app.http.inject({ url: `${path}${query}`, headers: { [key[1]!]: key[2] } });
    statuses.push(headers['cache-status']);
    // oxlint-disable-next-line no-await-in-loop -- the shell waits a second here
    await app.readThrough.idle();
  }
  await app.close();
  await chatwoot.close();

  expect(statuses.map(withoutTtl)).toEqual(
    shown!.text
      .trim()
      .split('\n')
      .map((line) => withoutTtl(line.replace('cache-status: ', ''))),
  );
});

test('the example of a proof: three readings, a page that follows, and a back-dated message that keeps another from following', () => {
  const told = section(textOf('docs/how-it-proves.md'), 'How an answer is proved');
  expect(told).toContain('messages 1 to 60, one a minute, and message 90');
  const now = Date.parse('2026-06-01T12:00:00Z');
  const oneAMinute = Array.from({ length: 60 }, (_, at) => message(at + 1, now - (60 - at) * 60_000 - 3_600_000));
  const imported = message(90, Date.parse('2025-06-01T12:00:00Z'));
  const rows = [...oneAMinute, imported];
  const inIds = (lo: number, hi: number): Row[] => rows.filter(({ id }) => id >= lo && id < hi);

  expect(told).toContain('| the newest page | 41 to 60, a full page of 20 |');
  expect(told).toContain('| `after=20&before=61` | 20 to 60, fewer than the limit |');
  expect(told).toContain('| `before=20` | 1 to 19, fewer than the limit |');
  let timeline = read(EMPTY_TIMELINE, { mode: 'latest', publicOnly: false }, inIds(41, 61));
  timeline = read(timeline, { mode: 'between', after: 20, before: 61, publicOnly: false }, inIds(20, 61));
  timeline = read(timeline, { mode: 'before', before: 20, publicOnly: false }, inIds(1, 20));

  expect(told).toContain('`before=47`');
  const page = prove(timeline, { mode: 'before', before: 47, publicOnly: false }, { now, freshness });
  expect(page.proved && page.rows.map(({ id }) => id)).toEqual(inIds(27, 47).map(({ id }) => id));
  expect(told).toContain('`after=60`');
  expect(prove(timeline, { mode: 'after', after: 60, publicOnly: false }, { now, freshness }).proved).toBe(false);

  function read(known: Timeline, query: Query, answered: readonly Row[]): Timeline {
    const reading = { query, rows: answered, envelope: { head: '{"meta":{},"payload":[', tail: ']}' }, askedAt: now };
    return learn(known, reading, { vouched: 0, settleMs: freshness.settleMs, expiredBefore: 0 }).timeline;
  }
});

const freshness = loadConfig({
  CHATWOOT_URL: 'https://chatwoot.example.com',
  CHATWOOT_API_TOKEN: 'a-token',
  ALLOW_ANONYMOUS: 'true',
});

function message(id: number, at: number): Row {
  return { id, createdAt: Math.floor(at / 1000), internal: false, raw: `{"id":${id}}` };
}
